// The incremental cycle in time: when it starts, how much it does when, and what it hands over to
// the phases that finalize and free.
//
//   full_trigger_         START                       over
//   base + 50 %  ---------> | <-- allowance: 10 % --> |      gross allocation from START on
//
// Each stage of the cycle gets a share of the allowance, and works at the rate at which it would be
// through when that much is allocated. So the work per allocation is bounded by the size of the
// stage, and never depends on what other stages took. (Net growth would be a feedback: what the
// host frees meanwhile would let the cycle dawdle.)
#include "allocator/base/check.h"
#include "allocator/os_memory.h"
#include "gc/collector.h"

namespace loam::gc {

namespace {

constexpr uint64_t kLeastSlice = 4096;  // units: less is not worth the start
constexpr uint64_t kMostSlice = 8192;   // units at once: the pause that a host sees
constexpr uint64_t kPatience = 4;       // allowances, after which the cycle is finished in one go
constexpr uint64_t kMib = uint64_t{1} << 20;

using Stage = Cycle::Stage;

// Percent of the allowance, by stage. A cycle has much to do either in kHints or in kLook, and
// either in kSplit or in kSweep.
constexpr uint64_t kShares[] = {3, 22, 25, 22, 3, 4, 40, 40, 3};
static_assert(sizeof kShares / sizeof *kShares == static_cast<size_t>(Stage::kNone));

Work work_of(Cycle::Phase phase) {
  switch (phase) {
    case Cycle::Phase::kRescue:
      return Work::kRescue;
    case Cycle::Phase::kMark:
      return Work::kMark;
    case Cycle::Phase::kSplit:
      return Work::kSplit;
    case Cycle::Phase::kFinal:
      return Work::kFinal;
    case Cycle::Phase::kClear:
      return Work::kClear;
    default:
      return Work::kStart;
  }
}

}  // namespace

bool Collector::under_way(Work *out_phase) const {
  if (phase_ == Phase::kNone) {
    *out_phase = work_of(cycle_.phase());
    return cycle_.running();
  }
  *out_phase = phase_ == Phase::kSweep ? Work::kSweep : Work::kFinalize;
  return true;
}

void Collector::start_cycle() {
  run_young();
  if (phase_ != Phase::kNone || !automatic() || heap_.locked()) return;  // later
  activity_ = Activity::kCollecting;
  if (hooks_.started != nullptr) hooks_.started(hooks_.context, Collection::kFull);
  const uint64_t start_ns = alloc::os_monotonic_ns();
  cycle_.start();
  watch_large();
  activity_ = Activity::kIdle;
  ++statistics_.collections[static_cast<size_t>(Collection::kFull)].runs;
  cycle_collected_ = 0;
  paid_bytes_ = cycle_start_bytes_ = heap_.gross_bytes();
  owed_units_ = 0;
  stage_ = Stage::kNone;
  set_rate();
  cycle_ns_ = alloc::os_monotonic_ns() - start_ns;
  report_work(Work::kStart, start_ns, cycle_ns_, 0);
}

void Collector::end_cycle() {
  const size_t survivors =
      cycle_.survivors() > cycle_collected_ ? cycle_.survivors() - cycle_collected_ : 0;
  CollectionRecord &record = statistics_.collections[static_cast<size_t>(Collection::kFull)];
  record.survivors += survivors;
  record.uncollectable += cycle_.uncollectable();
  reset_full_trigger();
  activity_ = Activity::kCollecting;
  note_end(Collection::kFull, cycle_ns_, cycle_collected_, survivors);
  activity_ = Activity::kIdle;
  watch_large();
}

// Its hints are dropped; what it condemned has been dealt with.
void Collector::abandon_cycle() {
  if (!cycle_.running()) return;
  LOAM_ASSERT(!incremental_);
  cycle_.abandon();
  end_cycle();
}

// Up to `budget` units, of as many stages as they last for.
void Collector::run_slice(size_t budget) {
  while (budget > 0 && works_in_slices() && !heap_.locked() && teardown_.nothing_aside()) {
    const size_t used = run_stretch(budget);
    budget -= used < budget ? used : budget;
    set_rate();
  }
}

// One stretch of one phase; returns the units used.
size_t Collector::run_stretch(size_t budget) {
  const uint64_t start_ns = alloc::os_monotonic_ns();
  size_t used;
  Work work;
  under_way(&work);
  bool over = false;
  if (phase_ == Phase::kNone) {
    activity_ = Activity::kCollecting;
    used = cycle_.advance(budget);
    activity_ = Activity::kIdle;
    if (judge_.condemned != 0) {
      kind_ = Collection::kFull;
      incremental_ = true;
      begin_phases();
    }
    over = !cycle_.running();
  } else {
    size_t left = budget;
    if (run_phases_in(&left)) close_set();
    used = budget - left;
    activity_ = Activity::kIdle;
    drain_swept();
    if (!incremental_) run_deferred();
  }
  const uint64_t duration_ns = alloc::os_monotonic_ns() - start_ns;
  cycle_ns_ += duration_ns;
  report_work(work, start_ns, duration_ns, used);
  if (over) end_cycle();
  return used;
}

// What the cycle condemned is freed.
void Collector::close_set() {
  incremental_ = false;
  cycle_collected_ += doomed_;
  watch_large();
}

// At the limit: frees what the cycle condemned, if no host code but dispose must run for it.
bool Collector::relieve_condemned() {
  if (!incremental_) return false;
  size_t budget = SIZE_MAX;
  if (phase_ == Phase::kForget) {  // which callbacks there are shows then
    forget_weak(Judge::kCondemnedSet, false, &sweep_, &budget);
    phase_ = Phase::kCallbacks;
  }
  const bool calls_out = frame_ != nullptr || types_.any_finalizer || weaks_.has_callbacks();
  if (phase_ != Phase::kSweep && calls_out) return false;
  budget = SIZE_MAX;
  if (run_phases_in(&budget)) close_set();
  activity_ = Activity::kIdle;
  has_deferred_ = has_deferred_ || weaks_.has_callbacks();
  return true;
}

bool Collector::slice_due() const {
  if (pacing_.slice != 0) return true;
  return works_in_slices() && heap_.gross_bytes() >= next_slice_bytes_;
}

// Works for what has been allocated since the last time. What is far behind is finished at once,
// rather than let the heap run away.
void Collector::pay() {
  if (pacing_.slice != 0) return run_slice(pacing_.slice);
  const uint64_t bytes = heap_.gross_bytes() - paid_bytes_;
  if (heap_.gross_bytes() - cycle_start_bytes_ > kPatience * allowance_) {
    paid_bytes_ = heap_.gross_bytes();
    return run_slice(SIZE_MAX);
  }
  owed_units_ += bytes * units_per_mib_ / kMib;
  paid_bytes_ = heap_.gross_bytes();
  if (owed_units_ >= kLeastSlice) {
    const uint64_t units = owed_units_ < kMostSlice ? owed_units_ : kMostSlice;
    owed_units_ -= units;
    run_slice(units);
  }
  schedule();
}

// The next slice is due when there is enough to do, or patience ends: a stage of few units in a
// small heap owes them slowly.
void Collector::schedule() {
  const uint64_t missing = owed_units_ < kLeastSlice ? kLeastSlice - owed_units_ : 0;
  const uint64_t enough = paid_bytes_ + missing * kMib / units_per_mib_;
  const uint64_t latest = cycle_start_bytes_ + kPatience * allowance_ + 1;
  next_slice_bytes_ = enough < latest ? enough : latest;
}

// Units per MiB, when a stage begins, or turns out to be longer.
void Collector::set_rate() {
  // What SPLIT condemns it sweeps in between; what FINAL does comes once, at the end.
  const bool condemned = phase_ != Phase::kNone && cycle_.phase() != Cycle::Phase::kSplit;
  const Stage stage = condemned ? Stage::kSweep : cycle_.stage();
  if (stage == stage_ && cycle_.reckoned_rest() <= reckoned_rest_) return;
  // Of what is owed for a stage that is through, one slice stays.
  if (stage != stage_ && owed_units_ > kMostSlice) owed_units_ = kMostSlice;
  stage_ = stage;
  reckoned_rest_ = cycle_.reckoned_rest();
  const size_t passes = weaks_.count() != 0 ? 5 : 3;
  const uint64_t units =
      condemned ? cycle_.sweep_units(passes, judge_.condemned) : cycle_.stage_units();
  const size_t base =
      base_bytes_ > pacing_.full_minimum_bytes ? base_bytes_ : pacing_.full_minimum_bytes;
  const uint64_t growth = pacing_.full_growth;
  const uint64_t finish = pacing_.full_finish > growth ? pacing_.full_finish : growth + 1;
  allowance_ = base / 100 * (finish - growth);
  units_per_mib_ =
      (units + 1) * kMib / (allowance_ * kShares[static_cast<size_t>(stage)] / 100 + 1) + 1;
  schedule();
}

}  // namespace loam::gc
