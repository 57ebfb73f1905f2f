// What lies between a mark stack and the scan, so that an object is there when its edges are read:
//
//   stack --> batches (batches.h), each prefetched in one go --> next --> scan
//
// And which way edges lead: where it is mostly up, or down, passes in that order do without either.
//
// Thread safety: a local of one function.
#pragma once

#include <loam/layout.h>

#include <cstddef>

#include "allocator/base/check.h"
#include "gc/batches.h"

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
  bool leads_down() const { return above <= kSample / 4; }
};

class Ahead {
 public:
  bool empty() const { return batches_.empty(); }
  // An object that is on its way; the batches are filled from the top of the stack. nullptr: both
  // are empty.
  loam_object *next(loam_object *const *stack, size_t *depth) {
    if (LOAM_RARELY(!batches_.has_next())) {
      batches_.turn([=](loam_object **out) { return unload(stack, depth, out); });
    }
    return LOAM_EXPECT(batches_.has_next()) ? batches_.take() : nullptr;
  }
  loam_object *take() {  // not when empty
    size_t none = 0;
    return next(nullptr, &none);
  }

 private:
  unsigned unload(loam_object *const *stack, size_t *depth, loam_object **out) const {
    constexpr size_t kBatch = decltype(batches_)::kBatch;
    const size_t count = *depth < kBatch ? *depth : kBatch;
    *depth -= count;
    for (size_t i = 0; i < count; ++i) {
      loam_object *object = stack[*depth + i];
      __builtin_prefetch(object);
      out[i] = object;
    }
    return static_cast<unsigned>(count);
  }

  Batches<loam_object *, 16> batches_;
};

}  // namespace loam::gc
