#include "allocator/os_memory.h"

#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

namespace loam::alloc {

size_t os_page_bytes() { return static_cast<size_t>(sysconf(_SC_PAGESIZE)); }

void *os_reserve(size_t bytes) {
  void *address =
      mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (address == MAP_FAILED) return nullptr;
  // A host of a few KiB must not become one of a few MiB because a page is huge.
  madvise(address, bytes, MADV_NOHUGEPAGE);
  return address;
}

void os_release(void *address, size_t bytes) { munmap(address, bytes); }

bool os_commit(void *address, size_t bytes) {
  return mprotect(address, bytes, PROT_READ | PROT_WRITE) == 0;
}

void os_populate(void *address, size_t bytes) {
  constexpr int kPopulateWrite = 23;  // MADV_POPULATE_WRITE, of Linux 5.14; older headers lack it
  madvise(address, bytes, kPopulateWrite);
}

void os_discard(void *address, size_t bytes) { madvise(address, bytes, MADV_DONTNEED); }

uint64_t os_monotonic_ns() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000u + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace loam::alloc
