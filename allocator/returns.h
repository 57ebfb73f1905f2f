// Blocks on their way back to their slabs, one by one as they die: those of one word of the bitmap
// that come together go back in one step, and what a word's return touches is prefetched.
//
//   add --> the word at hand --> filling, kBatch words --> prefetched, kBatch words --> the heap
//
// The tables are small beside the blocks, but of a large heap they are not in the cache either. A
// batch is prefetched in one go, so that the processor translates its addresses at once. And of a
// slab that loses many blocks so, they are left as they are for a while.
//
// Thread safety: the owning runtime's thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "allocator/base/byte_masks.h"
#include "allocator/base/check.h"
#include "allocator/heap.h"

namespace loam::alloc {

struct ReturnedWord {
  size_t word;  // of the range's bitmaps
  uint64_t bits;
};

class Returns {
 public:
  explicit Returns(Heap &heap) : heap_(heap) {}

  // Whether slabs may lag until finish(), which takes longer then; only while much is on its way.
  void let_lag(bool may) { may_lag_ = may; }

  // A block that is zero, header included.
  void add(size_t number) {
    if (number / 64 != word_) start_word(number / 64);
    bits_ |= Range::bit_of(number);
  }
  // Nothing is on its way any more, and no slab lags; none will, where one did.
  void finish(loam_thread *thread) {
    if (bits_ != 0 || !heap_.lagging.empty()) finish_slow(thread);
  }

 private:
  static constexpr size_t kBatch = 32;

  void start_word(size_t word) {
    if (LOAM_EXPECT(bits_ != 0) && !heap_.lose({word_, bits_})) {
      words_[half_][filled_++] = {word_, bits_};
      if (filled_ == kBatch) turn();
    }
    word_ = word;
    bits_ = 0;
  }
  void turn();
  void finish_slow(loam_thread *thread);

  Heap &heap_;
  bool may_lag_ = false;
  size_t word_ = 0;        // the word at hand
  uint64_t bits_ = 0;      // 0: nothing is on its way
  size_t filled_ = 0;      // of words_[half_]
  size_t prefetched_ = 0;  // of the other half
  unsigned half_ = 0;
  ReturnedWord words_[2][kBatch];
};

// Whether the blocks' slab lags, and no more is to be done for them.
inline bool Heap::lose(const ReturnedWord &word) {
  const size_t index = word.word / kWordsPerStretch;
  Slab &slab = range_.slabs[index];
  if (!slab.lags) return false;
  slab.lost = static_cast<uint16_t>(slab.lost + base::count_bits(word.bits));
  if (LOAM_RARELY(slab.lost == slab.allocated)) lose_all(index);
  return true;
}

}  // namespace loam::alloc
