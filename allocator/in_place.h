// Whether loam_realloc leaves a block where it is: a small one within its size class, a large one
// that shrinks to no less than half. Debug mode and torture ask for more moves than that.
// Thread safety: the owning runtime's thread.
#pragma once

#include <loam/layout.h>

#include <cstddef>

#include "allocator/large.h"
#include "allocator/range.h"

namespace loam::alloc {

// `block` may be NULL, which stays nowhere.
inline bool stays_in_place(const Range &range, const void *block, size_t size) {
  if (range.contains(block)) {
    const size_t steps = range.pools[range.slab_index(block)] >> LOAM_POOL_STEPS_SHIFT;
    return size <= LOAM_MAX_BLOCK && round_to_class(size) == steps * LOAM_CLASS_STEP;
  }
  if (size <= LOAM_MAX_BLOCK || block == nullptr) return false;
  const size_t usable = Large::of(block)->size();
  return size <= usable && size >= usable / 2;
}

}  // namespace loam::alloc
