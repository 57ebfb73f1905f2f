// What waits for its turn in a cascade, dead objects and their references: at hand, or set aside.
//
// Thread safety: the owning runtime's thread.
#pragma once

#include <loam/layout.h>

#include <cstddef>
#include <cstdint>

#include "allocator/base/check.h"
#include "allocator/heap.h"
#include "allocator/returns.h"
#include "gc/batches.h"
#include "gc/edges.h"

namespace loam::gc {

// What a cascade does next, in bounded memory:
//
//   push --> stack of kStack --> batches (batches.h), each prefetched in one go --> take
//     [set aside]     |
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
  static constexpr unsigned kBatch = 32;

  bool empty() const { return depth_ == floor_ && batches_.empty(); }
  bool full() const { return depth_ == kStack; }
  // So few that what is queued next is taken next: its reference may be dropped without the detour.
  bool holds_little() const { return depth_ < little_; }
  void push(Entry entry) { stack_[depth_++] = entry; }  // not when full
  // All fields of an object at once: not when little is held, nor when it is nearly full.
  bool takes_fields() const { return !holds_little() && depth_ + kMostFields <= kStack; }
  void push_fields(const Type &type, const loam_object *object) {
    depth_ = static_cast<unsigned>(gather_fields(type, object, stack_, depth_));
  }

  // The next entry; 0: none.
  Entry take() {
    if (LOAM_EXPECT(batches_.has_next())) return batches_.take();
    if (depth_ < little_) return depth_ != floor_ ? stack_[--depth_] : 0;
    return take_slow();
  }
  // Moves the top of the stack out, prefetched; returns how many, kBatch at the most.
  unsigned unload(Entry *out);

  // Entries at the stack's bottom, set aside until restore(): without them the queue is empty.
  static constexpr size_t kAside = 768;
  size_t aside() const { return floor_; }
  // The first of them is on top; they and those aside are kAside at the most.
  void set_aside(const Entry *entries, size_t count) {
    while (count > 0) push(entries[--count]);
    set_floor(depth_);
  }
  bool restore() {  // false: there were none
    const bool any = floor_ != 0;
    set_floor(0);
    return any;
  }

 private:
  static constexpr Entry kDead = 1;
  static constexpr unsigned kStack = 1024;
  static constexpr unsigned kLittle = 8;

  void set_floor(unsigned floor) {  // when empty
    floor_ = floor;
    little_ = floor + kLittle;
  }
  Entry take_slow();

  unsigned depth_ = 0;
  unsigned floor_ = 0;         // below it they are set aside
  unsigned little_ = kLittle;  // while not so much waits, nothing is in batches; 0: something is
  Batches<Entry, kBatch> batches_;
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

  static constexpr int32_t kListRoom = 128;

  bool nothing_aside() const { return queue.aside() == 0 && pending.empty(); }
  size_t waiting_objects() const { return queue.aside() + pending.count() + deferred.count(); }
  bool nothing_waits() const { return queue.empty() && nothing_aside(); }

  ReleaseQueue queue;
  WaitingSet pending;   // the queue overflowed, or what is set aside in it
  WaitingSet deferred;  // until host code may run
  bool behind = false;  // the rest of a cascade is set aside
  bool quiet = false;   // what needs host code to die is deferred
  // Segments that a cascade empties are given back together when it ends, and the one in whose
  // finalizer it ran; after one with a budget, one at a time.
  bool holds_segments = false;
  uint64_t drained_at = 0;  // behind: heap.taken_blocks at the last slice
  int32_t list_room = 0;    // blocks that the running cascade may still put on the thread's lists
  alloc::Returns returns;   // blocks on their way back to their slabs
};

}  // namespace loam::gc
