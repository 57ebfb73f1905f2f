// jemalloc in the place of the C library's malloc.
#ifndef LOAM_BENCH_PEERS_ALLOCATOR_H
#define LOAM_BENCH_PEERS_ALLOCATOR_H

#include <jemalloc/jemalloc.h>

#include "../peer.h"

namespace peer {

// MALLCTL_ARENAS_ALL, spelt out.
inline constexpr const char *kPurgeAllArenas = "arena.4096.purge";

struct Heap {
  static Heap open() {
    require_malloc_of("libjemalloc");
    return {};
  }

  void *allocate(size_t bytes) const { return malloc(bytes); }
  void *reallocate(void *block, size_t bytes) const { return realloc(block, bytes); }
  void release(void *block) const { free(block); }
  void release_sized(void *block, size_t bytes) const { sdallocx(block, bytes, 0); }
  void trim() const {
    mallctl("thread.tcache.flush", nullptr, nullptr, nullptr, 0);
    mallctl(kPurgeAllArenas, nullptr, nullptr, nullptr, 0);
  }
};

}  // namespace peer

#endif
