// Death by count. Never recurses and never allocates: the dead wait on a short stack, and what
// overflows it in the pending bitmap; those that need host code to die wait, where it may not run,
// in the deferred one.
#include <cstring>

#include "allocator/base/check.h"
#include "gc/death.h"

namespace loam::gc {

using alloc::Large;
using alloc::Range;
using alloc::Slab;

LOAM_NOINLINE void Collector::dropped_dead(loam_object *object) {
  ++object->refcount;  // as it was
  if (heap_.debug()) check_object(object, "loam_decref");
  if (object->tag == 0) {
    heap_.report().fatal("loam_decref: %p is a free block", static_cast<void *>(object));
  }
  heap_.report().fatal("loam_decref: %p of type %s is dead already", static_cast<void *>(object),
                       type_of(object).name);
}

LOAM_NOINLINE void Collector::dropped_slow(loam_object *object) {
  if (LOAM_RARELY(object->refcount != 0 || object->tag == 0)) dropped_dead(object);
  if (LOAM_RARELY(heap_.debug())) check_object(object, "loam_decref");
  if (LOAM_RARELY(activity_ != Activity::kIdle)) {
    if ((object->tag & LOAM_FLAG_CONDEMNED) == 0) queue_dead(object);
    return;
  }
  if (LOAM_RARELY((object->tag & LOAM_FLAG_CONDEMNED) != 0)) return;  // [G-4]
  activity_ = Activity::kDraining;
  destroy(object);
  if (drain_depth_ != 0 || has_pending_) drain();
  activity_ = Activity::kIdle;
  if (LOAM_RARELY(has_deferred_)) run_deferred();
}

void Collector::drain() {
  do {
    while (drain_depth_ != 0) destroy(drain_stack_[--drain_depth_]);
  } while (has_pending_ && load_pending());
}

void Collector::queue_dead(loam_object *object) {
  if (LOAM_EXPECT(drain_depth_ < kDrainStack)) {
    drain_stack_[drain_depth_++] = object;
  } else {
    wait_pending(object);
  }
}

LOAM_NOINLINE void Collector::wait_pending(loam_object *object) {
  has_pending_ = true;
  if (object->tag & LOAM_FLAG_LARGE) {
    Large *large = Large::of(object);
    large->next_pending = pending_large_;
    pending_large_ = large;
    return;
  }
  alloc::Range &range = heap_.range();
  range.set(alloc::kPending, range.block_number(object));
  heap_.list_slab(heap_.pending, &Slab::pending, range.slab_index(object));
}

LOAM_NOINLINE void Collector::defer(loam_object *object) {
  has_deferred_ = true;
  if (object->tag & LOAM_FLAG_LARGE) {
    Large *large = Large::of(object);
    large->next_pending = deferred_large_;
    deferred_large_ = large;
    return;
  }
  alloc::Range &range = heap_.range();
  range.set(alloc::kDeferred, range.block_number(object));
  heap_.list_slab(heap_.deferred, &Slab::deferred, range.slab_index(object));
}

// Moves one word of the pending bitmap, or one large block, to the empty stack; false when nothing
// is pending.
LOAM_NOINLINE bool Collector::load_pending() {
  if (pending_large_ != nullptr) {
    Large *large = pending_large_;
    pending_large_ = large->next_pending;
    queue_dead(static_cast<loam_object *>(large->block()));
    return true;
  }
  alloc::Range &range = heap_.range();
  for (size_t slab; (slab = heap_.first_listed(heap_.pending)) != alloc::kNoSlab;) {
    uint64_t *words = range.words(alloc::kPending, slab);
    const Slab &entry = range.slabs[slab];
    const size_t blocks = entry.kind != alloc::Kind::kNone ? entry.block_count : 0;
    for (size_t word = 0; word * 64 < blocks; ++word) {
      uint64_t bits = words[word];
      if (bits == 0) continue;
      words[word] = 0;
      char *const base = range.slab_address(slab) + word * 64 * entry.block_size;
      for (; bits != 0; bits &= bits - 1) {
        queue_dead(reinterpret_cast<loam_object *>(
            base + static_cast<size_t>(__builtin_ctzll(bits)) * entry.block_size));
      }
      return true;
    }
    heap_.unlist_slab(heap_.pending, &Slab::pending);
  }
  has_pending_ = false;
  return false;
}

loam_object *Collector::next_deferred() {
  if (deferred_large_ != nullptr) {
    Large *large = deferred_large_;
    deferred_large_ = large->next_pending;
    return static_cast<loam_object *>(large->block());
  }
  alloc::Range &range = heap_.range();
  for (size_t slab; (slab = heap_.first_listed(heap_.deferred)) != alloc::kNoSlab;) {
    uint64_t *words = range.words(alloc::kDeferred, slab);
    const Slab &entry = range.slabs[slab];
    const size_t blocks = entry.kind != alloc::Kind::kNone ? entry.block_count : 0;
    for (size_t word = 0; word * 64 < blocks; ++word) {
      if (words[word] == 0) continue;
      const size_t at = word * 64 + static_cast<size_t>(__builtin_ctzll(words[word]));
      words[word] &= words[word] - 1;
      return reinterpret_cast<loam_object *>(range.slab_address(slab) + at * entry.block_size);
    }
    heap_.unlist_slab(heap_.deferred, &Slab::deferred);
  }
  return nullptr;
}

// What waited until host code may run: callbacks first, then the dead with finalizers.
LOAM_NOINLINE void Collector::run_deferred() {
  if (frame_ != nullptr || heap_.locked()) {  // [G-6]
    attend(kAttendWork);
    return;
  }
  do {
    has_deferred_ = false;
    run_weak_callbacks(nullptr);
    while (!heap_.locked()) {
      loam_object *object = next_deferred();
      if (object == nullptr) break;
      activity_ = Activity::kDraining;
      destroy(object);
      drain();
      activity_ = Activity::kIdle;
    }
    if (LOAM_RARELY(heap_.locked())) {  // by one of them: the others wait for the unlock
      has_deferred_ = true;
      return;
    }
  } while (has_deferred_);
}

// Releases the children, calls dispose, frees the block; or leaves the object, resurrected or
// deferred.
inline void Collector::destroy(loam_object *object) {
  const Type &type = type_of(object);
  if (LOAM_RARELY((object->tag & LOAM_FLAG_WEAK) != 0 || type.finalize != nullptr)) {
    if (!say_farewell(object, type)) return;
  }
  if (type.has_edges) release_children(object, type);
  if (type.dispose != nullptr) type.dispose(thread_, object);
  ++statistics_.freed_by_count;
  free_dead(object, type);
}

inline void Collector::release_children(loam_object *object, const Type &type) {
  visit_edges(type, object, [this](loam_object *child) {
    const int32_t count = static_cast<int32_t>(child->refcount);
    if (count < 0 || LOAM_RARELY(is_foreign(child))) return;
    child->refcount = static_cast<uint32_t>(count - 1);
    if (count > 1) return;
    if (LOAM_RARELY(count == 0)) dropped_dead(child);
    if ((child->tag & LOAM_FLAG_CONDEMNED) == 0) queue_dead(child);  // [G-4]
  });
}

// Young objects of a fixed size go straight back to their thread's list, zero behind the link.
inline void Collector::free_dead(loam_object *object, const Type &type) {
  constexpr uint32_t kUncommon = LOAM_FLAG_OLD | LOAM_FLAG_LARGE;
  const auto steps = static_cast<int32_t>(type.block_size / LOAM_CLASS_STEP);
  if (LOAM_EXPECT(type.head_offset != 0 && (object->tag & kUncommon) == 0 &&
                  (thread_->free_budget -= steps) >= 0)) {
    push_free(object, type);
  } else {
    free_dead_slow(object, type);
  }
}

LOAM_NOINLINE void Collector::free_dead_slow(loam_object *object, const Type &type) {
  if (LOAM_RARELY(heap_.debug())) check_end(object, type);
  if ((object->tag & LOAM_FLAG_LARGE) == 0) {
    const uint32_t tag = object->tag;
    zero_behind_link(object, heap_.block_bytes(object));
    object->tag = tag;  // the heap looks at its flags
    reinterpret_cast<loam_block *>(object)->next = nullptr;
    if (judge_.frozen != 0) thaw(object);
  } else if (Large::of(object)->frozen) {
    --judge_.frozen;
  }
  heap_.free_object(thread_, object);
}

LOAM_NOINLINE bool Collector::is_foreign_large(const loam_object *object) const {
  return (object->tag & LOAM_FLAG_LARGE) == 0 || Large::of(object)->owner != &heap_.large();
}

LOAM_NOINLINE void Collector::thaw(loam_object *object) {
  alloc::Range &range = heap_.range();
  const size_t number = range.block_number(object);
  if (!range.test(alloc::kFrozen, number)) return;
  range.clear(alloc::kFrozen, number);
  --judge_.frozen;
}

// Empties weak references and runs the finalizer. True when the object is to die now.
LOAM_NOINLINE bool Collector::say_farewell(loam_object *object, const Type &type) {
  const bool finalize = type.finalize != nullptr && (object->tag & LOAM_FLAG_FINALIZED) == 0;
  if (!finalize && (object->tag & LOAM_FLAG_WEAK) == 0) return true;
  if (frame_ != nullptr || heap_.locked()) {  // [G-6]
    defer(object);
    return false;
  }
  object->refcount = 1;  // the callbacks' reference
  object->tag |= LOAM_FLAG_FINALIZING;
  if (object->tag & LOAM_FLAG_WEAK) {
    weaks_.forget(object, false);
    run_weak_callbacks(object);
  }
  if (finalize) call_finalizer(object, type);
  object->tag &= ~uint32_t{LOAM_FLAG_FINALIZING};
  if (object->refcount != 1) {  // resurrected
    if (static_cast<int32_t>(object->refcount) > 0) --object->refcount;
    return false;
  }
  object->refcount = 0;
  if (object->tag & LOAM_FLAG_WEAK) {  // it owns callbacks, or its finalizer made references
    weaks_.forget(object, true);
    has_deferred_ = has_deferred_ || weaks_.has_callbacks();
  }
  return true;
}

void Collector::call_finalizer(loam_object *object, const Type &type) {
  object->tag |= LOAM_FLAG_FINALIZED;
  ++statistics_.finalizers_run;
  CallbackFrame frame;
  enter(frame, (object->tag & LOAM_FLAG_FINALIZING) != 0 ? object : nullptr);
  type.finalize(thread_, object);
  leave(frame);
}

// held: the dying object whose references they were; null when there is none.
void Collector::run_weak_callbacks(loam_object *held) {
  while (!heap_.locked()) {
    loam_weak *weak = weaks_.next_callback();
    if (weak == nullptr) return;
    const loam_weak_fn callback = weak->callback;
    weak->callback = nullptr;
    ++statistics_.weak_callbacks_run;
    host_ran_ = true;
    CallbackFrame frame;
    enter(frame, held);
    callback(thread_, weak, weak->context);
    leave(frame);
  }
}

void Collector::enter(CallbackFrame &frame, loam_object *held, bool asks_for_memory) {
  frame = CallbackFrame{frame_, held, activity_, asks_for_memory};
  frame_ = &frame;
  activity_ = Activity::kIdle;  // [G-3]
}

void Collector::leave(CallbackFrame &frame) {
  LOAM_CHECK(frame_ == &frame);  // [G-3] else a callback was left without loam_unwind
  frame_ = frame.outer;
  activity_ = frame.activity;
}

// The functions between the callback and the host code that goes on will never return: what they
// would have done is left for the next safepoint. Their state is all in the collector, but for the
// one object that the frame holds.
void Collector::unwind() {
  if (frame_ == nullptr) return;
  loam_object *held = frame_->held;
  frame_ = frame_->outer;
  activity_ = Activity::kIdle;
  if (held != nullptr) {
    held->tag &= ~uint32_t{LOAM_FLAG_FINALIZING};
    if (static_cast<int32_t>(held->refcount) > 0 && --held->refcount == 0) defer(held);
  }
  attend(kAttendWork);
}

bool Collector::try_incref(loam_object *object) {
  constexpr uint32_t kGone = LOAM_FLAG_CONDEMNED | LOAM_FLAG_FINALIZING;
  if (object->refcount == 0 || (object->tag & kGone) != 0) return false;
  if (static_cast<int32_t>(object->refcount) > 0) ++object->refcount;
  return true;
}

void Collector::immortalize(loam_object *object) { object->refcount = UINT32_C(1) << 31; }

}  // namespace loam::gc
