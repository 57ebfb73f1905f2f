// Address space and pages: the only file that talks to the OS about memory.
// Thread safety: the OS's.
#pragma once

#include <cstddef>
#include <cstdint>

namespace loam::alloc {

size_t os_page_bytes();

// Reserves addresses that may not be touched yet and are charged to nobody; nullptr when there are
// none.
void *os_reserve(size_t bytes);
void os_release(void *address, size_t bytes);
// Readable and writable at once, zero on first touch; nullptr when the OS refuses. What becomes
// longer takes its pages along to where there is room, what becomes shorter stays; on failure
// nothing has happened.
void *os_map(size_t bytes);
void *os_remap(void *address, size_t bytes, size_t new_bytes);

// Makes whole pages readable and writable, zero on first touch; false when the OS refuses.
// Committing twice is harmless.
bool os_commit(void *address, size_t bytes);
// Touches the pages of committed memory ahead of its use, at the price of one call instead of a
// fault for each. False where the OS has no such call: nothing happens, and each page faults when
// it is used.
bool os_populate(void *address, size_t bytes);
// Has the OS back an aligned huge page of committed addresses, of which none was touched, by memory
// of that kind, at once. False when it does not: they may be backed by small pages, on demand.
bool os_populate_huge(void *address, size_t bytes);
// Lets the OS back a stretch by huge pages when it is touched; and takes that leave back. What is
// resident stays.
void os_allow_huge(void *address, size_t bytes);
void os_forbid_huge(void *address, size_t bytes);
// Gives the memory behind committed pages back: they stay usable, and read zero.
void os_discard(void *address, size_t bytes);

uint64_t os_monotonic_ns();
uint64_t os_thread_ns();  // for which the calling thread ran: slower to read

}  // namespace loam::alloc
