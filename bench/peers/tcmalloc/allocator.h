// gperftools' tcmalloc in the place of the C library's malloc.
#ifndef LOAM_BENCH_PEERS_ALLOCATOR_H
#define LOAM_BENCH_PEERS_ALLOCATOR_H

#include <gperftools/malloc_extension_c.h>
#include <gperftools/tcmalloc.h>

#include <cstdlib>

#include "../peer.h"

namespace peer {

inline void open() { require_malloc_of("libtcmalloc"); }

inline void *allocate(size_t bytes) { return std::malloc(bytes); }
inline void *reallocate(void *block, size_t bytes) { return std::realloc(block, bytes); }
inline void release(void *block) { std::free(block); }
inline void release_sized(void *block, size_t bytes) { tc_free_sized(block, bytes); }
inline void trim() {
  MallocExtension_MarkThreadIdle();
  MallocExtension_ReleaseFreeMemory();
}

}  // namespace peer

#endif
