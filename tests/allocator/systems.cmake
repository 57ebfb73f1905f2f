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
  void *found = mmap(nullptr, bytes + 65536, access, flags, -1, 0);
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

set(sources allocator/large allocator/memory allocator/limits allocator/paging allocator/os_memory gc/automatic
    gc/cycles gc/freeze gc/interrupted gc/verify torture/failure)
list(TRANSFORM sources REPLACE "(.+)" "*/tests/\\1_test.cc")
list(JOIN sources "," sources)
foreach(system large_pages locked_memory)
  add_test(NAME allocator.on_${system} COMMAND on_${system} --source-file=${sources}
           "--test-case-exclude=a heap of many MiB is resident*,the pages of an array*,arrays that grow to MiBs*,a table that grows*,an array shrinks*"
           WORKING_DIRECTORY ${PROJECT_BINARY_DIR})
  set_tests_properties(allocator.on_${system} PROPERTIES
                       FAIL_REGULAR_EXPRESSION "test cases: +0 ")
endforeach()
