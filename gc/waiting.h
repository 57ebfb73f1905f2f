// Dead objects that wait: what a cascade has at hand, and what is set aside until later.
//
// Thread safety: the owning runtime's thread.
#pragma once

#include <loam/layout.h>

#include <cstddef>
#include <cstdint>

#include "allocator/base/check.h"
#include "allocator/heap.h"

namespace loam::gc {

// What a cascade does next, in bounded memory:
//
//   push --> stack of kStack --> window of kWindow, prefetched on entry --> take
//                     |
//                     +--> take, while little waits: then the next object is warm, or alone
//
// An entry is the target of an edge whose reference is still to be dropped, or, marked kDead, an
// object whose count is gone.
class ReleaseQueue {
 public:
  using Entry = uintptr_t;
  static Entry edge_to(loam_object *target) { return reinterpret_cast<Entry>(target); }
  static Entry dead(loam_object *object) { return reinterpret_cast<Entry>(object) | kDead; }
  static bool is_dead(Entry entry) { return (entry & kDead) != 0; }
  static loam_object *object_of(Entry entry) {
    return reinterpret_cast<loam_object *>(entry & ~kDead);
  }

  bool empty() const { return depth_ == 0 && in_window_ == 0; }
  bool full() const { return depth_ == kStack; }
  // So few that what is queued next is taken next: its reference may be dropped without the detour.
  bool holds_little() const { return in_window_ == 0 && depth_ < kLittle; }
  void push(Entry entry) { stack_[depth_++] = entry; }  // not when full

  // The next entry; 0: none.
  Entry take() {
    if (LOAM_EXPECT(in_window_ == kWindow && depth_ != 0)) return exchange(stack_[--depth_]);
    if (in_window_ == 0 && depth_ <= kLittle) return depth_ != 0 ? stack_[--depth_] : 0;
    return take_slow();
  }
  // When full: takes an entry in all the same, and one out, prefetched if that was possible.
  Entry pass_through(Entry entry) { return in_window_ == kWindow ? exchange(entry) : entry; }

 private:
  static constexpr Entry kDead = 1;
  static constexpr unsigned kStack = 256;
  static constexpr unsigned kWindow = 16;
  static constexpr unsigned kLittle = 8;

  static void prefetch(Entry entry) {
    __builtin_prefetch(reinterpret_cast<const void *>(entry & ~kDead), 1);
  }
  Entry exchange(Entry entry) {
    prefetch(entry);
    Entry &slot = window_[oldest_++ % kWindow];
    const Entry out = slot;
    slot = entry;
    return out;
  }

  Entry take_slow();

  unsigned depth_ = 0;
  unsigned in_window_ = 0;
  unsigned oldest_ = 0;  // of the window, modulo kWindow
  Entry window_[kWindow];
  Entry stack_[kStack];
};

// Dead objects set aside: a bitmap beside the slabs, and a list through the prefixes of large ones.
// An object is in one such set at most.
class WaitingSet {
 public:
  WaitingSet(alloc::Heap &heap, alloc::Bitmap bitmap, alloc::Heap::SlabList &slabs,
             alloc::SlabLink alloc::Slab::*link)
      : heap_(heap), bitmap_(bitmap), slabs_(slabs), link_(link) {}

  static constexpr size_t kMost = 64;
  void add(loam_object *object);
  // Takes out `most` objects, kMost at the most; fewer than that though more may be left. 0: empty.
  size_t take(loam_object **out, size_t most);
  size_t count() const { return count_; }
  bool empty() const { return count_ == 0; }

 private:
  size_t take_small(loam_object **out, size_t most);

  alloc::Heap &heap_;
  alloc::Bitmap bitmap_;
  alloc::Heap::SlabList &slabs_;
  alloc::SlabLink alloc::Slab::*link_;
  alloc::Large *large_ = nullptr;
  size_t count_ = 0;
};

// The state of death by count.
struct Teardown {
  explicit Teardown(alloc::Heap &heap)
      : pending(heap, alloc::kPending, heap.pending, &alloc::Slab::pending),
        deferred(heap, alloc::kDeferred, heap.deferred, &alloc::Slab::deferred),
        returns(heap) {}

  static constexpr int32_t kListRoom = 256;

  bool nothing_waits() const { return queue.empty() && pending.empty(); }

  ReleaseQueue queue;
  WaitingSet pending;   // a queue overflowed, or a cascade passed its budget
  WaitingSet deferred;  // until host code may run
  bool behind = false;  // the rest of a cascade is pending
  bool quiet = false;   // what needs host code to die is deferred
  // Segments that cascades with a budget emptied are given back one at a time.
  bool holds_segments = false;
  uint64_t drained_at = 0;  // behind: heap.taken_blocks at the last slice
  int32_t list_room = 0;    // blocks that the running cascade may still put on the thread's lists
  alloc::Heap::Returns returns;  // blocks on their way back to their slabs
};

}  // namespace loam::gc
