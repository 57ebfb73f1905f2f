// Death by count. Never recurses and never allocates: the dead wait on a short stack, and what
// overflows it in the pending bitmap; those that need host code to die wait, where it may not run,
// in the deferred one.
#include <cstring>

#include "allocator/base/check.h"
#include "allocator/os_memory.h"
#include "gc/death.h"

namespace loam::gc {

using alloc::Large;
using alloc::Range;
using alloc::Slab;

namespace {

// Where a cascade with a budget ends: when `most` objects are freed; or, once `least` are, as soon
// as it is seen to take far longer than the 10 to 60 ns for each that it should. It is the memory
// that takes long then: the host of a guest has lost sight of its pages.
class Bound {
 public:
  Bound(size_t most, size_t least) : most_(most), least_(least), look_(most) {
    if (most_ != SIZE_MAX && most_ > kTimedSteps) look_ = kTimedSteps;
  }

  size_t most() const { return most_; }
  // Asked before each step, which frees an object or drops a reference.
  bool is_reached(size_t step, size_t freed) {
    return LOAM_RARELY(step == look_) && look(step, freed);
  }

 private:
  static constexpr size_t kTimedSteps = 32;     // the clock takes as long as one or two
  static constexpr uint64_t kPatienceNs = 100;  // for each object that it may free

  LOAM_NOINLINE bool look(size_t step, size_t freed) {
    const size_t left = most_ - freed;
    if (left == 0 || (step >= timed_look_ && is_late(step) && freed >= least_)) return true;
    look_ = step + (left < kTimedSteps ? left : kTimedSteps);
    return false;
  }
  // Most cascades are over before the first look, and never read the clock.
  bool is_late(size_t step) {
    const uint64_t now_ns = alloc::os_monotonic_ns();
    if (start_ns_ == 0) start_ns_ = now_ns;
    timed_look_ = step + kTimedSteps;
    return now_ns - start_ns_ > most_ * kPatienceNs;
  }

  size_t most_, least_;
  size_t look_;  // the step before which to look again
  size_t timed_look_ = kTimedSteps;
  uint64_t start_ns_ = 0;
};

}  // namespace

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
  cascade(object, pacing_.cascade_budget);
  if (LOAM_RARELY(has_deferred_)) run_deferred();
}

// Everything that waits, now.
void Collector::drain_all() {
  if (!teardown_.nothing_waits()) drain(SIZE_MAX);
  release_segments();
}

// Those that cascades have emptied, all at once.
void Collector::release_segments() {
  if (!teardown_.holds_segments) return;
  teardown_.holds_segments = false;
  heap_.release_segments();
}

// What waits, up to the budget, but at least twice as many objects as were taken from the heap
// since the last slice: so the dead do not pile up.
void Collector::drain_slice() {
  if (teardown_.nothing_waits()) {
    if (!teardown_.holds_segments) return;
    if (pacing_.cascade_budget == SIZE_MAX) return release_segments();
    heap_.give_back_segments(1);
    return heap_.has_idle_segments() ? attend(kAttendWork) : release_segments();
  }
  const uint64_t taken = teardown_.behind ? heap_.taken_blocks - teardown_.drained_at : 0;
  const uint64_t budget = pacing_.cascade_budget, least = 2 * taken;
  drain(budget > least ? budget : least, least);
  teardown_.drained_at = heap_.taken_blocks;
}

// What a sweep queued; behind a cascade that waits, if there is one.
void Collector::drain_swept() {
  if (teardown_.queue.empty()) return;
  drain(teardown_.behind ? 0 : pacing_.cascade_budget);
}

void Collector::drain(size_t most, size_t least) {
  const uint64_t start_ns = alloc::os_monotonic_ns(), freed_before = statistics_.freed_by_count;
  cascade(nullptr, most, least);
  report_work(Work::kDrain, start_ns, alloc::os_monotonic_ns() - start_ns,
              statistics_.freed_by_count - freed_before);
}

// At the limit. What needs host code to die waits for the next safepoint.
bool Collector::relieve_waiting() {
  if (activity_ != Activity::kIdle) return false;
  const bool idles = teardown_.holds_segments && heap_.has_idle_segments();
  if (idles) heap_.give_back_segments(SIZE_MAX);
  if (!relieve_condemned() && teardown_.nothing_waits()) return idles;
  teardown_.quiet = true;
  drain_all();
  teardown_.quiet = false;
  if (has_deferred_) attend(kAttendWork);
  return true;
}

// The death of an object and of what dies with it, or, without one, of all that waits; as far as
// Bound says, the rest is left for the next safepoints.
void Collector::cascade(loam_object *next, size_t most, size_t least) {
  activity_ = Activity::kDraining;
  teardown_.list_room = heap_.has_cache() ? Teardown::kListRoom : 0;
  const bool outer_holds = teardown_.holds_segments && frame_ != nullptr;
  // To catch up is a pause of its own.
  teardown_.returns.let_lag(pacing_.cascade_budget == SIZE_MAX && frame_ == nullptr);
  if (!teardown_.holds_segments) {
    heap_.hold_segments();
    teardown_.holds_segments = true;
  }
  const bool takes_aside = next == nullptr || !teardown_.behind;
  Bound bound(most, least);
  size_t step = 0, freed = 0;
  for (;; ++step) {
    if (bound.is_reached(step, freed)) {
      set_aside(next);
      break;
    }
    if (next == nullptr) {
      const ReleaseQueue::Entry entry = teardown_.queue.take();
      if (LOAM_RARELY(entry == 0)) {
        if (!takes_aside || teardown_.nothing_aside()) break;
        if (!teardown_.queue.restore()) load_pending(bound.most() - freed);
        continue;
      }
      loam_object *object = ReleaseQueue::object_of(entry);
      if (!ReleaseQueue::is_dead(entry) && !release(object)) continue;
      next = object;
    }
    next = destroy(next);
    ++freed;
  }
  teardown_.returns.finish(thread_);
  activity_ = Activity::kIdle;
  if (LOAM_EXPECT(teardown_.nothing_aside())) {
    teardown_.behind = false;
    if (outer_holds) return;  // or, if that was left by loam_unwind, the next safepoint does
    const bool in_slices = most != SIZE_MAX && heap_.has_idle_segments();
    return in_slices ? attend(kAttendWork) : release_segments();
  }
  if (!teardown_.behind) teardown_.drained_at = heap_.taken_blocks;
  teardown_.behind = true;
  attend(kAttendWork);
}

// What is queued waits for the next slice. References are not dropped before: until then each holds
// its target, as those do that dead objects still have.
LOAM_NOINLINE void Collector::set_aside(loam_object *next) {
  ReleaseQueue &queue = teardown_.queue;
  ReleaseQueue::Entry entries[ReleaseQueue::kAside];
  const size_t room = ReleaseQueue::kAside - queue.aside();
  size_t count = 0;
  const auto keep = [&](ReleaseQueue::Entry entry) {
    loam_object *object = ReleaseQueue::object_of(entry);
    if (count < room) {
      entries[count++] = entry;
    } else if (ReleaseQueue::is_dead(entry) || release(object)) {
      teardown_.pending.add(object);
    }
  };
  if (next != nullptr) keep(ReleaseQueue::dead(next));
  while (const ReleaseQueue::Entry entry = queue.take()) keep(entry);
  queue.set_aside(entries, count);
}

// Drops one reference; true when the object is to die of it.
inline bool Collector::release(loam_object *child) {
  if (LOAM_RARELY(is_foreign(child))) return false;
  const int32_t count = static_cast<int32_t>(child->refcount);
  if (count < 0) return false;
  child->refcount = static_cast<uint32_t>(count - 1);
  if (count > 1) return false;
  if (LOAM_RARELY(count == 0)) dropped_dead(child);
  return (child->tag & LOAM_FLAG_CONDEMNED) == 0;  // [G-4]
}

void Collector::queue_dead(loam_object *object) {
  if (LOAM_EXPECT(!teardown_.queue.full())) {
    teardown_.queue.push(ReleaseQueue::dead(object));
  } else {
    teardown_.pending.add(object);
  }
}

// The queue is full.
LOAM_NOINLINE void Collector::release_later_slow(loam_object *child) {
  ReleaseQueue::Entry entries[ReleaseQueue::kBatch];
  const unsigned count = teardown_.queue.unload(entries);
  for (unsigned i = 0; i < count; ++i) {
    loam_object *object = ReleaseQueue::object_of(entries[i]);
    if (ReleaseQueue::is_dead(entries[i]) || release(object)) teardown_.pending.add(object);
  }
  teardown_.queue.push(ReleaseQueue::edge_to(child));
}

// The queue is empty. It takes what is worth a few batches.
LOAM_NOINLINE void Collector::load_pending(size_t most) {
  loam_object *objects[WaitingSet::kMost];
  size_t loaded = 0;
  if (most > WaitingSet::kMost) most = WaitingSet::kMost;
  while (loaded < most) {
    const size_t count = teardown_.pending.take(objects, most - loaded);
    if (count == 0) break;
    for (size_t i = 0; i < count; ++i) teardown_.queue.push(ReleaseQueue::dead(objects[i]));
    loaded += count;
  }
}

LOAM_NOINLINE void Collector::defer(loam_object *object) {
  has_deferred_ = true;
  teardown_.deferred.add(object);
}

// What waited until host code may run: callbacks first, then the dead with finalizers.
LOAM_NOINLINE void Collector::run_deferred() {
  if (frame_ != nullptr || heap_.locked()) {  // [G-6]
    attend(kAttendWork);
    return;
  }
  if (!has_deferred_ && !weaks_.has_callbacks()) return;
  const uint64_t start_ns = alloc::os_monotonic_ns(), freed_before = statistics_.freed_by_count;
  do {
    has_deferred_ = false;
    run_weak_callbacks(nullptr);
    while (!heap_.locked()) {
      loam_object *object;
      if (teardown_.deferred.take(&object, 1) == 0) break;
      cascade(object, pacing_.cascade_budget);
    }
    if (LOAM_RARELY(heap_.locked())) {  // by one of them: the others wait for the unlock
      has_deferred_ = true;
      return;
    }
  } while (has_deferred_);
  report_work(Work::kDrain, start_ns, alloc::os_monotonic_ns() - start_ns,
              statistics_.freed_by_count - freed_before);
}

// A reference of a dying object: while little waits it is dropped at once, and a child that dies of
// it is next.
inline void Collector::release_later(loam_object *child, loam_object *&next) {
  ReleaseQueue &queue = teardown_.queue;
  if (queue.holds_little()) {
    if (!release(child)) return;
    if (next != nullptr) queue.push(ReleaseQueue::dead(next));
    // Of a chain that was made in one go the next ones lie behind it. By itself the processor looks
    // less far ahead, and not past the end of a page.
    constexpr size_t kAhead = 2048;  // bytes
    __builtin_prefetch(reinterpret_cast<const char *>(child) + kAhead, 1);
    next = child;
  } else if (LOAM_EXPECT(!queue.full())) {
    queue.push(ReleaseQueue::edge_to(child));
  } else {
    release_later_slow(child);
  }
}

// Releases the children, calls dispose, frees the block; or leaves the object, resurrected or
// deferred. Returns a child that died of it and is in no queue, or null.
inline loam_object *Collector::destroy(loam_object *object) {
  uint32_t tag = object->tag;
  const Type &type = *types_.types[type_index(tag)];
  loam_object *next = nullptr;
  if (LOAM_EXPECT(type.dies_plainly && (tag & LOAM_FLAG_WEAK) == 0)) {
    if (LOAM_EXPECT(teardown_.queue.takes_fields())) {
      teardown_.queue.push_fields(type, object);
    } else {
      visit_fields(type, object, [this, &next](loam_object *child) {
        if (child != nullptr) release_later(child, next);
      });
    }
  } else {
    const Parting parting = part(object, type);
    if (!parting.dies) return nullptr;
    next = parting.next;
    tag = object->tag;  // host code ran
  }
  ++statistics_.freed_by_count;
  free_dead(object, tag, type);
  return next;
}

// All but freeing, of those that do not die plainly.
LOAM_NOINLINE Collector::Parting Collector::part(loam_object *object, const Type &type) {
  if ((object->tag & LOAM_FLAG_WEAK) != 0 || type.finalize != nullptr) {
    if (!say_farewell(object, type)) return {false, nullptr};
  }
  loam_object *next = nullptr;
  if (type.dispose != nullptr) {
    dispose_dead(object, type);
  } else if (type.has_edges) {
    visit_edges(type, object, [this, &next](loam_object *child) { release_later(child, next); });
  }
  return {true, next};
}

// Children are released before their parent's dispose: it must not find them alive.
LOAM_NOINLINE void Collector::dispose_dead(loam_object *object, const Type &type) {
  if (type.has_edges) {
    visit_edges(type, object, [this](loam_object *child) {
      if (release(child)) queue_dead(child);
    });
  }
  teardown_.returns.finish(thread_);  // dispose may look at the accounts
  type.dispose(thread_, object);
}

// The first blocks of a cascade go to the thread's lists, where the next objects find them warm.
// The others go straight to their slabs: to push a block off a list for each put on it is waste.
inline void Collector::free_dead(loam_object *object, uint32_t tag, const Type &type) {
  if (LOAM_RARELY(type.head_offset == 0 || judge_.frozen != 0)) return free_dead_slow(object, type);
  if (teardown_.list_room > 0 && (tag & LOAM_FLAG_OLD) == 0) {
    if (LOAM_RARELY(list_is_full(thread_, type.head_offset))) return free_dead_slow(object, type);
    --teardown_.list_room;
    push_free(object, type);
    return;
  }
  return_later(object, type.block_size, type.reciprocal);
}

inline void Collector::return_later(loam_object *object, size_t bytes, uint32_t reciprocal) {
  zero_block(object, bytes);
  teardown_.returns.add(heap_.range().block_number(object, reciprocal));
}

LOAM_NOINLINE void Collector::free_dead_slow(loam_object *object, const Type &type) {
  if (LOAM_RARELY(heap_.debug())) check_end(object, type);
  if ((object->tag & LOAM_FLAG_LARGE) == 0) {
    const uint32_t tag = object->tag;
    const size_t bytes = heap_.block_bytes(object);
    if (judge_.frozen != 0) thaw(object);
    if (!heap_.watched() && ((tag & LOAM_FLAG_OLD) != 0 || teardown_.list_room <= 0)) {
      return return_later(object, bytes, heap_.range().reciprocal_at(object));
    }
    --teardown_.list_room;
    zero_payload(object, bytes);
    object->tag = tag;  // the heap looks at its flags
  } else if (Large::of(object)->frozen) {
    --judge_.frozen;
  }
  heap_.free_object(thread_, object);
}

LOAM_NOINLINE bool Collector::is_foreign_large(const loam_object *object) const {
  return heap_.large().find(object) == nullptr;
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
  if (frame_ != nullptr || heap_.locked() || teardown_.quiet) {  // [G-6]
    defer(object);
    return false;
  }
  object->refcount = 1;  // the callbacks' reference
  object->tag |= LOAM_FLAG_FINALIZING;
  if (object->tag & LOAM_FLAG_WEAK) {
    weaks_.forget(object, false);
    run_weak_callbacks(object);
  }
  const bool waits = finalize && heap_.locked();  // a callback did it: the finalizer waits [G-6]
  if (finalize && !waits) call_finalizer(object, type);
  object->tag &= ~uint32_t{LOAM_FLAG_FINALIZING};
  if (object->refcount != 1) {  // resurrected
    if (static_cast<int32_t>(object->refcount) > 0) --object->refcount;
    return false;
  }
  object->refcount = 0;
  if (waits) {
    defer(object);
    return false;
  }
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
  teardown_.returns.finish(thread_);
  frame = CallbackFrame{frame_, held, activity_, asks_for_memory};
  frame_ = &frame;
  activity_ = Activity::kIdle;  // [G-3]
}

void Collector::leave(CallbackFrame &frame) {
  LOAM_CHECK(frame_ == &frame);  // [G-3] else a callback was left without loam_unwind
  frame_ = frame.outer;
  activity_ = frame.activity;
  if (LOAM_RARELY(ending_) && frame_ == nullptr) heap_.end_locks();
}

// The functions between the callback and the host code that goes on will never return: what they
// would have done is left for the next safepoint. Their state is all in the collector, but for the
// one object that the frame holds.
void Collector::unwind() {
  if (frame_ == nullptr) return;
  loam_object *held = frame_->held;
  frame_ = frame_->outer;
  activity_ = Activity::kIdle;
  ending_ = ending_ && frame_ != nullptr;
  if (held != nullptr) {
    held->tag &= ~uint32_t{LOAM_FLAG_FINALIZING};
    if (static_cast<int32_t>(held->refcount) > 0 && --held->refcount == 0) defer(held);
  }
  has_deferred_ = has_deferred_ || !teardown_.deferred.empty();  // run_deferred may be among them
  attend(kAttendWork);
}

bool Collector::try_incref(loam_object *object) {
  constexpr uint32_t kGone = LOAM_FLAG_CONDEMNED | LOAM_FLAG_FINALIZING;
  if (object->refcount == 0 || (object->tag & kGone) != 0) return false;
  if (static_cast<int32_t>(object->refcount) > 0) ++object->refcount;
  return true;
}

// Of the condemned, those that are swept, also between slices, or disposed at the end.
bool Collector::is_past_saving(const loam_object *object) const {
  if ((object->tag & LOAM_FLAG_CONDEMNED) == 0) return object->refcount == 0;
  return phase_ == Phase::kSweep || activity_ == Activity::kCollecting;
}

void Collector::immortalize(loam_object *object) { object->refcount = UINT32_C(1) << 31; }

}  // namespace loam::gc
