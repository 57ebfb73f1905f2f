// Which members of a set are garbage: DESIGN.md, "The judgement". Three passes over the set, then
// one that settles it:
//
//   count   counts[x] = edges from members to x; touches tables, not the headers of targets
//   root    members whose refcount exceeds that are held from outside
//   mark    everything in the set that roots reach
//   settle  unmarked members are condemned; the tables are zero again [G-5]
//
// [G-8] Whatever the set is, no reference from outside it leads to what is condemned.
#include <cstring>

#include "allocator/base/check.h"
#include "gc/scope.h"

namespace loam::gc {

using alloc::kBlocksPerStretch;
using alloc::Kind;
using alloc::kNoSlab;
using alloc::Large;
using alloc::LargeRegistry;
using alloc::Range;
using alloc::Slab;

namespace {

constexpr uint8_t kCountContinues = UINT8_MAX;  // the rest stands in overflow_counts

uint32_t inner_edges(const Range &range, size_t number) {
  const uint8_t count = range.counts[number];
  return count != kCountContinues ? count : count + range.overflow_counts[number];
}

}  // namespace

template <Collector::Scope kScope>
void Collector::count_edges() {
  // A store through uint8_t may alias anything: what the loop reads stands in locals.
  const Range &range = heap_.range();
  const uintptr_t base = range.base();
  const size_t bytes = range.bytes();
  const uint32_t *const tracked = range.tracked;
  const uint64_t *const membership = range.bitmaps[ScopeTable<kScope>::kBitmap];
  uint8_t *const counts = range.counts;
  uint32_t *const overflow = range.overflow_counts;
  const LargeRegistry *const registry = &heap_.large();
  bool overflowed = false;
  const auto count = [=, &overflowed](loam_object *target) {
    const size_t offset = reinterpret_cast<uintptr_t>(target) - base;
    if (LOAM_EXPECT(offset < bytes)) {
      const size_t slab = offset >> alloc::kSlabShift;
      const uint32_t reciprocal = tracked[slab];
      if (reciprocal == 0) return;
      const size_t number = slab * kBlocksPerStretch +
                            alloc::block_index(offset & (alloc::kSlabBytes - 1), reciprocal);
      if (kScope != Scope::kAll && !((membership[number >> 6] >> (number & 63)) & 1)) return;
      const uint8_t before = counts[number];
      if (LOAM_EXPECT(before != kCountContinues)) {
        counts[number] = static_cast<uint8_t>(before + 1);
      } else {
        ++overflow[number];
        overflowed = true;
      }
    } else if (Large *large = large_member<kScope>(registry, target)) {
      ++large->inner_edges;
    }
  };
  each_member<kScope>([&](loam_object *object, size_t) {
    const Type &type = type_of(object);
    if (type.has_edges) visit_edges(type, object, count);
  });
  counts_overflowed_ = counts_overflowed_ || overflowed;
}

// Over-reporting traces are found here: nothing that they mention is judged by their word.
LOAM_NOINLINE void Collector::report_over_reported(const loam_object *object, uint32_t inner) {
  heap_.report().message("type %s: traces report %u references to %p, its count is %u; it is kept",
                         type_of(object).name, inner, static_cast<const void *>(object),
                         object->refcount);
}

inline bool Collector::is_root(loam_object *object, uint32_t inner, bool quiet, Judgement &tally) {
  const uint32_t refcount = object->refcount;
  if (LOAM_RARELY(inner > refcount)) {
    ++tally.uncollectable;
    report_over_reported(object, inner);
    return true;
  }
  if (refcount > inner) return true;  // immortal objects count 2^31
  if (!quiet || type_of(object).finalize == nullptr) return false;
  if ((object->tag & LOAM_FLAG_FINALIZED) != 0) return false;
  kept_finalizable_ = true;
  return true;
}

template <Collector::Scope kScope>
Collector::Judgement Collector::mark_from_roots(bool quiet) {
  Judgement tally = {};
  const Range &range = heap_.range();
  each_member<kScope>([&](loam_object *object, size_t number) {
    ++tally.survivors;
    const bool small = number != kNoNumber;
    const uint32_t inner = small ? inner_edges(range, number) : Large::of(object)->inner_edges;
    if (!is_root(object, inner, quiet, tally)) return;
    if (mark_one<kScope>(object)) drain_marks<kScope>();
  });
  return tally;
}

// Starts where the host says that live objects are. A hint only counts where the counts agree.
void Collector::mark_from_hints(bool quiet) {
  struct Hints : loam_visitor {
    Collector *collector;
    bool quiet;
  } hints;
  hints.collector = this;
  hints.quiet = quiet;
  hints.visit = [](loam_visitor *self, loam_object *object) {
    const Hints &my = *static_cast<Hints *>(self);
    Collector &gc = *my.collector;
    const Range &range = gc.heap_.range();
    Judgement ignored = {};
    uint32_t inner;
    if (range.contains(object)) {
      if (range.tracked[range.slab_index(object)] == 0) return;
      inner = inner_edges(range, range.block_number(object));
    } else {
      const Large *large = large_member<Scope::kAll>(&gc.heap_.large(), object);
      if (large == nullptr) return;
      inner = large->inner_edges;
    }
    if (!is_member<Scope::kAll>(object) || inner > object->refcount) return;
    if (!gc.is_root(object, inner, my.quiet, ignored)) return;
    if (gc.mark_one<Scope::kAll>(object)) gc.drain_marks<Scope::kAll>();
  };
  if (hooks_.report_roots != nullptr) hooks_.report_roots(hooks_.context, &hints);
}

// Marks a member, and leaves it for drain_marks. False when it is none, or marked already.
template <Collector::Scope kScope>
inline bool Collector::mark_one(loam_object *object) {
  Range &range = heap_.range();
  if (LOAM_EXPECT(range.contains(object))) {
    const size_t offset = reinterpret_cast<uintptr_t>(object) - range.base();
    const size_t slab = offset >> alloc::kSlabShift;
    const uint32_t reciprocal = range.tracked[slab];
    if (reciprocal == 0) return false;
    const size_t number =
        slab * kBlocksPerStretch + alloc::block_index(offset & (alloc::kSlabBytes - 1), reciprocal);
    uint64_t &word = range.bitmaps[alloc::kMark][number >> 6];
    const uint64_t bit = Range::bit_of(number);
    if (word & bit) return false;
    if (kScope != Scope::kAll && !range.test(ScopeTable<kScope>::kBitmap, number)) return false;
    if (kScope == Scope::kAll && frozen_ != 0 && range.test(alloc::kFrozen, number)) return false;
    word |= bit;
    if (LOAM_RARELY(mark_depth_ == kMarkStack)) {
      range.set(alloc::kGrey, number);
      heap_.list_slab(heap_.grey, &Slab::grey, slab);
      return true;
    }
  } else {
    Large *large = large_member<kScope>(&heap_.large(), object);
    if (large == nullptr || large->mark) return false;
    large->mark = true;
    if (mark_depth_ == kMarkStack) {
      large->next_grey = grey_large_;
      grey_large_ = large;
      return true;
    }
  }
  mark_stack_[mark_depth_++] = object;
  return true;
}

// Moves one word of the grey bitmap, or one large block, to the empty mark stack.
bool Collector::load_grey() {
  if (grey_large_ != nullptr) {
    mark_stack_[mark_depth_++] = static_cast<loam_object *>(grey_large_->block());
    grey_large_ = grey_large_->next_grey;
    return true;
  }
  Range &range = heap_.range();
  for (size_t slab; (slab = heap_.first_listed(heap_.grey)) != kNoSlab;) {
    uint64_t *words = range.words(alloc::kGrey, slab);
    const Slab &entry = range.slabs[slab];
    for (size_t word = 0; word * 64 < entry.block_count; ++word) {
      uint64_t bits = words[word];
      if (bits == 0) continue;
      words[word] = 0;
      char *const base = range.slab_address(slab) + word * 64 * entry.block_size;
      for (; bits != 0; bits &= bits - 1) {
        mark_stack_[mark_depth_++] = reinterpret_cast<loam_object *>(
            base + static_cast<size_t>(__builtin_ctzll(bits)) * entry.block_size);
      }
      return true;
    }
    heap_.unlist_slab(heap_.grey, &Slab::grey);
  }
  return false;
}

template <Collector::Scope kScope>
void Collector::drain_marks() {
  do {
    while (mark_depth_ != 0) {
      loam_object *object = mark_stack_[--mark_depth_];
      const Type &type = type_of(object);
      if (!type.has_edges) continue;
      visit_edges(type, object, [this](loam_object *target) { mark_one<kScope>(target); });
    }
  } while (load_grey());
}

// Condemns what is unmarked (or, judging the condemned, acquits what is marked), and zeroes the
// tables [G-5].
template <Collector::Scope kScope>
void Collector::settle(bool quiet, Judgement &tally) {
  Range &range = heap_.range();
  each_member_word<kScope>([&](size_t slab, size_t word, uint64_t bits) {
    uint64_t *const marks = &range.words(alloc::kMark, slab)[word];
    const uint64_t marked = *marks;
    *marks = 0;
    const Slab &entry = range.slabs[slab];
    char *const base = range.slab_address(slab) + word * 64 * entry.block_size;
    uint64_t changed = 0;
    uint64_t rest = kScope == Scope::kCondemned ? bits & marked : bits & ~marked;
    for (; rest != 0; rest &= rest - 1) {
      const size_t at = static_cast<size_t>(__builtin_ctzll(rest));
      loam_object *object = reinterpret_cast<loam_object *>(base + at * entry.block_size);
      if (!is_member<kScope>(object)) continue;
      object->tag ^= LOAM_FLAG_CONDEMNED;
      changed |= rest & (~rest + 1);
    }
    if (changed != 0) settle_word<kScope>(quiet, slab, word, changed);
    clear_counts(slab * kBlocksPerStretch + word * 64);
  });
  each_large_member<kScope>([&](Large *large) {
    loam_object *object = static_cast<loam_object *>(large->block());
    if (large->mark == (kScope == Scope::kCondemned) && is_member<kScope>(object)) {
      object->tag ^= LOAM_FLAG_CONDEMNED;
      settle_large<kScope>(quiet, large);
    }
    large->mark = false;
    large->inner_edges = 0;
  });
  // frozen objects were counted, and their words passed over
  if (kScope == Scope::kAll && frozen_ != 0) {
    for (size_t slab = 0; slab < heap_.slab_limit(); ++slab) {
      for (size_t word = 0; range.tracked[slab] != 0 && word < alloc::kWordsPerStretch; ++word) {
        clear_counts(slab * kBlocksPerStretch + word * 64);
      }
    }
  }
  counts_overflowed_ = false;
  tally.garbage = quiet ? emergency_condemned_ : condemned_;
  tally.survivors -= tally.garbage;
}

// The counts of one word's blocks. Blocks that are not members may have been counted too.
inline void Collector::clear_counts(size_t first_number) {
  Range &range = heap_.range();
  if (LOAM_RARELY(counts_overflowed_)) {
    for (size_t number = first_number; number < first_number + 64; ++number) {
      if (range.counts[number] == kCountContinues) range.overflow_counts[number] = 0;
    }
  }
  std::memset(range.counts + first_number, 0, 64);
}

// Condemned, or, judging the condemned, acquitted because a finalizer made them reachable again.
template <Collector::Scope kScope>
inline void Collector::settle_word(bool quiet, size_t slab, size_t word, uint64_t changed) {
  const auto count = static_cast<size_t>(__builtin_popcountll(changed));
  if (kScope == Scope::kCondemned) {
    heap_.range().words(alloc::kCondemned, slab)[word] &= ~changed;
    note_acquitted(count);
    return;
  }
  const GarbageSet set = garbage_set(quiet ? kEmergencySet : kCondemnedSet);
  heap_.range().words(set.bitmap, slab)[word] |= changed;
  heap_.list_slab(*set.list, set.link, slab);
  *set.count += count;
}

template <Collector::Scope kScope>
void Collector::settle_large(bool quiet, Large *large) {
  if (kScope == Scope::kCondemned) {
    large->condemned = false;
    note_acquitted(1);
    return;
  }
  if (quiet) {
    large->emergency = true;
  } else {
    large->condemned = true;
  }
  has_condemned_large_ = true;
  ++*garbage_set(quiet ? kEmergencySet : kCondemnedSet).count;
}

void Collector::note_acquitted(size_t count) {
  condemned_ -= count;
  statistics_.collections[static_cast<size_t>(kind_)].resurrected += count;
}

template <Collector::Scope kScope>
Collector::Judgement Collector::judge(bool quiet) {
  LOAM_ASSERT(activity_ == Activity::kCollecting);
  count_edges<kScope>();
  if (kScope == Scope::kAll) mark_from_hints(quiet);
  Judgement tally = mark_from_roots<kScope>(quiet);
  settle<kScope>(quiet, tally);
  return tally;
}

template Collector::Judgement Collector::judge<Collector::Scope::kAll>(bool);
template Collector::Judgement Collector::judge<Collector::Scope::kYoung>(bool);
template Collector::Judgement Collector::judge<Collector::Scope::kCondemned>(bool);

}  // namespace loam::gc
