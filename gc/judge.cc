// Which members of a set are garbage: DESIGN.md, "The judgement". Three passes over the set, then
// one that settles it:
//
//   count   counts[x] = edges from members to x (count.cc)
//   root    members whose refcount exceeds that are held from outside
//   mark    everything in the set that roots reach
//   settle  unmarked members are condemned; the tables are zero again [G-5], but for counts that
//           the caller discards
//
// Counts and refcounts are bytes beside each other, so that the second and the last pass look at 64
// objects at a time and at no header.
//
// [G-8] Whatever the set is, no reference from outside it leads to what is condemned.
#include "gc/judge.h"

#include <cstring>

#include "allocator/base/check.h"
#include "gc/batches.h"
#include "gc/edges.h"
#include "gc/scope.h"

namespace loam::gc {

using alloc::kBlocksPerStretch;
using alloc::Large;
using alloc::LargeRegistry;
using alloc::Range;
using alloc::Slab;

namespace {

using MarkBatches = Batches<loam_object *, 32>;

}  // namespace

// -- Roots.

// Over-reporting traces are found here: nothing that they mention is judged by their word.
LOAM_NOINLINE void Judge::report_over_reported(const loam_object *object, uint32_t inner) {
  heap_.report().message("type %s: traces report %u references to %p, its count is %u; it is kept",
                         type_of(object).name, inner, static_cast<const void *>(object),
                         object->refcount);
}

inline bool Judge::is_root(const loam_object *object, uint32_t inner, bool quiet,
                           Judgement &tally) {
  const uint32_t refcount = object->refcount;
  if (LOAM_RARELY(inner > refcount)) {
    ++tally.uncollectable;
    report_over_reported(object, inner);
    return true;
  }
  if (refcount > inner) return true;  // immortal objects count 2^31
  if (!quiet || type_of(object).finalize == nullptr) return false;
  if ((object->tag & LOAM_FLAG_FINALIZED) != 0) return false;
  kept_finalizable = true;
  return true;
}

// The roots of one word; the others that the bytes leave in doubt are looked at.
template <Judge::Scope kScope>
inline uint64_t Judge::roots_of_word(const View<kScope> &view, size_t slab, size_t word,
                                     uint64_t bits, bool quiet, Judgement &tally) {
  const size_t first = slab * kBlocksPerStretch + word * 64;
  const WordOfCounts bytes(view, first);
  // The condemned may have a count of 0, and are members all the same.
  const uint64_t members = kScope == Scope::kCondemned ? bits : bits & bytes.members;
  tally.survivors += static_cast<size_t>(__builtin_popcountll(members));
  uint64_t roots = members & bytes.differ;
  uint64_t doubtful = members & (bytes.full | bytes.fewer);
  if (quiet && types_.any_finalizer) doubtful = members;
  if (LOAM_EXPECT(doubtful == 0)) return roots;
  const size_t size = heap_.range().slabs[slab].block_size;
  char *const base = heap_.range().slab_address(slab) + word * 64 * size;
  for (; doubtful != 0; doubtful &= doubtful - 1) {
    const size_t at = static_cast<size_t>(__builtin_ctzll(doubtful));
    const loam_object *object = reinterpret_cast<loam_object *>(base + at * size);
    const bool root = is_root(object, view.inner_edges(first + at), quiet, tally);
    roots = (roots & ~Range::bit_of(at)) | (uint64_t{root} << at);
  }
  return roots;
}

template <Judge::Scope kScope>
Judge::Judgement Judge::mark_from_roots(bool quiet) {
  Judgement tally = {};
  tally.survivors = uncounted_members_;
  uncounted_members_ = 0;
  const View<kScope> view(*this);
  each_member_word<kScope>([&](size_t slab, size_t word, uint64_t bits) {
    const size_t first = slab * kBlocksPerStretch + word * 64;
    uint64_t roots = roots_of_word<kScope>(view, slab, word, bits, quiet, tally);
    const size_t size = heap_.range().slabs[slab].block_size;
    char *const base = heap_.range().slab_address(slab) + word * 64 * size;
    for (; roots != 0; roots &= roots - 1) {
      const size_t at = static_cast<size_t>(__builtin_ctzll(roots));
      loam_object *root = reinterpret_cast<loam_object *>(base + at * size);
      if (kScope == Scope::kAll && remembered_count_ < kRememberedRoots) {
        remembered_roots_[remembered_count_++] = {root, view.inner_edges(first + at)};
      }
      mark_from<kScope>(view, root);
    }
  });
  each_large_member<kScope>([&](Large *large) {
    loam_object *object = static_cast<loam_object *>(large->block());
    ++tally.survivors;
    if (!is_root(object, large->inner_edges, quiet, tally)) return;
    mark_from<kScope>(view, object);
  });
  // Counts that are wrong are to be reported again: next time everything is counted.
  if (kScope == Scope::kAll && tally.uncollectable != 0) remembered_count_ = 0;
  return tally;
}

// -- Marking.

// Marks what an edge leads to; true when it was not marked before, and is to be followed.
template <Judge::Scope kScope>
LOAM_ALWAYS_INLINE bool Judge::mark_edge(const View<kScope> &view, loam_object *target) {
  if (LOAM_RARELY(!view.in_range(target))) return mark_large<kScope>(view.registry, target);
  const size_t number = view.member_number(target);
  if (number == kNoNumber || test_bit(view.marks, number)) return false;
  if (kScope == Scope::kRecalled && LOAM_RARELY(view.recalled->may_be(target)) &&
      view.recalled->count_edge_to(target, number)) {
    return false;
  }
  view.marks[number >> 6] |= Range::bit_of(number);
  return true;
}

template <Judge::Scope kScope>
LOAM_NOINLINE bool Judge::mark_large(const LargeRegistry *registry, loam_object *target) {
  Large *large = large_member<kScope>(registry, target);
  if (large == nullptr || large->mark) return false;
  return large->mark = true;
}

// Puts what was marked on the stack. It is prefetched now, and not with all of its batch at once: a
// processor waits for so many lines at a time, and between them it does other work. By way of the
// second-level cache, for the stack may lead to more than fits the first. What is taken next is
// not: it would come later that way.
inline void Judge::push(loam_object **stack, size_t *depth, loam_object *object) {
  constexpr size_t kLittle = 8;
  if (LOAM_EXPECT(*depth >= kLittle)) __builtin_prefetch(object, 0, 2);
  stack[(*depth)++] = object;
}

// Marked, and to be followed when the stack is empty.
LOAM_NOINLINE void Judge::make_grey(loam_object *object) {
  Range &range = heap_.range();
  if (range.contains(object)) {
    range.set(alloc::kGrey, range.block_number(object));
    heap_.list_slab(heap_.grey, &Slab::grey, range.slab_index(object));
  } else {
    Large *large = Large::of(object);
    large->next_grey = grey_large_;
    grey_large_ = large;
  }
}

// Moves one word of the grey bitmap, or one large block, to the empty mark stack.
bool Judge::load_grey() {
  if (grey_large_ != nullptr) {
    push(mark_stack_, &mark_depth_, static_cast<loam_object *>(grey_large_->block()));
    grey_large_ = grey_large_->next_grey;
    return true;
  }
  Range &range = heap_.range();
  size_t number;
  if (!heap_.first_bits(heap_.grey, &Slab::grey, alloc::kGrey, &number)) return false;
  uint64_t bits = range.bitmaps[alloc::kGrey][number / 64];
  range.bitmaps[alloc::kGrey][number / 64] = 0;
  char *const base = range.block_address(number);
  const size_t size = range.slabs[number / kBlocksPerStretch].block_size;
  for (; bits != 0; bits &= bits - 1) {
    const auto at = static_cast<size_t>(__builtin_ctzll(bits));
    push(mark_stack_, &mark_depth_, reinterpret_cast<loam_object *>(base + at * size));
  }
  return true;
}

// Moves so much of the stack to the grey bitmap that `count` more objects fit, if all have to.
LOAM_NOINLINE void Judge::make_room(size_t count) {
  while (mark_depth_ + count > kMarkStack) make_grey(mark_stack_[--mark_depth_]);
}

template <Judge::Scope kScope>
LOAM_NOINLINE void Judge::mark_rest(loam_object *object) {
  const View<kScope> view(*this);
  if (kScope == Scope::kYoung && is_long_array(view.type_of(object), object)) return;  // count_rest
  visit_rest(view.type_of(object), object, [this, &view](loam_object *target) {
    if (!mark_edge<kScope>(view, target)) return;
    if (LOAM_RARELY(mark_depth_ == kMarkStack)) return make_grey(target);
    push(mark_stack_, &mark_depth_, target);
  });
}

// Marks what edges lead to, apart from the loop that gathers them, as count_near does.
template <Judge::Scope kScope>
LOAM_NOINLINE void Judge::mark_targets(const View<kScope> &shared, loam_object *const *targets,
                                       size_t count) {
  if (LOAM_RARELY(mark_depth_ + count > kMarkStack)) make_room(count);
  const View<kScope> view = shared;
  loam_object **const stack = mark_stack_;
  size_t depth = mark_depth_;
  for (loam_object *const *const end = targets + count; targets != end; ++targets) {
    loam_object *const target = *targets;
    if (mark_edge<kScope>(view, target)) push(stack, &depth, target);
  }
  mark_depth_ = depth;
}

// The top of the stack, so far as it fits a batch.
unsigned Judge::pop_batch(loam_object **out) {
  constexpr size_t kBatch = MarkBatches::kBatch;
  const size_t count = mark_depth_ < kBatch ? mark_depth_ : kBatch;
  mark_depth_ -= count;
  if (LOAM_EXPECT(count == kBatch)) {  // in some wide moves
    std::memcpy(out, mark_stack_ + mark_depth_, kBatch * sizeof *out);
  } else {
    for (size_t i = 0; i < count; ++i) out[i] = mark_stack_[mark_depth_ + i];
  }
  return static_cast<unsigned>(count);
}

// Marks a member and all that it leads to.
template <Judge::Scope kScope>
void Judge::mark_from(View<kScope> view, loam_object *member) {
  if (!mark_edge<kScope>(view, member)) return;
  mark_stack_[0] = member;
  mark_depth_ = 1;
  follow_stack<kScope>(view);
}

// The only object on the stack may be one of a chain, where nothing can be prefetched: it is
// followed without the batches as long as each leads to one more.
template <Judge::Scope kScope>
LOAM_NOINLINE void Judge::follow_chain(const View<kScope> &shared) {
  const View<kScope> view = shared;
  loam_object *targets[kMostFields];
  loam_object *object = mark_stack_[--mark_depth_];
  while (mark_depth_ == 0) {
    const Type &type = view.type_of(object);
    if (LOAM_RARELY(type.has_rest)) break;
    loam_object *next = nullptr;
    const size_t gathered = gather_fields(type, object, targets, 0);
    for (size_t i = 0; i < gathered; ++i) {
      if (!mark_edge<kScope>(view, targets[i])) continue;
      if (next != nullptr) mark_stack_[mark_depth_++] = next;
      next = targets[i];
    }
    if (next == nullptr) return;
    object = next;
  }
  mark_stack_[mark_depth_++] = object;
}

// Marks all that the stack leads to, depth first.
template <Judge::Scope kScope>
void Judge::follow_stack(View<kScope> view) {
  loam_object *targets[kGathered + kMostFields];
  MarkBatches batches;
  do {
    loam_object *const *objects;
    for (;;) {
      if (mark_depth_ == 1 && batches.empty()) follow_chain<kScope>(view);
      batches.turn([this](loam_object **out) { return pop_batch(out); });
      const unsigned count = batches.take_all(&objects);
      if (count == 0) break;
      size_t gathered = 0;
      for (loam_object *const *const end = objects + count; objects != end; ++objects) {
        loam_object *object = *objects;
        const Type &type = view.type_of(object);
        gathered = gather_fields(type, object, targets, gathered);
        if (LOAM_RARELY(gathered > kGathered)) {
          mark_targets<kScope>(view, targets, gathered);
          gathered = 0;
        }
        if (LOAM_RARELY(type.has_rest)) mark_rest<kScope>(object);
      }
      mark_targets<kScope>(view, targets, gathered);
    }
  } while (load_grey());
}

// -- Verdicts.

// Condemns what is unmarked (or, judging the condemned, acquits what is marked), and zeroes the
// tables [G-5], but for counts that leaves_counts leaves to the caller.
template <Judge::Scope kScope>
void Judge::settle(bool quiet, Judgement &tally) {
  const View<kScope> view(*this);
  const size_t before = *garbage_set(quiet ? kEmergencySet : kCondemnedSet).count;
  each_member_word<kScope>([&](size_t slab, size_t word, uint64_t bits) {
    const size_t first = slab * kBlocksPerStretch + word * 64;
    uint64_t &marks = view.marks[first / 64];
    uint64_t changed = kScope == Scope::kCondemned ? bits & marks : bits & ~marks;
    marks &= ~bits;
    if (kScope != Scope::kCondemned && changed != 0) {
      changed &= base::nonzero_bytes(view.refcount_of(first));  // the members
    }
    if (changed != 0) settle_word<kScope>(quiet, slab, word, changed, tally);
    if (!ScopeTable<kScope>::kWhole || !leaves_counts) clear_counts(first, bits);
  });
  each_large_member<kScope>([&](Large *large) {
    if (large->mark == (kScope == Scope::kCondemned)) settle_large<kScope>(quiet, large, tally);
    large->mark = false;
    large->inner_edges = 0;
  });
  if (kScope == Scope::kCondemned) return;
  tally.survivors -= *garbage_set(quiet ? kEmergencySet : kCondemnedSet).count - before;
  leads_out = leads_out || edge_tally_.leads_out || tally.survivors != 0;
}

// The counts of one word's blocks. Blocks that are not members may have been counted too.
void Judge::clear_counts(size_t first_number, uint64_t bits) {
  Range &range = heap_.range();
  if (LOAM_RARELY(shares_counts)) {
    for (; bits != 0; bits &= bits - 1) {
      range.clear_counts(first_number + static_cast<size_t>(__builtin_ctzll(bits)), 1, true);
    }
    return;
  }
  range.clear_counts(first_number, 64, edge_tally_.overflowed);
}

// Condemned, or, judging the condemned, acquitted because a finalizer made them reachable again.
template <Judge::Scope kScope>
inline void Judge::settle_word(bool quiet, size_t slab, size_t word, uint64_t changed,
                               Judgement &tally) {
  const auto count = static_cast<size_t>(__builtin_popcountll(changed));
  if (!unseen_) {
    const size_t size = heap_.range().slabs[slab].block_size;
    char *const base = heap_.range().slab_address(slab) + word * 64 * size;
    for (uint64_t rest = changed; rest != 0; rest &= rest - 1) {
      const size_t at = static_cast<size_t>(__builtin_ctzll(rest));
      reinterpret_cast<loam_object *>(base + at * size)->tag ^= LOAM_FLAG_CONDEMNED;
    }
  }
  if (kScope == Scope::kCondemned) {
    heap_.range().words(alloc::kCondemned, slab)[word] &= ~changed;
    condemned -= count;
    tally.acquitted += count;
    return;
  }
  const GarbageSet set = garbage_set(quiet ? kEmergencySet : kCondemnedSet);
  heap_.range().words(set.bitmap, slab)[word] |= changed;
  heap_.list_slab(*set.list, set.link, slab);
  *set.count += count;
}

template <Judge::Scope kScope>
void Judge::settle_large(bool quiet, Large *large, Judgement &tally) {
  static_cast<loam_object *>(large->block())->tag ^= LOAM_FLAG_CONDEMNED;
  if (kScope == Scope::kCondemned) {
    large->condemned = false;
    heap_.large().make_old(large);
    --condemned;
    ++tally.acquitted;
    return;
  }
  heap_.large().move(large, LargeRegistry::kCondemnedList);
  if (quiet) {
    large->emergency = true;
  } else {
    large->condemned = true;
  }
  ++*garbage_set(quiet ? kEmergencySet : kCondemnedSet).count;
}

GarbageSet Judge::garbage_set(SetName name) {
  if (name == kCondemnedSet) {
    return GarbageSet{alloc::kCondemned, &heap_.condemned, &Slab::condemned, &condemned};
  }
  return GarbageSet{alloc::kEmergency, &heap_.emergency, &Slab::emergency, &emergency_condemned};
}

template <Judge::Scope kScope>
Judge::Judgement Judge::judge(bool quiet, bool unseen) {
  unseen_ = unseen;
  kept_finalizable = false;
  edge_tally_ = EdgeTally{};
  edges_lead_far_ = ScopeTable<kScope>::kWhole && edges_lead_far();
  if (kScope == Scope::kYoung && shares_counts) {
    // The cycle may have counted what was in these blocks before.
    each_member_word<kScope>([this](size_t slab, size_t word, uint64_t bits) {
      clear_counts(slab * kBlocksPerStretch + word * 64, bits);
    });
  }
  if (kScope == Scope::kAll) {
    count_all_but_recalled();
  } else {
    count_edges<kScope>();
  }
  Judgement tally = mark_from_roots<kScope>(quiet);
  settle<kScope>(quiet, tally);
  return tally;
}

template void Judge::follow_stack<Judge::Scope::kRecalled>(View<Judge::Scope::kRecalled>);
template Judge::Judgement Judge::judge<Judge::Scope::kAll>(bool, bool);
template Judge::Judgement Judge::judge<Judge::Scope::kThawed>(bool, bool);
template Judge::Judgement Judge::judge<Judge::Scope::kSuspects>(bool, bool);
template Judge::Judgement Judge::judge<Judge::Scope::kYoung>(bool, bool);
template Judge::Judgement Judge::judge<Judge::Scope::kCondemned>(bool, bool);

}  // namespace loam::gc
