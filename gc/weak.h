// Weak references: a hash table from objects to the references that name them, as target or as
// owner of a callback.
//
//   bucket -> weak -> weak -> ...    one chain for targets, one for owners
//
// The links stand in the references themselves.
//
// [G-2] An object with a reference in the table has LOAM_FLAG_WEAK; emptying, firing and
//       destroying allocate nothing.
//
// Thread safety: the owning runtime's thread.
#pragma once

#include <loam/layout.h>

#include "allocator/heap.h"

// Public as an opaque handle.
struct loam_weak {
  loam_object *target;    // null once it died
  loam_object *owner;     // null: the callback belongs to nobody, or its owner died
  loam_weak_fn callback;  // null: none, or not to be called any more
  void *context;
  // chain of the target's bucket, or the queue of callbacks
  loam_weak *next, *previous;
  loam_weak *next_owned, *previous_owned;  // chain of the owner's bucket
  bool queued;                             // target died, callback not called yet
};

namespace loam::gc {

class WeakTable {
 public:
  explicit WeakTable(alloc::Heap &heap) : heap_(heap) {}
  void close();

  // nullptr when memory ran out.
  loam_weak *create(loam_thread *thread, loam_object *target, loam_object *owner,
                    loam_weak_fn callback, void *context);
  void destroy(loam_thread *thread, loam_weak *weak);

  // Empties every reference to a dying object, queues their callbacks, and calls off the callbacks
  // that the object owns when `as_owner`. Clears the object's flag when nothing names it any more.
  void forget(loam_object *object, bool as_owner);
  // The next callback that may run now, out of the queue; nullptr: none. Skips those whose owner
  // is dead or condemned.
  loam_weak *next_callback();
  bool has_callbacks() const { return queue_ != nullptr; }
  size_t count() const { return count_; }

 private:
  struct Bucket {
    loam_weak *targets;
    loam_weak *owners;
  };

  Bucket &bucket(const loam_object *object) const;
  void grow();
  void link_target(loam_weak *weak);
  void unlink_target(loam_weak *weak);
  void link_owner(loam_weak *weak);
  void unlink_owner(loam_weak *weak);
  void enqueue(loam_weak *weak);
  void dequeue(loam_weak *weak);

  alloc::Heap &heap_;
  Bucket *buckets_ = nullptr;
  size_t mask_ = 0;
  size_t count_ = 0;
  loam_weak *queue_ = nullptr;  // callbacks to run, oldest first
  loam_weak *queue_end_ = nullptr;
};

}  // namespace loam::gc
