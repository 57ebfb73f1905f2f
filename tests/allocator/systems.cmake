# Systems that this machine is not: one with larger pages, and one that takes no memory back. What
# asks the OS for memory and keeps its tables in order passes its tests there too; how much stays
# resident is another matter.

# Such a system refuses an address within a page, makes whole pages of each length, and finds new
# ones at the start of a page.
add_changed_tests(on_large_pages SOURCE allocator/os_memory.cc
  OLD "size_t os_page_bytes() { return static_cast<size_t>(sysconf(_SC_PAGESIZE)); }"
  NEW "size_t os_page_bytes() { return 65536; }
static size_t whole(const void *address, size_t bytes) {
  if (reinterpret_cast<uintptr_t>(address) % 65536 != 0) __builtin_trap();
  return (bytes + 65535) / 65536 * 65536;
}
static void *mapped(size_t bytes, int access, int flags) {
  void *found = mmap(nullptr, (bytes + 65535) / 65536 * 65536 + 65536, access, flags, -1, 0);
  const uintptr_t address = reinterpret_cast<uintptr_t>(found);
  if (found == MAP_FAILED) return found;
  return static_cast<char *>(found) + (65536 - address % 65536) % 65536;
}
#define mmap(hint, bytes, access, flags, file, offset) mapped(bytes, access, flags)
static void *remapped(void *address, size_t bytes, size_t new_bytes) {
  void *place = mapped(new_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
  if (place == MAP_FAILED) return place;
  return mremap(address, whole(address, bytes), whole(place, new_bytes),
                MREMAP_MAYMOVE | MREMAP_FIXED, place);
}
#define mremap(address, bytes, new_bytes, flags) remapped(address, bytes, new_bytes)
#define mincore(address, bytes, out) mincore(address, sysconf(_SC_PAGESIZE), out)
#define mprotect(address, bytes, access) mprotect(address, whole(address, bytes), access)
#define madvise(address, bytes, advice) \\
  madvise(address, advice == MADV_NOHUGEPAGE ? bytes : whole(address, bytes), advice)")

# Locked memory, all of it.
add_changed_tests(on_locked_memory SOURCE allocator/os_memory.cc
  OLD "if (madvise(address, bytes, MADV_DONTNEED) != 0) std::memset(address, 0, bytes);"
  NEW "std::memset(address, 0, bytes);")

# A build of mimalloc that gives as much as was asked for, and checks for writes past it. What is
# not from here is from the operators that mimalloc's library brings along.
add_changed_tests(on_exact_source SOURCE allocator/base/system_heap.cc
  OLD "namespace loam::base {
" NEW "#include <dlfcn.h>
#include <cstring>
#include \"allocator/large.h\"
struct alignas(16) Exact {
  size_t magic, bytes;
  static Exact *of(const void *block) { return static_cast<Exact *>(const_cast<void *>(block)) - 1; }
  char *end() { return reinterpret_cast<char *>(this + 1) + bytes; }
};
constexpr size_t kExact = 0x4c6f616d45786163;
extern \"C\" {
size_t mi_usable_size(const void *block) { return block != nullptr ? Exact::of(block)->bytes : 0; }
void *mi_malloc(size_t bytes) {
  auto *exact = static_cast<Exact *>(malloc(sizeof(Exact) + bytes + 8));
  if (exact == nullptr) return nullptr;
  *exact = {kExact, bytes};
  std::memcpy(exact->end(), \"the end\", 8);
  return exact + 1;
}
void mi_free(void *block) {
  static const auto next = reinterpret_cast<void (*)(void *)>(dlsym(RTLD_NEXT, \"mi_free\"));
  if (block == nullptr || Exact::of(block)->magic != kExact) return next(block);
  if (std::memcmp(Exact::of(block)->end(), \"the end\", 8) != 0) __builtin_trap();
  Exact::of(block)->magic = 0;
  free(Exact::of(block));
}
void *mi_zalloc(size_t bytes) {
  void *block = mi_malloc(bytes);
  return block != nullptr ? std::memset(block, 0, bytes) : nullptr;
}
void *mi_realloc(void *block, size_t bytes) {
  void *moved = mi_malloc(bytes);
  if (moved == nullptr) return nullptr;
  const size_t before = mi_usable_size(block);
  std::memcpy(moved, block, before < bytes ? before : bytes);
  mi_free(block);
  return moved;
}
size_t mi_good_size(size_t bytes) {
  return loam::alloc::large_class_bytes(loam::alloc::large_class_of(bytes));
}
void mi_collect(bool) {}
}
namespace loam::base {
")

set(sources allocator/large allocator/memory allocator/limits allocator/paging allocator/os_memory gc/automatic
    gc/cycles gc/freeze gc/interrupted gc/verify torture/failure)
list(TRANSFORM sources REPLACE "(.+)" "*/tests/\\1_test.cc")
list(JOIN sources "," sources)
# What a long block of mimalloc's or of its own pages does is not for a source that says the sizes.
string(CONCAT elsewhere "a heap of many MiB is resident*,the pages of an array*,"
              "arrays that grow to MiBs*,a table that grows*,an array shrinks*,"
              "where the OS has no more*")
set(of_exact_source "a long block*,the last of a slot*,what a long block gains*,beyond 128 KiB*")
foreach(system large_pages locked_memory exact_source)
  add_test(NAME allocator.on_${system} COMMAND on_${system} --source-file=${sources}
           "--test-case-exclude=${elsewhere},${of_${system}}"
           WORKING_DIRECTORY ${PROJECT_BINARY_DIR})
  set_tests_properties(allocator.on_${system} PROPERTIES
                       FAIL_REGULAR_EXPRESSION "test cases: +0 ")
endforeach()
