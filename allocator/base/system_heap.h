// Memory that is not a block: large blocks and the runtime's own structures. It comes from
// mimalloc; under AddressSanitizer and Valgrind it comes from libc instead, so that those tools see
// each block. Thread-safe, as the sources are.
#pragma once

#include <cstddef>

namespace loam::base {

// All return nullptr when memory ran out. Blocks are aligned to 16 bytes.
void *system_malloc(size_t bytes);
void *system_calloc(size_t bytes);
void *system_realloc(void *block, size_t bytes);  // on failure the old block is untouched
void system_free(void *block);
size_t system_usable_size(const void *block);
size_t system_good_size(size_t bytes);  // what system_usable_size would be, or a close lower bound
void system_trim();                     // asks the source to give back what it caches

}  // namespace loam::base
