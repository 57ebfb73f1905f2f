// The allocator of the C library.
#ifndef LOAM_BENCH_PEERS_ALLOCATOR_H
#define LOAM_BENCH_PEERS_ALLOCATOR_H

#include <malloc.h>

#include <cstdlib>

#include "../peer.h"

namespace peer {

inline void open() { require_malloc_of("libc."); }

inline void *allocate(size_t bytes) { return std::malloc(bytes); }
inline void *reallocate(void *block, size_t bytes) { return std::realloc(block, bytes); }
inline void release(void *block) { std::free(block); }
inline void release_sized(void *block, size_t) { std::free(block); }
inline void trim() { malloc_trim(0); }

}  // namespace peer

#endif
