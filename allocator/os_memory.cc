#include "allocator/os_memory.h"

#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cstring>

namespace loam::alloc {

namespace {

uint64_t read_clock(clockid_t clock) {
  timespec now;
  clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000u + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace

size_t os_page_bytes() { return static_cast<size_t>(sysconf(_SC_PAGESIZE)); }

void *os_reserve(size_t bytes) {
  void *address =
      mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (address == MAP_FAILED) return nullptr;
  // A host of a few KiB must not become one of a few MiB because a page is huge.
  os_forbid_huge(address, bytes);
  return address;
}

void os_release(void *address, size_t bytes) {
  // Refused where that would split a mapping and the process has as many as it may have: then the
  // addresses stay, but not the memory.
  if (munmap(address, bytes) != 0) madvise(address, bytes, MADV_DONTNEED);
}

void *os_map(size_t bytes) {
  void *address = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return address != MAP_FAILED ? address : nullptr;
}

void *os_remap(void *address, size_t bytes, size_t new_bytes) {
  void *moved = mremap(address, bytes, new_bytes, MREMAP_MAYMOVE);
  return moved != MAP_FAILED ? moved : nullptr;
}

bool os_commit(void *address, size_t bytes) {
  return mprotect(address, bytes, PROT_READ | PROT_WRITE) == 0;
}

bool os_populate(void *address, size_t bytes) {
  constexpr int kPopulateWrite = 23;  // MADV_POPULATE_WRITE, of Linux 5.14; older headers lack it
  const size_t page = os_page_bytes();
  const size_t before = reinterpret_cast<uintptr_t>(address) % page;
  const size_t length = (before + bytes + page - 1) / page * page;
  return madvise(static_cast<char *>(address) - before, length, kPopulateWrite) == 0;
}

bool os_populate_huge(void *address, size_t bytes) {
  if (madvise(address, bytes, MADV_HUGEPAGE) != 0) return false;
  // One store: where there is no huge page it costs a small one, not 512 of them.
  *static_cast<volatile char *>(address) = 0;
  unsigned char last_is_resident = 0;
  const size_t page = os_page_bytes();
  mincore(static_cast<char *>(address) + bytes - page, page, &last_is_resident);
  if ((last_is_resident & 1) != 0) return true;
  os_forbid_huge(address, bytes);
  return false;
}

void os_allow_huge(void *address, size_t bytes) { madvise(address, bytes, MADV_HUGEPAGE); }

void os_forbid_huge(void *address, size_t bytes) { madvise(address, bytes, MADV_NOHUGEPAGE); }

void os_discard(void *address, size_t bytes) {
  // Locked pages stay, but what was in them must not.
  if (madvise(address, bytes, MADV_DONTNEED) != 0) std::memset(address, 0, bytes);
}

uint64_t os_monotonic_ns() { return read_clock(CLOCK_MONOTONIC); }
uint64_t os_thread_ns() { return read_clock(CLOCK_THREAD_CPUTIME_ID); }

}  // namespace loam::alloc
