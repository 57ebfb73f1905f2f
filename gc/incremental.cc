#include "gc/incremental.h"

#include <cstring>

#include "allocator/base/check.h"
#include "gc/edges.h"
#include "gc/scope.h"

namespace loam::gc {

using alloc::kBlocksPerStretch;
using alloc::kNoSlab;
using alloc::kSlabsPerSegment;
using alloc::kWordsPerStretch;
using alloc::Large;
using alloc::LargeRegistry;
using alloc::Range;
using alloc::Slab;

void Cycle::start() {
  LOAM_ASSERT(phase_ == Phase::kIdle);
  Range &range = heap_.range();
  for (size_t slab = alloc::Heap::first_listed(heap_.young); slab != kNoSlab;
       slab = heap_.next_listed(slab, &Slab::young)) {
    if (range.tracked[slab] == 0) continue;
    for (size_t word = 0; word < kWordsPerStretch; ++word) {  // [G-11]
      range.words(alloc::kCycleMark, slab)[word] |= range.words(alloc::kYoung, slab)[word];
    }
  }
  LargeRegistry &registry = heap_.large();
  for (Large *large = registry.first(LargeRegistry::kYoungList);
       large != registry.end(LargeRegistry::kYoungList); large = large->next) {
    large->cycle_mark = true;
  }
  heap_.born_marked = true;
  slab_ = backed_bits_ = 0;
  counting_ = second_ = overflowed_ = refuted_ = false;
  suspects_ = rest_units_ = in_vain_ = marked_units_ = 0;
  survivors_ = uncollectable_ = 0;
  array_ = nullptr;
  in_order_ = gathering_ = false;
  sampling_ = true;
  slabs_in_vain_ = 0;
  if (slabs_to_back() != 0) {
    phase_ = Phase::kStart;
  } else {
    begin_marking();
  }
}

void Cycle::begin_marking() {
  phase_ = Phase::kMark;
  if (starts_without_hints_ != 0) {
    --starts_without_hints_;
  } else {
    take_hints();
  }
}

size_t Cycle::advance(size_t budget) {
  if (grey_exists()) {
    const size_t used = mark(budget);
    marked_units_ += used;
    return used;
  }
  switch (phase_) {
    case Phase::kIdle:
      return budget;
    case Phase::kStart:
      return back_tables(budget);
    case Phase::kMark:
      if (followed_ < hints_) return follow_hints(budget);
      phase_ = Phase::kRescue;
      begin_counting();
      return 0;
    case Phase::kRescue:
      return counting_ ? count(budget) : look(budget);
    case Phase::kSplit:
      return split(budget);
    case Phase::kFinal:
      return judge_rest();
    case Phase::kClear:
      return clear(budget);
  }
  return budget;
}

Cycle::Stage Cycle::stage() const {
  switch (phase_) {
    case Phase::kStart:
      return Stage::kStart;
    case Phase::kRescue:
      if (counting_) return second_ ? Stage::kCountAgain : Stage::kCount;
      return second_ ? Stage::kLookAgain : Stage::kLook;
    case Phase::kSplit:
    case Phase::kFinal:
      return Stage::kSplit;
    case Phase::kClear:
      return Stage::kClear;
    default:
      return Stage::kHints;
  }
}

size_t Cycle::stage_units() const {
  const size_t large = heap_.large().containers() * kLargeUnits;
  const size_t slabs = heap_.slab_limit() * kSlabUnits + large;
  switch (stage()) {
    case Stage::kStart:
      return slabs_to_back() * (kStartUnits + kStartUnits / kSlabsPerBitsPage);
    case Stage::kHints:
    case Stage::kCount: {
      size_t containers = 0;
      for (unsigned head = LOAM_HEADS_CONTAINER; head < LOAM_HEAD_COUNT; ++head) {
        const alloc::Pool &pool = heap_.pool(head);
        if (pool.kind == alloc::Kind::kContainer) containers += pool.allocated;
      }
      return slabs + containers + reckoned_rest_;
    }
    case Stage::kCountAgain:
      return slabs + (survivors_ + reckoned_rest_) / 2;
    case Stage::kClear:
      return heap_.slab_limit() * kClearUnits + large;
    case Stage::kLook:
    case Stage::kLookAgain:
      return heap_.slab_limit() * kLookUnits + suspects_ + rest_units_ + large;
    default:
      return slabs + sweep_units(5, suspects_) + rest_units_;  // walked, released and freed
  }
}

// So many passes over the condemned, of which one releases their edges.
size_t Cycle::sweep_units(size_t passes, size_t condemned) const {
  const double part = static_cast<double>(condemned) / static_cast<double>(suspects_ + 1);
  return passes * condemned + static_cast<size_t>(part * static_cast<double>(rest_units_));
}

// Small heaps keep the pages of their tables, and of a frozen one most objects are not counted.
size_t Cycle::slabs_to_back() const {
  return heap_.gives_back_tables() && judge_.frozen == 0 ? heap_.slab_limit() : 0;
}

// RESCUE comes to the counts in the order of the edges, which may be any: a slice of it would have
// to wait for a page with each of them. A slice of MARK may pass over thousands of slabs, and for
// eight of them there is a page of each bitmap.
size_t Cycle::back_tables(size_t budget) {
  const size_t limit = slabs_to_back(), most = 1 + budget / kStartUnits;
  const auto end_after = [limit](size_t first, size_t slabs) {
    return limit - first > slabs ? first + slabs : limit;
  };
  if (backed_bits_ < limit) {
    const size_t first = backed_bits_, end = end_after(first, most * kSlabsPerBitsPage);
    heap_.range().populate_bitmaps({alloc::kCycleMark, alloc::kCycleGrey}, first, end);
    backed_bits_ = end;
    return (end - first) * kStartUnits / kSlabsPerBitsPage;
  }
  const size_t first = slab_;
  if (first >= limit) {
    begin_marking();
    return 0;
  }
  const size_t end = end_after(first, most);
  slab_ = heap_.back_counts(first, end);
  return slab_ <= end ? (slab_ - first) * kStartUnits : kHugeUnits;
}

bool Cycle::grey_exists() const {
  if (counting_ || phase_ == Phase::kSplit) return false;
  const LargeRegistry &registry = heap_.large();
  return !heap_.cycle_grey.empty() || array_ != nullptr || pass_next_ <= pass_last_ ||
         registry.first(LargeRegistry::kGreyList) != registry.end(LargeRegistry::kGreyList);
}

uint64_t Cycle::suspects_of(size_t slab, size_t word) const {
  const Range &range = heap_.range();
  uint64_t bits =
      range.words(alloc::kAllocated, slab)[word] & ~range.words(alloc::kCycleMark, slab)[word];
  if (judge_.frozen != 0) bits &= ~range.words(alloc::kFrozen, slab)[word];
  return bits;
}

// -- Hints. What one leads to is marked first, so that RESCUE need not count it. The hint itself
// stays a suspect, and all edges to it are counted: by MARK those from what is marked here, by
// RESCUE the others. If it is garbage they explain its count, and the marks are dropped [G-10].

bool Cycle::is_suspect(const Suspects &view, const loam_object *object) const {
  return view.in_range(object) && view.member_number(object) != kNoNumber &&
         heap_.range().is_handed_out(object) && Judge::is_member<Judge::Scope::kSuspects>(object);
}

// Before RESCUE nothing else has a byte of refcounts.
bool Cycle::is_hint(const Suspects &view, const loam_object *target) {
  if (!view.in_range(target)) return false;
  const size_t number = view.member_number(target);
  return number != kNoNumber && *view.refcount_of(number) != 0;
}

void Cycle::take_hint(const Suspects &view, loam_object *object) {
  if (hints_ == kBatch || !is_suspect(view, object) || is_hint(view, object)) return;
  if (is_long_array(view.type_of(object), object)) return;
  *view.refcount_of(view.number_of(object)) = Tables::noted(object->refcount);
  batch_[hints_++] = object;
}

void Cycle::take_hints() {
  struct Hints : loam_visitor {
    explicit Hints(Cycle &to_start) : cycle(&to_start), view(to_start.judge_) {}
    Cycle *cycle;
    Suspects view;
  } hints(*this);
  hints.visit = [](loam_visitor *self, loam_object *object) {
    static_cast<Hints *>(self)->cycle->take_hint(static_cast<Hints *>(self)->view, object);
  };
  if (hooks_.report_roots != nullptr) hooks_.report_roots(hooks_.context, &hints);
  // One that let go of what it held would be no root.
  roots_.each_confirmed([this, &hints](const Root &root) {
    if (is_suspect(hints.view, root.object) && root.object->refcount > root.inner) {
      take_hint(hints.view, root.object);
    }
  });
  judge_.shares_counts = hints_ != 0;
}

bool Cycle::confirms_hints() {
  const Suspects view(judge_);
  bool confirmed = true;
  for (; hints_ != 0; --hints_) {
    confirmed = confirmed && !is_suspect(view, batch_[hints_ - 1]);
  }
  return confirmed;
}

// -- RESCUE, first half: the edges between suspects.

void Cycle::begin_counting() {
  counting_ = true;
  slab_ = word_ = 0;
  left_ = ~uint64_t{0};
  suspects_ = rest_units_ = 0;
}

size_t Cycle::count(size_t budget) {
  size_t used = 0;
  judge_.shares_counts = judge_.leaves_long_arrays = true;
  while (slab_ < heap_.slab_limit() && used < budget) used += count_slab(budget - used);
  if (slab_ == heap_.slab_limit()) {
    for (size_t units; used < budget && (units = count_large()) != 0;) used += units;
    while (used < budget && (array_ != nullptr || next_long_array())) {
      used += scan_array();
      count_rest_units(kItemsAtOnce);
    }
    if (used < budget) {
      heap_.large().move_all(LargeRegistry::kSeenList, LargeRegistry::kOldList);
      if (!second_) {
        survivors_ = suspects_;
        reckoned_rest_ = rest_units_;
        confirm_roots();
      }
      counting_ = false;
      slab_ = 0;
    }
  }
  judge_.leaves_long_arrays = false;
  return used;
}

// What is left of a slab; goes on with the next one when it is through with it.
size_t Cycle::count_slab(size_t budget) {
  const Range &range = heap_.range();
  const size_t words = range.tracked[slab_] != 0 ? (range.slabs[slab_].block_count + 63) / 64 : 0;
  const Judge::View<Judge::Scope::kRescue> view(judge_);
  size_t used = 0;
  for (; word_ < words; ++word_, left_ = ~uint64_t{0}) {
    if (used >= budget) return used;
    const uint64_t bits = suspects_of(slab_, word_) & left_;
    if (bits == 0) continue;
    judge_.rest_edges = judge_.uncounted = 0;
    overflowed_ |= judge_.count_word<Judge::Scope::kRescue>(view, slab_, word_, bits).overflowed;
    left_ = judge_.uncounted;
    const auto counted = static_cast<size_t>(__builtin_popcountll(bits & ~left_));
    suspects_ += counted;
    used += counted + count_rest_units(judge_.rest_edges);
    if (left_ != 0) return used;
  }
  ++slab_;
  word_ = 0;
  left_ = ~uint64_t{0};  // the slab may have lost that word meanwhile
  return used + kSlabUnits;
}

// A large object, or a part of its array; returns the work done, 0 when there is none left.
size_t Cycle::count_large() {
  LargeRegistry &registry = heap_.large();
  Large *large = registry.first(LargeRegistry::kOldList);
  if (large == registry.end(LargeRegistry::kOldList)) return 0;
  loam_object *object = static_cast<loam_object *>(large->block());
  const bool suspect =
      !large->cycle_mark && !large->frozen && Judge::is_member<Judge::Scope::kSuspects>(object);
  bool more = false;
  judge_.rest_edges = 0;
  if (suspect && is_long_array(types_.of(object), object)) {
    const Judge::View<Judge::Scope::kRescue> view(judge_);
    Judge::EdgeTally tally;
    more = visit_part(types_.of(object), object, large->scanned, [&](loam_object *target) {
      Judge::count_edge<Judge::Scope::kRescue>(view, target, tally);
      ++judge_.rest_edges;
    });
    large->scanned += kItemsAtOnce;
    overflowed_ |= tally.overflowed;
  } else if (suspect) {  // perhaps what is left of a longer one, all of it: hints may be wrong
    overflowed_ |= judge_.count_object<Judge::Scope::kRescue>(object).overflowed;
  }
  const size_t used = kLargeUnits + count_rest_units(judge_.rest_edges);
  if (more) return used;
  suspects_ += suspect;
  large->scanned = 0;
  registry.move(large, LargeRegistry::kSeenList);
  return used;
}

// Where there are more than the last cycle found, the slabs to come are taken to have as many as
// those that were counted, once these are some.
size_t Cycle::count_rest_units(size_t edges) {
  constexpr size_t kSome = 16;  // one slab in so many
  const size_t units = units_of_rest(edges);
  rest_units_ += units;
  if (second_ || rest_units_ <= reckoned_rest_) return units;
  const size_t limit = heap_.slab_limit(), counted = slab_ + 1;
  reckoned_rest_ = counted < limit && counted >= limit / kSome ? rest_units_ / counted * limit
                                                               : rest_units_ + rest_units_ / 4;
  return units;
}

// -- RESCUE, second half: what more references lead to than that is held from outside.

size_t Cycle::look(size_t budget) {
  size_t used = 0;
  // By the roots of one slab; or of some before it, whose objects died before they were followed.
  if (marked_units_ != 0) {
    roots_.settle(marked_units_ >= judged_units_ / kMuch);
    marked_units_ = 0;
  }
  for (; slab_ < heap_.slab_limit(); ++slab_) {
    if (used >= budget || grey_exists()) return used;
    used += look_at_slab(slab_);
  }
  if (grey_exists()) return used;
  while (used < budget && look_at_large()) used += kLargeUnits;
  if (used >= budget || grey_exists()) return used;
  heap_.large().move_all(LargeRegistry::kSeenList, LargeRegistry::kOldList);
  judge_.shares_counts = overflowed_ = false;
  slab_ = 0;
  if (!confirms_hints()) {
    refuted_ = true;
    starts_without_hints_ = 2;  // of this cycle once more, and of the next
    const Suspects view(judge_);
    roots_.confirm([this, &view](const Root &root) { return !is_suspect(view, root.object); });
    begin_clear();
  } else if (!second_) {
    second_ = true;
    begin_counting();
  } else {
    phase_ = Phase::kSplit;
  }
  return used;
}

size_t Cycle::look_at_slab(size_t slab) {
  const Range &range = heap_.range();
  if (range.tracked[slab] == 0) return 1;
  const Suspects view(judge_);
  const size_t size = range.slabs[slab].block_size;
  const size_t words = (range.slabs[slab].block_count + 63) / 64;
  uint64_t any = 0;
  size_t used = kSlabUnits + words;
  for (size_t word = 0; word < words; ++word) {
    const size_t first = slab * kBlocksPerStretch + word * 64;
    using base::all_zero;
    if (all_zero(view.refcount_of(first), 64) && all_zero(view.counts + first, 64)) continue;
    const WordOfCounts bytes(view, first);
    used += kWordUnits;
    const uint64_t members = suspects_of(slab, word) & bytes.members;
    // With fewer references than edges, an object changed meanwhile, or a trace reports too much:
    // FINAL will tell.
    uint64_t roots = members & bytes.differ & ~bytes.fewer;
    for (uint64_t rest = members & bytes.full; rest != 0; rest &= rest - 1) {
      const size_t at = static_cast<size_t>(__builtin_ctzll(rest));
      const loam_object *object =
          reinterpret_cast<loam_object *>(range.slab_address(slab) + (word * 64 + at) * size);
      if (object->refcount > view.inner_edges(first + at)) {
        roots |= Range::bit_of(at);
      } else {
        roots &= ~Range::bit_of(at);
      }
    }
    any |= roots;
    if (LOAM_RARELY(roots != 0)) note_roots(view, slab, word, roots);
    range.words(alloc::kCycleMark, slab)[word] |= roots;
    range.words(alloc::kCycleGrey, slab)[word] |= roots;
    heap_.range().clear_counts(first, 64, overflowed_);
  }
  if (any != 0) heap_.list_slab(heap_.cycle_grey, &Slab::cycle_grey, slab);
  return used;
}

// All edges between suspects have been counted.
void Cycle::confirm_roots() {
  const Suspects view(judge_);
  judged_units_ = suspects_ + marked_units_;  // with what hints led to
  if (hints_ != 0 && marked_units_ < judged_units_ / kMuch) roots_.forget_confirmed();
  roots_.confirm([this, &view](Root &root) {
    if (!is_suspect(view, root.object)) return false;
    root.inner = view.inner_edges(view.number_of(root.object));
    return root.object->refcount > root.inner;
  });
  marked_units_ = 0;
}

LOAM_NOINLINE void Cycle::note_roots(const Suspects &view, size_t slab, size_t word,
                                     uint64_t roots) {
  const size_t first = slab * kBlocksPerStretch + word * 64;
  for (; roots != 0 && !second_; roots &= roots - 1) {
    const size_t number = first + static_cast<size_t>(__builtin_ctzll(roots));
    auto *object = reinterpret_cast<loam_object *>(heap_.range().block_address(number));
    roots_.add_candidate({object, view.inner_edges(number)}, hints_ != 0);
  }
}

// One large object; false when there is none left.
bool Cycle::look_at_large() {
  LargeRegistry &registry = heap_.large();
  Large *large = registry.first(LargeRegistry::kOldList);
  if (large == registry.end(LargeRegistry::kOldList)) return false;
  const loam_object *object = static_cast<loam_object *>(large->block());
  const bool is_root =
      !large->cycle_mark && !large->frozen && object->refcount > large->inner_edges;
  large->inner_edges = 0;
  large->cycle_mark |= is_root;
  registry.move(large, is_root ? LargeRegistry::kGreyList : LargeRegistry::kSeenList);
  return true;
}

// -- The end.

size_t Cycle::judge_rest() {
  const Judge::Judgement tally = judge_.judge<Judge::Scope::kSuspects>(false, false);
  uncollectable_ += tally.uncollectable;
  begin_clear();
  return suspects_;
}

// From here on new blocks are born unmarked, and nothing sets a mark any more.
void Cycle::begin_clear() {
  heap_.born_marked = false;
  while (heap_.unlist_slab(heap_.suspects, &Slab::suspects) != kNoSlab) {
  }
  while (heap_.unlist_slab(heap_.cycle_grey, &Slab::cycle_grey) != kNoSlab) {
  }
  LargeRegistry &registry = heap_.large();
  registry.move_all(LargeRegistry::kGreyList, LargeRegistry::kOldList);
  registry.move_all(LargeRegistry::kSeenList, LargeRegistry::kOldList);
  phase_ = Phase::kClear;
  slab_ = hints_ = followed_ = 0;
  pass_next_ = 1;
  pass_last_ = 0;
  gathering_ = false;
}

size_t Cycle::clear(size_t budget) {
  constexpr size_t kAtOnce = Range::kSlabsPerHugeCounts;
  size_t used = 0;
  const size_t limit = heap_.slab_limit();
  while (slab_ < limit && used < budget) {
    clear_segment(slab_ / kSlabsPerSegment);
    used += kSlabsPerSegment * kClearUnits;
    slab_ += kSlabsPerSegment;
    if (heap_.gives_back_tables() && (slab_ == limit || slab_ % kAtOnce == 0)) {
      heap_.range().discard_counts_at((slab_ - 1) / kAtOnce * kAtOnce);
    }
  }
  if (slab_ < limit) return used;
  for (; clear_large(); used += kLargeUnits) {
    if (used >= budget) return used;
  }
  heap_.large().move_all(LargeRegistry::kSeenList, LargeRegistry::kOldList);
  phase_ = Phase::kIdle;
  if (refuted_) start();
  return used;
}

// One large object; false when there is none left. Of the young ones those that are marked lie
// behind the others: what is born now is linked in front, and what is cleared goes there too.
bool Cycle::clear_large() {
  LargeRegistry &registry = heap_.large();
  Large *large = registry.last(LargeRegistry::kYoungList);
  const bool is_young = large != registry.end(LargeRegistry::kYoungList) && large->cycle_mark;
  if (!is_young) large = registry.first(LargeRegistry::kOldList);
  if (large == registry.end(LargeRegistry::kOldList)) return false;
  registry.move(large, is_young ? LargeRegistry::kYoungList : LargeRegistry::kSeenList);
  large->cycle_mark = false;
  large->scanned = 0;
  return true;
}

void Cycle::clear_segment(size_t segment) {
  Range &range = heap_.range();
  if (!range.segments[segment].committed) return;
  const size_t slab = segment * kSlabsPerSegment;
  const size_t bytes = kSlabsPerSegment * kWordsPerStretch * sizeof(uint64_t);
  std::memset(range.words(alloc::kCycleMark, slab), 0, bytes);
  std::memset(range.words(alloc::kCycleGrey, slab), 0, bytes);
}

void Cycle::abandon() {
  if (phase_ == Phase::kIdle) return;
  if (counting_ && !second_) reckoned_rest_ = rest_units_;  // no guess is left to the next one
  array_ = nullptr;
  begin_clear();
  Range &range = heap_.range();
  for (size_t slab = 0; judge_.shares_counts && slab < heap_.slab_limit(); ++slab) {
    if (range.tracked[slab] == 0) continue;
    range.clear_counts_of(slab);
  }
  const LargeRegistry &registry = heap_.large();
  for (const auto list : {LargeRegistry::kOldList, LargeRegistry::kCondemnedList}) {
    for (Large *large = registry.first(list); large != registry.end(list); large = large->next) {
      large->inner_edges = 0;
      large->cycle_mark = false;  // CLEAR does not come to the condemned
    }
  }
  judge_.shares_counts = counting_ = refuted_ = false;
  clear(SIZE_MAX);
}

}  // namespace loam::gc
