// Objects on their way from memory: a queue between a mark stack and the scan, which each object
// enters prefetched, so that it is there when its edges are read (Cher, Hosking and Vitek, ASPLOS
// 2004).
//
//   stack --> 16 objects, each prefetched --> next --> scan
//
// And which way edges lead: where it is mostly up, passes in address order do without either.
//
// Thread safety: a local of one function.
#pragma once

#include <loam/layout.h>

#include <cstddef>

#include "allocator/base/check.h"

namespace loam::gc {

// A sample of the objects put on a stack.
struct Direction {
  static constexpr size_t kSample = 1024;
  size_t objects = 0;
  size_t above = 0;  // of them, those that lie above what refers to them

  void note(const loam_object *from, const loam_object *to) {
    ++objects;
    above += to > from;
  }
  bool is_complete() const { return objects >= kSample; }
  bool leads_up() const { return above >= kSample - kSample / 4; }
};

class Ahead {
 public:
  bool empty() const { return count_ == 0; }

  // The object that has been on its way longest; the queue fills up from the top of the stack.
  // nullptr: both are empty.
  loam_object *next(loam_object *const *stack, size_t *depth) {
    if (LOAM_RARELY(count_ != kObjects || *depth == 0)) {
      while (*depth != 0 && count_ < kObjects) start(stack[--*depth], count_++);
      return count_ != 0 ? take() : nullptr;
    }
    loam_object *object = objects_[first_ % kObjects];
    start(stack[--*depth], kObjects);
    ++first_;
    return object;
  }
  loam_object *take() {  // not when empty
    --count_;
    return objects_[first_++ % kObjects];
  }

 private:
  static constexpr size_t kObjects = 16;

  void start(loam_object *object, size_t behind_first) {
    __builtin_prefetch(object);
    objects_[(first_ + behind_first) % kObjects] = object;
  }

  size_t first_ = 0, count_ = 0;
  loam_object *objects_[kObjects];
};

}  // namespace loam::gc
