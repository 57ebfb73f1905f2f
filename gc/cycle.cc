// A collection from start to end, when one is due, and what safepoints owe. The judgement itself:
// judge.cc.
//
//   kForget     weak references to the condemned are emptied
//   kCallbacks  their callbacks run
//   kFinalize   finalizers run, once each, on intact neighbours                  (order: PEP 442)
//   kSweep      what host code may have resurrected is judged again; the rest is freed
//
// Host code may leave by loam_unwind at any point of the middle two: the phase tells where to go
// on.
#include <initializer_list>

#include "allocator/base/check.h"
#include "allocator/os_memory.h"
#include "gc/collector.h"

namespace loam::gc {

using alloc::kNoSlab;
using alloc::Range;
using alloc::Slab;

size_t Collector::collect(Collection kind) {
  if (activity_ != Activity::kIdle || heap_.locked()) return 0;
  if (frame_ == nullptr && kind != Collection::kEmergency) {
    finish_interrupted();
    if (phase_ != Phase::kNone) return 0;
    if (kind == Collection::kFull) drain_all();
    run_deferred();
    if (heap_.locked()) return 0;
  } else if (kind == Collection::kFull) {
    attend(kAttendRequest);  // the objects with finalizers are left for it
    kind = Collection::kEmergency;
  }
  const size_t collected = run_collection(kind);
  if (kind == Collection::kFull) drain_all();
  return collected;
}

size_t Collector::run_collection(Collection kind) {
  // Between slices phase_ and the condemned set are a cycle's [G-6].
  const bool quiet = kind == Collection::kEmergency || frame_ != nullptr || phase_ != Phase::kNone;
  const bool young_only = kind == Collection::kYoung;
  if (!young_only && !incremental_) abandon_cycle();  // its counts must not be added to
  activity_ = Activity::kCollecting;                  // events may not call back
  if (hooks_.started != nullptr) hooks_.started(hooks_.context, kind);
  const uint64_t start_ns = alloc::os_monotonic_ns();
  if (!quiet) {
    kind_ = kind;
    start_ns_ = start_ns;
  }
  if (!young_only) promote_young();
  judge_.leaves_counts = kind == Collection::kFull && heap_.gives_back_tables();
  if (judge_.leaves_counts && judge_.frozen == 0) {
    heap_.range().expect_judgement(heap_.segment_limit());
  }
  // Nobody sees the condemned where no host code runs before they are gone.
  const bool unseen =
      !types_.any_finalizer && !types_.any_dispose && !types_.any_trace && weaks_.count() == 0;
  const Judge::Judgement tally = young_only ? judge_.judge<Judge::Scope::kYoung>(quiet, unseen)
                                            : judge_.judge_all(quiet, unseen);
  if (young_only) promote_young();
  if (judge_.leaves_counts) heap_.range().discard_all_counts(heap_.segment_limit());  // [G-5]
  CollectionRecord &record = statistics_.collections[static_cast<size_t>(kind)];
  ++record.runs;
  record.survivors += tally.survivors;
  record.uncollectable += tally.uncollectable;
  if (!quiet) {
    survivors_ = tally.survivors;
    begin_phases();
    return run_phases();
  }
  const size_t collected = sweep_whole(Judge::kEmergencySet);
  if (weaks_.has_callbacks()) {
    has_deferred_ = true;
    attend(kAttendWork);
  }
  if (!young_only) reset_full_trigger();
  report_end(kind, start_ns, collected, tally.survivors);
  activity_ = Activity::kIdle;
  if (young_only) {
    drain_swept();
  } else {
    relieve_waiting();
  }
  return collected;
}

void Collector::begin_phases() {
  phase_ = Phase::kForget;
  sweep_ = Sweep{};
  host_ran_ = false;
}

// Runs the remaining phases of a collection at a stand; returns what it freed.
size_t Collector::run_phases() {
  size_t budget = SIZE_MAX;
  if (!run_phases_in(&budget)) return 0;
  const size_t collected = doomed_;
  if (kind_ == Collection::kFull) {
    reset_full_trigger();
    give_back_tables();
  }
  report_end(kind_, start_ns_, collected, survivors_);
  activity_ = Activity::kIdle;
  drain_swept();
  run_deferred();
  return collected;
}

// As far as the budget reaches; true at the end.
bool Collector::run_phases_in(size_t *budget) {
  activity_ = Activity::kCollecting;
  if (phase_ == Phase::kForget) {
    if (!forget_weak(Judge::kCondemnedSet, false, &sweep_, budget)) return false;
    phase_ = Phase::kCallbacks;
  }
  if (phase_ == Phase::kCallbacks) {
    run_weak_callbacks(nullptr);
    if (waits_for_unlock()) return false;
    phase_ = Phase::kFinalize;
    sweep_ = Sweep{};
  }
  if (phase_ == Phase::kFinalize) {
    const bool done = finalize_condemned(budget);
    if (waits_for_unlock()) return false;
    if (!done) return false;
    if (host_ran_) {
      statistics_.collections[static_cast<size_t>(kind_)].resurrected +=
          judge_.judge<Judge::Scope::kCondemned>(false, false).acquitted;
    }
    doomed_ = judge_.condemned;
    phase_ = Phase::kSweep;
    sweep_ = Sweep{};
  }
  if (!sweep(Judge::kCondemnedSet, &sweep_, budget)) return false;
  phase_ = Phase::kNone;
  return true;
}

// Host code left the heap locked: the collection goes on at a safepoint after the unlock.
bool Collector::waits_for_unlock() {
  if (!heap_.locked()) return false;
  sweep_ = Sweep{};
  activity_ = Activity::kIdle;
  attend(kAttendWork);
  return true;
}

void Collector::report_work(Work work, uint64_t start_ns, uint64_t duration_ns, size_t objects) {
  if (hooks_.worked == nullptr) return;
  const Activity before = activity_;
  activity_ = Activity::kCollecting;  // events may not call back
  hooks_.worked(hooks_.context, work, start_ns, duration_ns, objects);
  activity_ = before;
}

void Collector::report_end(Collection kind, uint64_t start_ns, size_t collected, size_t survivors) {
  const uint64_t duration_ns = alloc::os_monotonic_ns() - start_ns;
  static_assert(static_cast<int>(Collection::kEmergency) == static_cast<int>(Work::kEmergency));
  report_work(static_cast<Work>(kind), start_ns, duration_ns, collected);
  note_end(kind, duration_ns, collected, survivors);
}

// Of any collection, incremental or not.
void Collector::note_end(Collection kind, uint64_t duration_ns, size_t collected,
                         size_t survivors) {
  statistics_.collections[static_cast<size_t>(kind)].collected += collected;
  if (pacing_.verify) LOAM_CHECK(heap_.verify(thread_, 1) == 0 && verify() == 0);
  if (hooks_.ended == nullptr) return;
  hooks_.ended(hooks_.context, kind, duration_ns, collected, survivors);
}

// -- Ages.

namespace {

// Makes the objects old that are among some blocks of a word; returns the free blocks. Most words
// are one run of neighbours, and the next of a run is found at less cost than the next bit.
uint64_t make_old(char *base, size_t size, uint64_t bits) {
  uint64_t free = 0;
  while (bits != 0) {
    const auto first = static_cast<unsigned>(__builtin_ctzll(bits));
    const uint64_t gaps = ~(bits >> first);
    const unsigned end = gaps != 0 ? first + static_cast<unsigned>(__builtin_ctzll(gaps)) : 64;
    for (unsigned at = first; at != end; ++at) {
      loam_object *object = reinterpret_cast<loam_object *>(base + at * size);
      if (LOAM_EXPECT(object->tag != 0)) {
        object->tag |= LOAM_FLAG_OLD;
      } else {
        free |= Range::bit_of(at);
      }
    }
    bits = end < 64 ? bits >> end << end : 0;
  }
  return free;
}

}  // namespace

// Every live young container becomes old. Free blocks stay young, and so do the condemned.
void Collector::promote_young() {
  Range &range = heap_.range();
  alloc::Heap::SlabList rest;
  size_t promoted = 0;
  heap_.forget_free_young();
  const bool any_doomed = judge_.condemned != 0 || judge_.emergency_condemned != 0;
  for (size_t slab; (slab = heap_.unlist_slab(heap_.young, &Slab::young)) != kNoSlab;) {
    if (range.tracked[slab] == 0) continue;
    const Slab &entry = range.slabs[slab];
    bool stays = false;
    for (size_t word = 0; word * 64 < entry.block_count; ++word) {
      uint64_t &young = range.words(alloc::kYoung, slab)[word];
      if (young == 0) continue;
      // The condemned stay as they are: nobody reads their age, and the sweep clears the bits.
      const uint64_t doomed = any_doomed ? range.words(alloc::kCondemned, slab)[word] |
                                               range.words(alloc::kEmergency, slab)[word]
                                         : 0;
      char *const base = range.slab_address(slab) + word * 64 * entry.block_size;
      const uint64_t free = make_old(base, entry.block_size, young & ~doomed);
      const auto count = static_cast<uint32_t>(__builtin_popcountll(free));
      heap_.free_young_blocks += count;
      heap_.free_young_by_head[entry.head] += count;
      promoted += static_cast<size_t>(__builtin_popcountll(young & ~doomed & ~free));
      young &= doomed | free;
      stays = stays || young != 0;
    }
    if (stays) heap_.list_slab(rest, &Slab::young, slab);
  }
  heap_.young = rest;
  heap_.young_slabs = 0;
  heap_.young_blocks -= promoted;
  heap_.large().make_all_old();
  young_are_heavy_ = false;
  heavy_at_ = heap_.large().held_bytes() + kHeavyBytes;
  watch_large();
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
  base_bytes_ = live;
  full_trigger_ = trigger > pacing_.full_minimum_bytes ? trigger : pacing_.full_minimum_bytes;
}

// Where they are strewn over many slabs, a quarter of the threshold may be enough: most of what
// they cost then is memory that is in no cache.
bool Collector::young_due() const {
  constexpr size_t kSlabWeight = 16;  // what coming to a slab costs, in objects
  const size_t objects = heap_.young_objects(), threshold = pacing_.young_threshold;
  if (young_are_heavy_ || objects >= threshold) return true;
  return objects >= threshold / 4 && objects + heap_.young_slabs * kSlabWeight >= threshold;
}

void Collector::growth_noted() {
  if (full_due() || over_limit() || slice_due()) attend(kAttendGrowth);
}

// Young objects with arrays: a young collection comes before so many of them that it takes long.
// Buffers that come and go set off none, for large memory is to have grown.
LOAM_NOINLINE void Collector::large_noted() {
  constexpr size_t kFew = 64;  // the threshold is so many times as much
  const size_t bytes = heap_.large().held_bytes();
  if (bytes >= heavy_at_) {
    heavy_at_ = bytes + kHeavyBytes;
    young_are_heavy_ = heap_.young_objects() >= pacing_.young_threshold / kFew;
    watch_large();
  }
  if (disabled_ == 0 && (slice_due() || young_are_heavy_)) attend(kAttendGrowth);
}

void Collector::watch_large() { heap_.watch_large_from(works_in_slices() ? 0 : heavy_at_); }

// Past the limit by external bytes; and again only when they grew by a sixteenth of it.
bool Collector::over_limit() const {
  return heap_.over_limit() && heap_.external_bytes() >= over_limit_calm_;
}

void Collector::disable() {
  ++disabled_;
  plan_young();
}

void Collector::enable() {
  if (disabled_ == 0 || --disabled_ != 0) return;
  plan_young();
  if (full_due() || young_due() || over_limit() || slice_due()) attend(kAttendGrowth);
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
  const bool full = full_due() && !cycle_.running() && !incremental_;
  const bool due = disabled_ == 0 && (full || young_due() || slice_due());
  if (!asked && !due) return;
  if (!pacing_.at_new) {
    attend(kAttendGrowth);
  } else if (frame_ == nullptr) {
    safepoint();
  } else if (disabled_ == 0 && (full || young_due())) {
    collect(full ? Collection::kFull : Collection::kYoung);
  }
}

void Collector::safepoint() {
  if (activity_ != Activity::kIdle || heap_.locked() || frame_ != nullptr) return;
  // Host code that these run may leave by loam_unwind, or lock the heap: the rest of what was asked
  // for stands until they are through.
  __atomic_fetch_and(&thread_->attention, ~uint32_t{kAttendWork}, __ATOMIC_RELAXED);
  if (!incremental_) finish_interrupted();
  drain_slice();
  run_deferred();
  if (heap_.locked() || (phase_ != Phase::kNone && !incremental_)) return;
  if (!teardown_.nothing_aside()) {  // a full collection waits until the cascades are through
    if (disabled_ == 0 && young_due()) run_young();
    return;
  }
  const uint32_t asked = __atomic_load_n(&thread_->attention, __ATOMIC_RELAXED);
  const bool too_much = (asked & kAttendGrowth) != 0 && disabled_ == 0 && over_limit();
  const bool full = (asked & kAttendRequest) != 0 || too_much;
  if (full) {
    finish_interrupted();
    if (heap_.locked() || phase_ != Phase::kNone || !teardown_.nothing_aside()) return;
    if (disabled_ != 0 && (asked & kAttendRequest) == 0) return;  // meanwhile
  }
  __atomic_fetch_and(&thread_->attention, kAttendWork, __ATOMIC_RELAXED);
  if (pacing_.slice != 0) attend(kAttendGrowth);  // at the next safepoint too
  if (full) {
    run_collection(Collection::kFull);
    over_limit_calm_ = heap_.over_limit() ? heap_.external_bytes() + heap_.limit_bytes() / 16 : 0;
    return;
  }
  if (disabled_ != 0) return;
  if (works_in_slices()) {
    pay();
  } else if (full_due() || pacing_.slice != 0) {
    start_cycle();
  }
  // Host code that these ran may have locked the heap, or disabled collection.
  if (heap_.locked() || disabled_ != 0 || (phase_ != Phase::kNone && !incremental_)) return;
  if (young_due()) run_young();
}

// So many are left to the full collection, which judges in slices: collection was disabled, or no
// safepoint came by.
bool Collector::young_are_too_many() const {
  constexpr size_t kMost = 65536;  // beyond the threshold: a pause of a millisecond or two
  const size_t young = heap_.young_objects();
  return young >= kMost && young - kMost >= pacing_.young_threshold;
}

// An automatic young collection. While they yield little, some only make old what is young.
void Collector::run_young() {
  constexpr size_t kLittle = 16;  // one object in so many
  constexpr size_t kPart = 16;    // of less than this part of the threshold it tells nothing
  constexpr unsigned kMostSkipped = 8;
  if (young_skips_ != 0 || young_are_too_many()) {
    if (young_skips_ != 0) --young_skips_;
    promote_young();
    plan_young();
    return;
  }
  const size_t judged = heap_.young_objects();
  const size_t collected = run_collection(Collection::kYoung);
  if (judged < pacing_.young_threshold / kPart) return;
  young_patience_ = collected >= judged / kLittle    ? 0
                    : young_patience_ == 0           ? 1
                    : young_patience_ < kMostSkipped ? 2 * young_patience_
                                                     : kMostSkipped;
  young_skips_ = young_patience_;
  plan_young();
}

// What a safepoint does, and slices while time is left. True while more is due.
bool Collector::step(uint64_t budget_ns) {
  constexpr size_t kStepUnits = 2048;
  if (activity_ != Activity::kIdle || heap_.locked()) return false;
  const uint64_t start_ns = alloc::os_monotonic_ns();
  for (;;) {
    safepoint();
    if (frame_ != nullptr || heap_.locked()) return false;
    if (automatic()) run_slice(kStepUnits);
    const bool due = works_in_slices() || full_due() || young_due();
    if (teardown_.nothing_aside() && (disabled_ != 0 || !due)) return false;
    if (alloc::os_monotonic_ns() - start_ns >= budget_ns) return true;
  }
}

// What the last collection condemned is dealt with; an incremental cycle stands where it does.
void Collector::finish_interrupted() {
  if (phase_ == Phase::kNone) return;
  if (incremental_) {
    run_stretch(SIZE_MAX);
  } else {
    run_phases();
  }
}

// A collection that freed little is not repeated until something else did.
bool Collector::relieve() {
  const size_t before = heap_.handed_out_bytes();
  if (before > calm_above_) return false;
  judge_.kept_finalizable = false;  // perhaps by an earlier one: collect may find nothing to do
  collect(Collection::kEmergency);
  if (judge_.kept_finalizable) attend(kAttendRequest);
  const size_t after = heap_.handed_out_bytes();
  const size_t sixteenth = before / 16;
  calm_above_ = before < after + sixteenth && after > sixteenth ? after - sixteenth : SIZE_MAX;
  return true;
}

// Outside a collection these tables are zero: their pages need not stay.
void Collector::give_back_tables() {
  if (!heap_.gives_back_tables()) return;
  const size_t segments = heap_.segment_limit();
  if (host_ran_) heap_.range().discard_all_counts(segments);  // else it is done
  for (const auto bitmap : {alloc::kMark, alloc::kGrey, alloc::kCondemned, alloc::kEmergency}) {
    heap_.range().discard_bitmap(bitmap, segments);
  }
}

}  // namespace loam::gc
