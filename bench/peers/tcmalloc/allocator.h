// gperftools' tcmalloc in the place of the C library's malloc.
#ifndef LOAM_BENCH_PEERS_ALLOCATOR_H
#define LOAM_BENCH_PEERS_ALLOCATOR_H

#include <gperftools/malloc_extension_c.h>
#include <gperftools/tcmalloc.h>

#include <cstdlib>

#include "../peer.h"

namespace peer {

struct Heap {
  static Heap open() {
    require_malloc_of("libtcmalloc");
    return {};
  }

  void *allocate(size_t bytes) const { return std::malloc(bytes); }
  void *reallocate(void *block, size_t bytes) const { return std::realloc(block, bytes); }
  void release(void *block) const { std::free(block); }
  void release_sized(void *block, size_t bytes) const { tc_free_sized(block, bytes); }
  void trim() const {
    MallocExtension_MarkThreadIdle();
    MallocExtension_ReleaseFreeMemory();
  }
};

}  // namespace peer

#endif
