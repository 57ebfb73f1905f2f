// Items on their way from memory, in two batches (Cher, Hosking and Vitek, ASPLOS 2004, where it is
// a queue):
//
//   source --> batch, on its way from memory --> batch at hand --> take
//
// Whoever fills a batch has its items prefetched by then, or does so in one go: a processor that
// has to translate an address first does not retire the prefetch before, but it translates several
// at a time.
//
// Thread safety: none needed; its owner's.
#pragma once

#include "allocator/base/check.h"

namespace loam::gc {

template <typename Item, unsigned kItems>
class Batches {
 public:
  static constexpr unsigned kBatch = kItems;

  bool empty() const { return left_ + coming_ == 0; }
  bool has_next() const { return left_ != 0; }
  Item take() { return batches_[at_hand_][--left_]; }  // where has_next()

  // When the batch at hand is used up: it is filled anew, and the other one is taken meanwhile.
  // unload(Item *out) stores up to kBatch items, and returns how many.
  template <typename Unload>
  void turn(Unload &&unload) {
    if (coming_ == 0) coming_ = unload(batches_[at_hand_ ^ 1]);
    const unsigned count = unload(batches_[at_hand_]);
    at_hand_ ^= 1;
    left_ = coming_;
    coming_ = count;
  }
  // Takes the whole batch at hand; returns how many items there are.
  unsigned take_all(const Item **items) {
    const unsigned count = left_;
    left_ = 0;
    *items = batches_[at_hand_];
    return count;
  }

 private:
  unsigned at_hand_ = 0;  // index of a batch
  unsigned left_ = 0;     // of that one
  unsigned coming_ = 0;   // of the other one
  Item batches_[2][kItems];
};

}  // namespace loam::gc
