// The allocator of the C library.
#ifndef LOAM_BENCH_PEERS_ALLOCATOR_H
#define LOAM_BENCH_PEERS_ALLOCATOR_H

#include <malloc.h>

#include <cstdlib>

#include "../peer.h"

namespace peer {

struct Heap {
  static Heap open() {
    require_malloc_of("libc.");
    return {};
  }

  void *allocate(size_t bytes) const { return std::malloc(bytes); }
  void *reallocate(void *block, size_t bytes) const { return std::realloc(block, bytes); }
  void release(void *block) const { std::free(block); }
  void release_sized(void *block, size_t) const { std::free(block); }
  void trim() const { malloc_trim(0); }
};

}  // namespace peer

#endif
