// What of the heap is inline because each large block, each realloc and many a free pays for it.
// Thread safety: the owning runtime's thread.
#pragma once

#include "allocator/heap.h"

namespace loam::alloc {

inline size_t Heap::metadata_bytes() const {
  return segments_committed_ * Range::metadata_bytes_per_segment() + own_bytes_;
}

inline size_t Heap::counted_bytes() const {
  return slabs_in_use_ * kSlabBytes + metadata_bytes() + large_.held_bytes() + external_bytes_;
}

inline size_t Heap::room() const {
  return LOAM_EXPECT(limit_bytes_ == 0) ? SIZE_MAX : room_under_limit();
}

inline void Heap::note_growth() {
  const size_t counted = counted_bytes();
  LOAM_ASSERT(limit_bytes_ == 0 || external_bytes_ != 0 || counted <= limit_bytes_);
  if (counted > peak_bytes_) peak_bytes_ = counted;
  large_below_peak_ = large_.held_bytes() + (peak_bytes_ - counted);
}

inline void *Heap::take_large(size_t size, bool zeroed) {
  void *block = large_.allocate_raw(size, zeroed, [this] { return room(); });
  if (LOAM_RARELY(large_.held_bytes() > large_below_peak_)) note_growth();
  return block;
}

inline size_t Heap::list_capacity(const Pool &pool, unsigned parts) {
  const size_t blocks = kCacheBytes / parts / pool.block_size;
  return blocks < Range::kListSlots ? blocks : Range::kListSlots - 1;
}

inline bool Heap::push(loam_thread *thread, void *block) {
  const unsigned head = slab_of(block).head;
  loam_list &list = thread->heads[head];
  if (LOAM_RARELY(list.top == list.limit)) return push_full(thread, head, block);
  *++list.top = block;
  return true;
}

// A small block stays within its size class, a large one that shrinks to no less than half. NULL
// stays nowhere.
inline bool Heap::stays_in_place(const void *block, size_t size) const {
  if (range_.contains(block)) {
    const size_t bytes = range_.pools[range_.slab_index(block)].block_size;
    return size <= LOAM_MAX_BLOCK && round_to_class(size) == bytes;
  }
  if (size <= LOAM_MAX_BLOCK || block == nullptr) return false;
  const size_t bytes = large_.raw_bytes(block);
  return size <= bytes && size >= bytes / 2;
}

}  // namespace loam::alloc
