// Loam: inline, or with LOAM_NO_INLINE defined for the whole program, its exported calls.
#ifndef LOAM_BENCH_PEERS_ALLOCATOR_H
#define LOAM_BENCH_PEERS_ALLOCATOR_H

#include <loam/loam.h>

#include "../peer.h"

namespace peer {

struct Heap {
  loam_thread *thread;

  static Heap open() {
    require_malloc_of("libc.");
    loam_runtime *runtime = nullptr;
    require(loam_runtime_create(nullptr, &runtime) == LOAM_OK, "loam_runtime_create failed");
    return Heap{loam_runtime_main_thread(runtime)};
  }

  void *allocate(size_t bytes) const { return loam_malloc(thread, bytes); }
  void *reallocate(void *block, size_t bytes) const { return loam_realloc(thread, block, bytes); }
  void release(void *block) const { loam_free(thread, block); }
  void release_sized(void *block, size_t bytes) const { loam_free_sized(thread, block, bytes); }
  void trim() const { loam_trim(thread); }
};

}  // namespace peer

#endif
