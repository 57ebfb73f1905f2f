#include "gc/waiting.h"

namespace loam::gc {

using alloc::Large;
using alloc::Slab;

unsigned ReleaseQueue::unload(Entry *out) {
  const unsigned most = depth_ - floor_;
  const unsigned count = most < kBatch ? most : kBatch;
  depth_ -= count;
  for (unsigned i = 0; i < count; ++i) {
    const Entry entry = stack_[depth_ + i];
    // Into the second-level cache: the first can wait for few lines at once, and has those of the
    // tables to wait for.
    __builtin_prefetch(reinterpret_cast<const void *>(entry & ~kDead), 0, 2);
    out[i] = entry;
  }
  return count;
}

// The batch at hand is used up.
LOAM_NOINLINE ReleaseQueue::Entry ReleaseQueue::take_slow() {
  if (batches_.empty()) {
    little_ = depth_ > floor_ + kLittle ? 0 : floor_ + kLittle;
    if (little_ != 0) return depth_ != floor_ ? stack_[--depth_] : 0;
  }
  batches_.turn([this](Entry *out) { return unload(out); });
  return batches_.take();
}

LOAM_NOINLINE void WaitingSet::add(loam_object *object) {
  ++count_;
  if (object->tag & LOAM_FLAG_LARGE) {
    Large *large = Large::of(object);
    large->next_waiting = large_;
    large_ = large;
    return;
  }
  alloc::Range &range = heap_.range();
  range.set(bitmap_, range.block_number(object));
  heap_.list_slab(slabs_, link_, range.slab_index(object));
}

LOAM_NOINLINE size_t WaitingSet::take(loam_object **out, size_t most) {
  if (count_ == 0 || most == 0) return 0;
  size_t taken = 1;
  if (large_ != nullptr) {
    *out = static_cast<loam_object *>(large_->block());
    large_ = large_->next_waiting;
  } else {
    taken = take_small(out, most < kMost ? most : kMost);
  }
  count_ -= taken;
  return taken;
}

// From one word of the bitmap.
size_t WaitingSet::take_small(loam_object **out, size_t most) {
  alloc::Range &range = heap_.range();
  size_t number;
  LOAM_CHECK(heap_.first_bits(slabs_, link_, bitmap_, &number));  // count_ said that there is one
  uint64_t &word = range.bitmaps[bitmap_][number / 64];
  char *const base = range.block_address(number);
  const size_t size = range.slabs[number / alloc::kBlocksPerStretch].block_size;
  size_t taken = 0;
  for (; word != 0 && taken < most; word &= word - 1) {
    const size_t at = static_cast<size_t>(__builtin_ctzll(word));
    out[taken++] = reinterpret_cast<loam_object *>(base + at * size);
  }
  return taken;
}

}  // namespace loam::gc
