// Loam: inline, or with LOAM_NO_INLINE defined for the whole program, its exported calls.
#ifndef LOAM_BENCH_PEERS_ALLOCATOR_H
#define LOAM_BENCH_PEERS_ALLOCATOR_H

#include <loam/loam.h>

#include "../peer.h"

namespace peer {

// A host has the handle at hand; here one of the program's own stands for it.
inline loam_thread *thread;

inline void open() {
  require_malloc_of("libc.");
  loam_runtime *runtime = nullptr;
  require(loam_runtime_create(nullptr, &runtime) == LOAM_OK, "loam_runtime_create failed");
  thread = loam_runtime_main_thread(runtime);
}

inline void *allocate(size_t bytes) { return loam_malloc(thread, bytes); }
inline void *reallocate(void *block, size_t bytes) { return loam_realloc(thread, block, bytes); }
inline void release(void *block) { loam_free(thread, block); }
inline void release_sized(void *block, size_t bytes) { loam_free_sized(thread, block, bytes); }
inline void trim() { loam_trim(thread); }

}  // namespace peer

#endif
