// Objects on their way from memory: a queue between a mark stack and the scan, which each object
// enters prefetched, so that it is there when its edges are read (Cher, Hosking and Vitek, ASPLOS
// 2004).
//
//   stack --> fill_from --> 16 objects, each prefetched --> take --> scan
//
// Thread safety: a local of one function.
#pragma once

#include <loam/layout.h>

#include <cstddef>

namespace loam::gc {

class Ahead {
 public:
  bool empty() const { return first_ == last_; }

  // Takes objects from the top of a stack, as many as there is room for.
  void fill_from(loam_object *const *stack, size_t *depth) {
    while (*depth != 0 && last_ - first_ < kObjects) {
      loam_object *next = stack[--*depth];
      __builtin_prefetch(next);
      objects_[last_++ % kObjects] = next;
    }
  }
  loam_object *take() { return objects_[first_++ % kObjects]; }  // not when empty

 private:
  static constexpr size_t kObjects = 16;

  size_t first_ = 0, last_ = 0;
  loam_object *objects_[kObjects];
};

}  // namespace loam::gc
