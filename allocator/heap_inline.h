// What of the heap is inline because each large block, each realloc and many a free pays for it.
// Thread safety: the owning runtime's thread.
#pragma once

#include <cstring>

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

inline void *Heap::take_large_near(size_t size) {
  void *const block = large_.allocate_near(size);
  return LOAM_RARELY(large_.held_bytes() > large_below_peak_) ? note_large(block) : block;
}

inline size_t Heap::raw_bytes(const void *block, const char *function) const {
  if (range_.contains(block)) return block_bytes(block);
  const size_t bytes = large_.raw_bytes(block);
  if (LOAM_RARELY(bytes == 0)) refuse_unknown(block, function);
  return bytes;
}

inline size_t Heap::list_capacity(const Pool &pool, unsigned parts) {
  const size_t blocks = kCacheBytes / parts / pool.block_size;
  return blocks < Range::kListSlots ? blocks : Range::kListSlots - 1;
}

// Of so many bytes, a multiple of 8 and 16 at least: sixteen at a time, of which the last may
// overlap.
inline void copy_small(void *to, const void *from, size_t bytes) {
  auto *const target = static_cast<char *>(to);
  const auto *const source = static_cast<const char *>(from);
  const size_t last = bytes - 16;
  for (size_t at = 0; at < last; at += 16) std::memcpy(target + at, source + at, 16);
  std::memcpy(target + last, source + last, 16);
}

inline bool Heap::push(loam_thread *thread, void *block) {
  const unsigned head = slab_of(block).head;
  loam_list &list = thread->heads[head];
  if (LOAM_RARELY(list.top == list.limit)) return push_full(thread, head, block);
  *++list.top = block;
  return true;
}

inline bool fits_large(size_t bytes, size_t size) { return size <= bytes && size >= bytes / 2; }

// A small block stays within its size class, a large one that shrinks to no less than half.
inline bool Heap::stays_in_place(const void *block, size_t size) const {
  if (range_.contains(block)) {
    const size_t bytes = range_.pools[range_.slab_index(block)].block_size;
    return size <= LOAM_MAX_BLOCK && round_to_class(size) == bytes;
  }
  return size > LOAM_MAX_BLOCK && fits_large(large_.raw_bytes(block), size);
}

// From list to list as loam_malloc and loam_free would do it.
inline void *Heap::resize_near(loam_thread *thread, void *block, size_t size) {
  if (!range_.contains(block)) {
    return size > LOAM_MAX_BLOCK && fits_large(large_.raw_bytes_near(block), size) ? block
                                                                                   : nullptr;
  }
  if (LOAM_RARELY(size > LOAM_MAX_BLOCK)) return nullptr;
  const loam_slab_pool &pool = range_.pools[range_.slab_index(block)];
  const size_t bytes = round_to_class(size);
  if (bytes == pool.block_size) return block;
  loam_list &list = thread->heads[raw_head(size)];
  loam_list &old_list =
      *reinterpret_cast<loam_list *>(reinterpret_cast<char *>(thread) + pool.head_offset);
  void *const moved = *list.top;
  if (LOAM_RARELY(moved == nullptr || old_list.top == old_list.limit)) return nullptr;
  --list.top;
  *++old_list.top = block;
  copy_small(moved, block, bytes < pool.block_size ? bytes : pool.block_size);
  return moved;
}

}  // namespace loam::alloc
