// Items on their way from memory, in two batches (Cher, Hosking and Vitek, ASPLOS 2004, where it is
// a queue):
//
//   source --> batch, on its way from memory --> batch at hand --> take
//
// A batch is prefetched in one go while the other one is used up: a processor that has to translate
// an address first does not retire the prefetch before, but it translates several at a time.
//
// Thread safety: none needed; its owner's.
#pragma once

#include "allocator/base/check.h"

namespace loam::gc {

template <typename Item>
class Batches {
 public:
  static constexpr unsigned kBatch = 16;

  bool empty() const { return left_ + coming_ == 0; }
  bool has_next() const { return left_ != 0; }
  Item take() { return batches_[at_hand_][--left_]; }  // where has_next()

  // When the batch at hand is used up: it is filled anew, and the other one is taken meanwhile.
  // unload(Item *out) stores up to kBatch items, prefetched, and returns how many.
  template <typename Unload>
  void turn(Unload &&unload) {
    if (coming_ == 0) coming_ = unload(batches_[at_hand_ ^ 1]);
    const unsigned count = unload(batches_[at_hand_]);
    at_hand_ ^= 1;
    left_ = coming_;
    coming_ = count;
  }

 private:
  unsigned at_hand_ = 0;  // index of a batch
  unsigned left_ = 0;     // of that one
  unsigned coming_ = 0;   // of the other one
  Item batches_[2][kBatch];
};

}  // namespace loam::gc
