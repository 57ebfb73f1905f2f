// jemalloc in the place of the C library's malloc.
#ifndef LOAM_BENCH_PEERS_ALLOCATOR_H
#define LOAM_BENCH_PEERS_ALLOCATOR_H

#include <jemalloc/jemalloc.h>

#include "../peer.h"

namespace peer {

inline void open() { require_malloc_of("libjemalloc"); }

inline void *allocate(size_t bytes) { return malloc(bytes); }
inline void *reallocate(void *block, size_t bytes) { return realloc(block, bytes); }
inline void release(void *block) { free(block); }
inline void release_sized(void *block, size_t bytes) { sdallocx(block, bytes, 0); }
// MALLCTL_ARENAS_ALL, spelt out.
inline constexpr const char *kPurgeAllArenas = "arena.4096.purge";

inline void trim() {
  mallctl("thread.tcache.flush", nullptr, nullptr, nullptr, 0);
  mallctl(kPurgeAllArenas, nullptr, nullptr, nullptr, 0);
}

}  // namespace peer

#endif
