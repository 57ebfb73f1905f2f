// mimalloc by its own names, beside the C library's malloc.
#ifndef LOAM_BENCH_PEERS_ALLOCATOR_H
#define LOAM_BENCH_PEERS_ALLOCATOR_H

#include <mimalloc.h>

#include "../peer.h"

namespace peer {

struct Heap {
  static Heap open() {
    require_malloc_of("libc.");
    return {};
  }

  void *allocate(size_t bytes) const { return mi_malloc(bytes); }
  void *reallocate(void *block, size_t bytes) const { return mi_realloc(block, bytes); }
  void release(void *block) const { mi_free(block); }
  void release_sized(void *block, size_t bytes) const { mi_free_size(block, bytes); }
  void trim() const { mi_collect(true); }
};

}  // namespace peer

#endif
