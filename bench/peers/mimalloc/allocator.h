// mimalloc by its own names, beside the C library's malloc.
#ifndef LOAM_BENCH_PEERS_ALLOCATOR_H
#define LOAM_BENCH_PEERS_ALLOCATOR_H

#include <mimalloc.h>

#include "../peer.h"

namespace peer {

inline void open() { require_malloc_of("libc."); }

inline void *allocate(size_t bytes) { return mi_malloc(bytes); }
inline void *reallocate(void *block, size_t bytes) { return mi_realloc(block, bytes); }
inline void release(void *block) { mi_free(block); }
inline void release_sized(void *block, size_t bytes) { mi_free_size(block, bytes); }
inline void trim() { mi_collect(true); }

}  // namespace peer

#endif
