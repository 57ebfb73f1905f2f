#include "allocator/returns.h"

#include <cstring>

#include "allocator/base/byte_masks.h"
#include "allocator/base/check.h"

namespace loam::alloc {

using base::count_bits;

void Heap::prefetch_words(const ReturnedWord *words, size_t count) const {
  const Slab *const slabs = range_.slabs;
  const uint64_t *const allocated = range_.bitmaps[kAllocated];
  const uint64_t *const young_bits = range_.bitmaps[kYoung];
  // Where few are, the word is rarely touched, and the memory is not asked for it in vain.
  const bool many_young = young_slabs > slab_limit() / 4;
  for (size_t i = 0; i < count; ++i) {
    if (slabs[words[i].word / kWordsPerStretch].lags) continue;
    __builtin_prefetch(allocated + words[i].word, 1);
    if (many_young) __builtin_prefetch(young_bits + words[i].word, 1);
    asm volatile("");  // or GCC 12 takes this function for one without effect
  }
}

LOAM_NOINLINE void Heap::clear_all_bits(size_t index) {
  const Slab &slab = range_.slabs[index];
  for (size_t word = 0; word * 64 < slab.block_count; ++word) {
    if (slab.kind == Kind::kContainer) {
      uint64_t &young_bits = range_.words(kYoung, index)[word];
      young_blocks -= count_bits(young_bits);
      young_bits = 0;
    }
    range_.words(kAllocated, index)[word] = 0;
  }
}

LOAM_NOINLINE void Heap::catch_up(loam_thread *thread) {
  bool lists_are_empty = false;
  for (size_t index; (index = unlist_slab(lagging, &Slab::lagging)) != kNoSlab;) {
    if (!range_.slabs[index].lags) continue;
    // What waits on a list of objects has a header of 0 too. This may take the last of a slab.
    for (unsigned head = LOAM_HEADS_LEAF; !lists_are_empty && head < list_end(); ++head) {
      return_oldest(thread, head, cached_blocks(thread, head));
    }
    lists_are_empty = true;
    if (range_.slabs[index].lags) catch_up(index);
  }
}

LOAM_NOINLINE void Heap::lose_all(size_t index) {
  clear_all_bits(index);
  catch_up(index);
}

void Heap::catch_up(size_t index) {
  Slab &slab = range_.slabs[index];
  pools_[slab.head].allocated -= slab.lost;
  handed_out_bytes_ -= size_t{slab.lost} * slab.block_size;
  slab.allocated -= slab.lost;
  slab.lost = 0;
  slab.lags = false;
  size_t left = 0;
  for (size_t word = 0; word * 64 < slab.block_count; ++word) {
    uint64_t &allocated = range_.words(kAllocated, index)[word];
    const char *const base = range_.slab_address(index) + word * 64 * slab.block_size;
    uint64_t gone = 0;
    for (uint64_t rest = allocated; rest != 0; rest &= rest - 1) {
      const auto at = static_cast<size_t>(__builtin_ctzll(rest));
      uint64_t header;
      std::memcpy(&header, base + at * slab.block_size, sizeof header);
      gone |= uint64_t{header == 0} << at;
    }
    allocated &= ~gone;
    left += count_bits(allocated);
    if (slab.kind != Kind::kContainer) continue;
    uint64_t &young_bits = range_.words(kYoung, index)[word];
    young_blocks -= count_bits(young_bits & gone);
    young_bits &= ~gone;
  }
  LOAM_CHECK(left == slab.allocated);
  if (left == 0) release_slab(index);
}

LOAM_NOINLINE void Returns::turn() {
  heap_.prefetch_words(words_[half_], filled_);
  half_ ^= 1;
  heap_.return_words(words_[half_], prefetched_, may_lag_);
  prefetched_ = filled_;
  filled_ = 0;
}

LOAM_NOINLINE void Returns::finish_slow(loam_thread *thread) {
  if (bits_ != 0) {
    const ReturnedWord last = {word_, bits_};
    bits_ = 0;
    if ((filled_ | prefetched_) != 0) {
      heap_.return_words(words_[half_ ^ 1], prefetched_, false);
      heap_.return_words(words_[half_], filled_, false);
      filled_ = prefetched_ = 0;
    }
    heap_.return_words(&last, 1, false);
  }
  if (heap_.lagging.empty()) return;
  heap_.catch_up(thread);
  may_lag_ = false;  // where host code comes in between, it gains nothing
}

}  // namespace loam::alloc
