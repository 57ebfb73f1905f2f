// Objects on their way from memory: a queue between a mark stack and the scan, which each object
// enters prefetched, so that it is there when its edges are read (Cher, Hosking and Vitek, ASPLOS
// 2004).
//
//   stack --> batch, on its way from memory --> batch at hand --> next --> scan
//
// A batch is prefetched in one go: a processor that has to translate an address first does not
// retire the prefetch before, but it translates several at a time.
//
// And which way edges lead: where it is mostly up, passes in address order do without either.
//
// Thread safety: a local of one function.
#pragma once

#include <loam/layout.h>

#include <cstddef>

#include "allocator/base/check.h"
#include "gc/tables.h"

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
  // noted: where the refcounts of the objects will be noted, so that those bytes come along; may be
  // null.
  explicit Ahead(const Tables *noted = nullptr) : noted_(noted) {}

  bool empty() const { return left_ + coming_ == 0; }
  // An object that is on its way; the batches are filled from the top of the stack. nullptr: both
  // are empty.
  loam_object *next(loam_object *const *stack, size_t *depth) {
    if (LOAM_RARELY(left_ == 0)) turn(stack, depth);
    return LOAM_EXPECT(left_ != 0) ? batches_[at_hand_][--left_] : nullptr;
  }
  loam_object *take() {  // not when empty
    size_t none = 0;
    return next(nullptr, &none);
  }

 private:
  static constexpr size_t kBatch = 16;

  // The batch at hand is used up: it is filled anew, and the other one is taken meanwhile.
  void turn(loam_object *const *stack, size_t *depth) {
    if (coming_ == 0) coming_ = unload(stack, depth, batches_[at_hand_ ^ 1]);
    const size_t count = unload(stack, depth, batches_[at_hand_]);
    at_hand_ ^= 1;
    left_ = coming_;
    coming_ = count;
  }
  size_t unload(loam_object *const *stack, size_t *depth, loam_object **out) const {
    const size_t count = *depth < kBatch ? *depth : kBatch;
    *depth -= count;
    for (size_t i = 0; i < count; ++i) {
      loam_object *object = stack[*depth + i];
      __builtin_prefetch(object);
      if (noted_ != nullptr && noted_->in_range(object)) {
        __builtin_prefetch(noted_->refcounts + noted_->number_of(object), 1);
      }
      out[i] = object;
    }
    return count;
  }

  const Tables *noted_;
  unsigned at_hand_ = 0;
  size_t left_ = 0;    // of the batch at hand
  size_t coming_ = 0;  // of the other one
  loam_object *batches_[2][kBatch];
};

}  // namespace loam::gc
