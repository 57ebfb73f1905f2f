// The first pass of a judgement: counts[x] = edges from members to x. It touches tables, not the
// headers of targets. The targets of a word's objects are gathered, without a branch on which
// fields are NULL, and then counted, in loops of their own.
#include "allocator/base/check.h"
#include "gc/edges.h"
#include "gc/scope.h"

namespace loam::gc {

using alloc::kBlocksPerStretch;
using alloc::Large;
using alloc::Range;
using alloc::Slab;

namespace {

constexpr size_t kLineBytes = 64;
constexpr size_t kEdgesPerLine = 4;              // objects have some more, at most twice as many
constexpr size_t kMostTargets = 64 * kShortRun;  // of a word, where they are not counted before
static_assert(kGathered + kMostFields <= kMostTargets);

}  // namespace

// By a sample of neighbours: do fields of the same place lead to the same part of the heap? Where
// the counts fit a cache, it makes no difference.
bool Judge::edges_lead_far() const {
  constexpr size_t kSlabs = 512, kSample = 256, kFarBytes = size_t{1} << 20;
  const Range &range = heap_.range();
  const View<Scope::kAll> view(*this);
  const size_t slabs = heap_.slab_limit();
  size_t pairs = 0, far = 0;
  for (size_t slab = 0; slabs >= kSlabs && slab < slabs; slab += slabs / kSample) {
    const size_t first = slab * kBlocksPerStretch;
    const uint64_t blocks = view.tracked[slab] != 0 ? view.source[first / 64] : 0;
    if ((blocks & 3) != 3) continue;
    const auto *one = reinterpret_cast<const loam_object *>(range.block_address(first));
    const auto *other = reinterpret_cast<const loam_object *>(range.block_address(first + 1));
    if (!is_member<Scope::kAll>(one) || !is_member<Scope::kAll>(other)) continue;
    uintptr_t targets[kMostFields] = {};
    size_t at = 0;
    visit_fields(view.type_of(one), one, [&](const loam_object *target) {
      if (view.in_range(target)) targets[at] = reinterpret_cast<uintptr_t>(target);
      ++at;
    });
    at = 0;
    visit_fields(view.type_of(other), other, [&](const loam_object *target) {
      const uintptr_t here = reinterpret_cast<uintptr_t>(target), there = targets[at++];
      if (there == 0 || !view.in_range(target)) return;
      ++pairs;
      far += (here > there ? here - there : there - here) > kFarBytes;
    });
  }
  return far > pairs / 2;
}

template <Judge::Scope kScope>
LOAM_NOINLINE Judge::EdgeTally Judge::count_rest(loam_object *object) {
  const View<kScope> view(*this);
  EdgeTally tally;
  const bool is_long = is_long_array(view.type_of(object), object);
  if (kScope == Scope::kYoung && is_long) {  // what it leads to is held from outside then
    tally.leads_out = true;
    return tally;
  }
  if (kScope == Scope::kRescue && is_long && leaves_long_arrays && view.in_range(object)) {
    heap_.range().set(alloc::kCycleGrey, view.number_of(object));
    heap_.list_slab(heap_.cycle_grey, &Slab::cycle_grey, heap_.range().slab_index(object));
    return tally;
  }
  size_t edges = 0;
  visit_rest(view.type_of(object), object, [&view, &tally, &edges](loam_object *target) {
    count_edge<kScope>(view, target, tally);
    ++edges;
  });
  rest_edges += edges;
  return tally;
}

// Apart from the loop that gathers them, and with a view of its own: here the few things that it
// needs of the view stay in registers. Meanwhile what lies from `upcoming` on is on its way: while
// each count waits for a line of its own, the processor does not run ahead to the next objects.
template <Judge::Scope kScope>
LOAM_NOINLINE Judge::EdgeTally Judge::count_near(View<kScope> view, loam_object *const *targets,
                                                 size_t count, const char *upcoming) {
  EdgeTally tally;
  loam_object *const *const end = targets + count;
  for (; end - targets >= ptrdiff_t{kEdgesPerLine}; upcoming += kLineBytes) {
    __builtin_prefetch(upcoming);
    for (size_t i = 0; i < kEdgesPerLine; ++i) count_edge<kScope>(view, *targets++, tally);
  }
  while (targets != end) count_edge<kScope>(view, *targets++, tally);
  return tally;
}

// The same where edges lead far: each count is asked for while kAhead more edges are looked at, for
// the processor by itself does not run ahead so far.
template <Judge::Scope kScope>
LOAM_NOINLINE Judge::EdgeTally Judge::count_far(View<kScope> view, loam_object *const *targets,
                                                size_t count, const char *upcoming) {
  constexpr size_t kAhead = 24;
  size_t numbers[kMostTargets];
  size_t looked_at = 0;
  EdgeTally tally;
  for (size_t i = 0; i < count; ++i) {
    if (i % kEdgesPerLine == 0) __builtin_prefetch(upcoming + i / kEdgesPerLine * kLineBytes);
    loam_object *const target = targets[i];
    if (LOAM_RARELY(!view.in_range(target))) {
      count_edge<kScope>(view, target, tally);
      continue;
    }
    const size_t number = view.member_number(target);
    if (LOAM_RARELY(number == kNoNumber)) {
      tally.leads_out = true;
      continue;
    }
    __builtin_prefetch(view.counts + number, 1);
    numbers[looked_at++] = number;
    if (looked_at <= kAhead) continue;
    if (LOAM_RARELY(view.count(numbers[looked_at - 1 - kAhead]))) tally.overflowed = true;
  }
  for (size_t i = looked_at < kAhead ? 0 : looked_at - kAhead; i < looked_at; ++i) {
    if (LOAM_RARELY(view.count(numbers[i]))) tally.overflowed = true;
  }
  return tally;
}

template <Judge::Scope kScope>
LOAM_ALWAYS_INLINE Judge::EdgeTally Judge::count_targets(const View<kScope> &view,
                                                         loam_object *const *targets, size_t count,
                                                         const char *upcoming) {
  return view.far ? count_far<kScope>(view, targets, count, upcoming)
                  : count_near<kScope>(view, targets, count, upcoming);
}

// The same of 64 objects of one type (type_of_word).
template <Judge::Scope kScope>
LOAM_NOINLINE Judge::EdgeTally Judge::count_alike(const View<kScope> &view, const Type &type,
                                                  const char *first, size_t size) {
  loam_object *targets[kMostTargets];
  size_t gathered = 0;
  visit_runs(type, first, static_cast<ptrdiff_t>(size), 64, [&](loam_object *target) LOAM_INLINED {
    gathered = append(target, targets, gathered);
  });
  return count_targets<kScope>(view, targets, gathered, first + 64 * size);
}

// Counts the edges of the members among `bits`, and notes their refcounts.
template <Judge::Scope kScope>
inline Judge::EdgeTally Judge::count_word(View<kScope> view, size_t slab, size_t word,
                                          uint64_t bits) {
  const size_t size = heap_.range().slabs[slab].block_size;
  char *const base = heap_.range().slab_address(slab) + word * 64 * size;
  uint8_t *const refcounts = view.refcounts_of(slab) + slab * kBlocksPerStretch + word * 64;
  if (bits == ~uint64_t{0}) {
    const Type *type = type_of_word<kScope>(view.types, base, size, refcounts);
    if (type != nullptr) return count_alike<kScope>(view, *type, base, size);
  }
  EdgeTally tally;
  loam_object *targets[kGathered + kMostFields];
  size_t gathered = 0;
  const char *upcoming = base + 64 * size;
  for (; bits != 0; bits &= bits - 1) {
    const size_t at = static_cast<size_t>(__builtin_ctzll(bits));
    loam_object *object = reinterpret_cast<loam_object *>(base + at * size);
    if (!is_member<kScope>(object)) continue;
    const uint32_t refcount = object->refcount;
    const Type &type = view.type_of(object);
    refcounts[at] = Tables::noted(refcount);
    gathered = gather_fields(type, object, targets, gathered);
    if (LOAM_RARELY(gathered > kGathered)) {
      tally |= count_targets<kScope>(view, targets, gathered, upcoming);
      gathered = 0;
      upcoming = base + (64 + at) * size;
    }
    if (LOAM_EXPECT(!type.has_rest)) continue;
    tally |= count_rest<kScope>(object);
    if (kScope != Scope::kRescue || rest_edges < kMostRestEdges) continue;
    uncounted = bits & (bits - 1);
    break;
  }
  return tally |= count_targets<kScope>(view, targets, gathered, upcoming);
}

template <Judge::Scope kScope>
Judge::EdgeTally Judge::count_object(loam_object *object) {
  const View<kScope> view(*this);
  const Type &type = view.type_of(object);
  EdgeTally tally;
  const bool more = visit_fields(type, object, [&view, &tally](loam_object *target) {
    count_edge<kScope>(view, target, tally);
  });
  if (more) tally |= count_rest<kScope>(object);
  return tally;
}

template <Judge::Scope kScope>
void Judge::count_edges() {
  const View<kScope> view(*this);
  EdgeTally tally;
  each_member_word<kScope>([this, &view, &tally](size_t slab, size_t word, uint64_t bits) {
    // Those that are marked already need not be counted (recall.cc).
    if (kScope == Scope::kAll) bits &= ~view.marks[slab * alloc::kWordsPerStretch + word];
    if (bits != 0) tally |= count_word<kScope>(view, slab, word, bits);
  });
  each_large_member<kScope>([this, &tally](Large *large) {
    if (kScope == Scope::kAll && large->mark) return;
    tally |= count_object<kScope>(static_cast<loam_object *>(large->block()));
  });
  edge_tally_ |= tally;
}

template Judge::EdgeTally Judge::count_object<Judge::Scope::kRescue>(loam_object *);
template Judge::EdgeTally Judge::count_word<Judge::Scope::kRescue>(View<Judge::Scope::kRescue>,
                                                                   size_t, size_t, uint64_t);
template void Judge::count_edges<Judge::Scope::kAll>();
template void Judge::count_edges<Judge::Scope::kThawed>();
template void Judge::count_edges<Judge::Scope::kSuspects>();
template void Judge::count_edges<Judge::Scope::kYoung>();
template void Judge::count_edges<Judge::Scope::kCondemned>();

}  // namespace loam::gc
