// A collection from start to end, when one is due, and what safepoints owe. The judgement itself:
// judge.cc.
//
//   kCallbacks  weak references to the condemned are empty; their callbacks run
//   kFinalize   finalizers run, once each, on intact neighbours                  (order: PEP 442)
//   kSweep      what host code may have resurrected is judged again; the rest is freed
//
// Host code may leave by loam_unwind at any point of the first two: the phase tells where to go on.
#include "allocator/base/check.h"
#include "allocator/os_memory.h"
#include "gc/scope.h"

namespace loam::gc {

using alloc::kNoSlab;
using alloc::Large;
using alloc::LargeRegistry;
using alloc::Range;
using alloc::Slab;

size_t Collector::collect(Collection kind) {
  if (activity_ != Activity::kIdle || heap_.locked()) return 0;
  if (frame_ == nullptr && kind != Collection::kEmergency) {
    finish_interrupted();
    drain_waiting();
    run_deferred();
    if (heap_.locked()) return 0;
  } else if (kind == Collection::kFull) {
    attend(kAttendRequest);  // the objects with finalizers are left for it
    kind = Collection::kEmergency;
  }
  return run_collection(kind);
}

size_t Collector::run_collection(Collection kind) {
  const bool quiet = kind == Collection::kEmergency || frame_ != nullptr;  // [G-6]
  const bool young_only = kind == Collection::kYoung;
  activity_ = Activity::kCollecting;  // events may not call back
  kept_finalizable_ = false;
  if (hooks_.started != nullptr) hooks_.started(hooks_.context, kind);
  const uint64_t start_ns = alloc::os_monotonic_ns();
  if (!quiet) {
    kind_ = kind;
    start_ns_ = start_ns;
  }
  if (!young_only) promote_young();
  const Judgement tally = young_only ? judge<Scope::kYoung>(quiet) : judge<Scope::kAll>(quiet);
  if (young_only) promote_young();
  CollectionRecord &record = statistics_.collections[static_cast<size_t>(kind)];
  ++record.runs;
  record.survivors += tally.survivors;
  record.uncollectable += tally.uncollectable;
  if (!quiet) {
    survivors_ = tally.survivors;
    forget_weak(kCondemnedSet);
    phase_ = Phase::kCallbacks;
    host_ran_ = false;
    return run_cycle();
  }
  const size_t collected = sweep(kEmergencySet);
  if (weaks_.has_callbacks()) {
    has_deferred_ = true;
    attend(kAttendWork);
  }
  if (!young_only) reset_full_trigger();
  report_end(kind, start_ns, collected, tally.survivors);
  activity_ = Activity::kIdle;
  drain_waiting();
  return collected;
}

// Runs the collection's remaining phases; returns what it freed.
size_t Collector::run_cycle() {
  activity_ = Activity::kCollecting;
  if (phase_ == Phase::kCallbacks) {
    run_weak_callbacks(nullptr);
    if (waits_for_unlock()) return 0;
    phase_ = Phase::kFinalize;
  }
  if (phase_ == Phase::kFinalize) {
    finalize_condemned();
    if (waits_for_unlock()) return 0;
    phase_ = Phase::kSweep;
  }
  if (host_ran_) judge<Scope::kCondemned>(false);
  const size_t collected = sweep(kCondemnedSet);
  phase_ = Phase::kNone;
  if (kind_ == Collection::kFull) {
    reset_full_trigger();
    give_back_tables();
  }
  report_end(kind_, start_ns_, collected, survivors_);
  activity_ = Activity::kIdle;
  drain_waiting();
  run_deferred();
  return collected;
}

// Host code left the heap locked: the collection goes on at a safepoint after the unlock.
bool Collector::waits_for_unlock() {
  if (!heap_.locked()) return false;
  activity_ = Activity::kIdle;
  attend(kAttendWork);
  return true;
}

void Collector::report_end(Collection kind, uint64_t start_ns, size_t collected, size_t survivors) {
  statistics_.collections[static_cast<size_t>(kind)].collected += collected;
  if (pacing_.verify) LOAM_CHECK(heap_.verify(thread_, 1) == 0 && verify() == 0);
  if (hooks_.ended == nullptr) return;
  hooks_.ended(hooks_.context, kind, alloc::os_monotonic_ns() - start_ns, collected, survivors);
}

// -- The condemned.

Collector::GarbageSet Collector::garbage_set(SetName name) {
  if (name == kCondemnedSet) {
    return GarbageSet{alloc::kCondemned, &heap_.condemned, &Slab::condemned, &condemned_};
  }
  return GarbageSet{alloc::kEmergency, &heap_.emergency, &Slab::emergency, &emergency_condemned_};
}

// visit(object) for each member; host code may run meanwhile, because members stay until the sweep
// [G-4].
template <typename Visit>
void Collector::each_condemned(SetName name, Visit &&visit) {
  const GarbageSet set = garbage_set(name);
  Range &range = heap_.range();
  for (size_t slab = alloc::Heap::first_listed(*set.list); slab != kNoSlab;
       slab = heap_.next_listed(slab, set.link)) {
    const Slab &entry = range.slabs[slab];
    for (size_t word = 0; word * 64 < entry.block_count; ++word) {
      uint64_t bits = range.words(set.bitmap, slab)[word];
      char *const base = range.slab_address(slab) + word * 64 * entry.block_size;
      for (; bits != 0; bits &= bits - 1) {
        const size_t at = static_cast<size_t>(__builtin_ctzll(bits));
        visit(reinterpret_cast<loam_object *>(base + at * entry.block_size));
      }
    }
  }
  if (!has_condemned_large_) return;
  const LargeRegistry &registry = heap_.large();
  for (const auto list : {LargeRegistry::kYoungList, LargeRegistry::kOldList}) {
    for (Large *large = registry.first(list); large != registry.end(list); large = large->next) {
      const bool in = name == kCondemnedSet ? large->condemned : large->emergency;
      if (in) visit(static_cast<loam_object *>(large->block()));
    }
  }
}

// All references to the garbage are empty before any callback runs.
void Collector::forget_weak(SetName name) {
  if (weaks_.count() == 0) return;
  each_condemned(name, [this](loam_object *object) {
    if (object->tag & LOAM_FLAG_WEAK) weaks_.forget(object, false);
  });
}

void Collector::finalize_condemned() {
  if (!types_.any_finalizer) return;
  each_condemned(kCondemnedSet, [this](loam_object *object) {
    const Type &type = type_of(object);
    if (type.finalize == nullptr || (object->tag & LOAM_FLAG_FINALIZED) != 0) return;
    if (heap_.locked()) return;
    host_ran_ = true;
    call_finalizer(object, type);
  });
}

// Three passes, so that no trace ever reads a freed neighbour and no dispose runs before the last
// trace: release the edges that lead out of the set, dispose, free. One pass where nobody can tell.
size_t Collector::sweep(SetName name) {
  const GarbageSet set = garbage_set(name);
  const size_t count = *set.count;
  if (count == 0) {
    clear_set_list(set);
    return 0;
  }
  const bool nested = phase_ != Phase::kNone && name == kEmergencySet;
  if (weaks_.count() != 0) {  // those that finalizers made, and the callbacks that the doomed own
    each_condemned(name, [this](loam_object *object) {
      if (object->tag & LOAM_FLAG_WEAK) weaks_.forget(object, true);
    });
  }
  if (sweeps_in_one_pass(nested)) {
    heap_.hold_segments();
    take_condemned_words(
        set, [this](size_t slab, size_t word, uint64_t bits) { sweep_word(slab, word, bits); });
    heap_.release_segments();
    *set.count = 0;
    return count;
  }
  release_condemned(name, nested);
  if (types_.any_dispose) {
    each_condemned(name, [this](loam_object *object) {
      const Type &type = type_of(object);
      if (type.dispose != nullptr) type.dispose(thread_, object);
    });
  }
  free_condemned(set, name);
  return count;
}

// Descriptors read the object alone, and a freed small block still tells that it is free.
bool Collector::sweeps_in_one_pass(bool nested) const {
  return !nested && !types_.any_trace && !types_.any_dispose && !has_condemned_large_ &&
         frozen_ == 0 && heap_.has_cache();
}

void Collector::release_condemned(SetName name, bool nested) {
  const Range &range = heap_.range();
  each_condemned(name, [this, nested, &range](loam_object *object) {
    const Type &type = type_of(object);
    if (!type.has_edges) return;
    visit_edges(type, object, [this, nested, &range](loam_object *target) {
      const bool condemned = (target->tag & LOAM_FLAG_CONDEMNED) != 0;
      // Inside another collection: its condemned are not ours, and stay for it [G-4].
      if (condemned && !nested) return;
      if (static_cast<int32_t>(target->refcount) < 0 || is_foreign(target)) return;
      if (condemned && in_emergency_set(range, target)) return;
      LOAM_ASSERT(target->refcount != 0);  // [G-7]
      if (--target->refcount == 0 && !condemned) queue_dead(target);
    });
  });
}

bool Collector::in_emergency_set(const Range &range, const loam_object *object) {
  if (object->tag & LOAM_FLAG_LARGE) return Large::of(object)->emergency;
  return range.test(alloc::kEmergency, range.block_number(object));
}

void Collector::clear_set_list(const GarbageSet &set) {
  while (heap_.unlist_slab(*set.list, set.link) != kNoSlab) {
  }
}

// visit(slab, word, bits) for each word of the set, which it empties; visit may free all of a slab.
template <typename Visit>
void Collector::take_condemned_words(const GarbageSet &set, Visit &&visit) {
  Range &range = heap_.range();
  for (size_t slab; (slab = heap_.unlist_slab(*set.list, set.link)) != kNoSlab;) {
    const Slab &entry = range.slabs[slab];
    uint64_t *const words = range.words(set.bitmap, slab);
    const size_t count = (entry.block_count + 63) / 64;
    const unsigned head = entry.head;
    for (size_t word = 0; word < count; ++word) {
      const uint64_t bits = words[word];
      if (bits == 0) continue;
      words[word] = 0;
      visit(slab, word, bits);
      if (entry.head != head) break;  // released, its tables perhaps too
      // Those that went to the thread's lists; what went back to the slab is not young any more.
      const auto young = static_cast<uint32_t>(
          __builtin_popcountll(bits & range.words(alloc::kYoung, slab)[word]));
      heap_.free_young_blocks += young;
      heap_.free_young_by_head[head] += young;
    }
  }
}

void Collector::free_condemned(const GarbageSet &set, SetName name) {
  take_condemned_words(set, [this](size_t slab, size_t word, uint64_t bits) {
    const size_t size = heap_.range().slabs[slab].block_size;
    free_word(heap_.range().slab_address(slab) + word * 64 * size, size, bits);
  });
  if (has_condemned_large_) {
    const LargeRegistry &registry = heap_.large();
    for (const auto list : {LargeRegistry::kYoungList, LargeRegistry::kOldList}) {
      for (Large *large = registry.first(list); large != registry.end(list);) {
        Large *next = large->next;
        if (name == kCondemnedSet ? large->condemned : large->emergency) {
          loam_object *object = static_cast<loam_object *>(large->block());
          if (heap_.debug()) check_end(object, type_of(object));
          heap_.large().free(large);
        }
        large = next;
      }
    }
    if (name == kCondemnedSet) has_condemned_large_ = false;
  }
  *set.count = 0;
}

// -- Ages.

// Every live young container becomes old. Free blocks stay young, and so do the condemned.
void Collector::promote_young() {
  Range &range = heap_.range();
  alloc::Heap::SlabList rest;
  size_t promoted = 0;
  heap_.forget_free_young();
  for (size_t slab; (slab = heap_.unlist_slab(heap_.young, &Slab::young)) != kNoSlab;) {
    if (range.tracked[slab] == 0) continue;
    const Slab &entry = range.slabs[slab];
    bool stays = false;
    for (size_t word = 0; word * 64 < entry.block_count; ++word) {
      uint64_t &young = range.words(alloc::kYoung, slab)[word];
      char *const base = range.slab_address(slab) + word * 64 * entry.block_size;
      // The condemned stay young: the sweep returns their blocks to the thread's lists.
      const uint64_t doomed =
          range.words(alloc::kCondemned, slab)[word] | range.words(alloc::kEmergency, slab)[word];
      stays = stays || (young & doomed) != 0;
      for (uint64_t bits = young & ~doomed; bits != 0; bits &= bits - 1) {
        const size_t at = static_cast<size_t>(__builtin_ctzll(bits));
        loam_object *object = reinterpret_cast<loam_object *>(base + at * entry.block_size);
        if (object->tag == 0) {
          stays = true;
          ++heap_.free_young_blocks;
          ++heap_.free_young_by_head[entry.head];
        } else {
          object->tag |= LOAM_FLAG_OLD;
          young &= ~(bits & (~bits + 1));
          ++promoted;
        }
      }
    }
    if (stays) heap_.list_slab(rest, &Slab::young, slab);
  }
  heap_.young = rest;
  heap_.young_blocks -= promoted;
  LargeRegistry &registry = heap_.large();
  for (Large *large = registry.first(LargeRegistry::kYoungList);
       large != registry.end(LargeRegistry::kYoungList);) {
    Large *next = large->next;
    if (!large->condemned && !large->emergency) {
      large->young = false;
      registry.move(large, LargeRegistry::kOldList);
    }
    large = next;
  }
}

// -- When.

void Collector::attend(uint32_t why) {
  __atomic_fetch_or(&thread_->attention, why, __ATOMIC_RELAXED);
}

void Collector::request() { attend(kAttendRequest); }

void Collector::reset_full_trigger() {
  const size_t live = heap_.handed_out_bytes();
  size_t trigger;
  if (__builtin_mul_overflow(live / 100, pacing_.full_growth, &trigger) ||
      __builtin_add_overflow(live, trigger, &trigger)) {
    trigger = SIZE_MAX;  // external bytes are only a report, and may be absurd
  }
  full_trigger_ = trigger > pacing_.full_minimum_bytes ? trigger : pacing_.full_minimum_bytes;
}

bool Collector::young_due() const {
  return heap_.young_blocks >= heap_.free_young_blocks + pacing_.young_threshold;
}

void Collector::growth_noted() {
  if (full_due() || over_limit()) attend(kAttendGrowth);
}

// Past the limit by external bytes; and again only when they grew by a sixteenth of it.
bool Collector::over_limit() const {
  return heap_.over_limit() && heap_.external_bytes() >= over_limit_calm_;
}

void Collector::enable() {
  if (disabled_ == 0 || --disabled_ != 0) return;
  if (full_due() || young_due() || over_limit()) attend(kAttendGrowth);
}

void Collector::host_work_waits() {
  if (has_deferred_ || phase_ != Phase::kNone || weaks_.has_callbacks()) attend(kAttendWork);
}

void Collector::poll() {
  if (activity_ != Activity::kIdle || heap_.locked()) return;
  if (pacing_.collect_every != 0 && ++allocations_ % pacing_.collect_every == 0) {
    collect(Collection::kFull);
    return;
  }
  const bool asked = __atomic_load_n(&thread_->attention, __ATOMIC_RELAXED) != 0;
  const bool due = disabled_ == 0 && (full_due() || young_due());
  if (!asked && !due) return;
  if (!pacing_.at_new) {
    attend(kAttendGrowth);
  } else if (frame_ == nullptr) {
    safepoint();
  } else if (due) {
    collect(full_due() ? Collection::kFull : Collection::kYoung);
  }
}

void Collector::safepoint() {
  if (activity_ != Activity::kIdle || heap_.locked() || frame_ != nullptr) return;
  // Host code that these run may leave by loam_unwind, or lock the heap: the rest of what was asked
  // for stands until they are through.
  __atomic_fetch_and(&thread_->attention, ~uint32_t{kAttendWork}, __ATOMIC_RELAXED);
  finish_interrupted();
  drain_waiting();
  run_deferred();
  if (heap_.locked()) return;
  const uint32_t why = __atomic_fetch_and(&thread_->attention, kAttendWork, __ATOMIC_RELAXED);
  const bool too_much = (why & kAttendGrowth) != 0 && over_limit();
  if ((why & kAttendRequest) != 0 || (disabled_ == 0 && (full_due() || too_much))) {
    collect(Collection::kFull);
    over_limit_calm_ = heap_.over_limit() ? heap_.external_bytes() + heap_.limit_bytes() / 16 : 0;
  } else if (disabled_ == 0 && young_due()) {
    collect(Collection::kYoung);
  }
}

bool Collector::step() {
  if (activity_ != Activity::kIdle || heap_.locked()) return false;
  safepoint();
  return frame_ == nullptr && disabled_ == 0 && (full_due() || young_due());
}

void Collector::finish_interrupted() {
  if (phase_ != Phase::kNone) run_cycle();
}

void Collector::drain_waiting() {
  if (drain_depth_ == 0 && !has_pending_) return;
  activity_ = Activity::kDraining;
  drain();
  activity_ = Activity::kIdle;
}

// A collection that freed little is not repeated until something else did.
bool Collector::relieve() {
  const size_t before = heap_.handed_out_bytes();
  if (before > calm_above_) return false;
  collect(Collection::kEmergency);
  if (kept_finalizable_) attend(kAttendRequest);
  const size_t after = heap_.handed_out_bytes();
  const size_t sixteenth = before / 16;
  calm_above_ = before < after + sixteenth && after > sixteenth ? after - sixteenth : SIZE_MAX;
  return true;
}

// Outside a collection these tables are zero: their pages need not stay.
void Collector::give_back_tables() {
  constexpr size_t kWorthwhileSegments = 8;
  const size_t segments = heap_.segment_limit();
  if (segments < kWorthwhileSegments) return;
  heap_.range().discard_counts(segments);
  for (const auto bitmap : {alloc::kMark, alloc::kGrey, alloc::kCondemned, alloc::kEmergency}) {
    heap_.range().discard_bitmap(bitmap, segments);
  }
}

}  // namespace loam::gc
