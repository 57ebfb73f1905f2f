// MARK: following what the cycle has greyed, in slices; and the long arrays that RESCUE takes in
// parts.
#include "allocator/base/check.h"
#include "gc/ahead.h"
#include "gc/edges.h"
#include "gc/incremental.h"
#include "gc/scope.h"

namespace loam::gc {

using alloc::kBlocksPerStretch;
using alloc::kNoSlab;
using alloc::Large;
using alloc::LargeRegistry;
using alloc::Range;
using alloc::Slab;

// Whether an edge to the block is to be followed; an edge to a hint is counted instead.
inline bool Cycle::may_blacken(const Suspects &view, size_t number) {
  if (LOAM_RARELY(view.frozen != nullptr) && test_bit(view.frozen, number)) return false;
  if (LOAM_EXPECT(phase_ != Phase::kMark) || *view.refcount_of(number) == 0) return true;
  overflowed_ |= view.count(number);
  return false;
}

// Marks a suspect. The number of a small one that is to be followed, or kNoNumber.
inline size_t Cycle::blacken(const Suspects &view, loam_object *target) {
  if (LOAM_EXPECT(view.in_range(target))) {
    const size_t number = view.number_of(target);
    if (LOAM_RARELY(number == kNoNumber)) return kNoNumber;
    uint64_t &word = view.source[number >> 6];
    const uint64_t bit = Range::bit_of(number);
    if ((word & bit) != 0 || !may_blacken(view, number)) return kNoNumber;
    word |= bit;
    return number;
  }
  if (target != nullptr) blacken_large(view, target);
  return kNoNumber;
}

LOAM_NOINLINE void Cycle::blacken_large(const Suspects &view, loam_object *target) {
  if (Large *large = Judge::large_member<Judge::Scope::kSuspects>(view.registry, target)) {
    large->cycle_mark = true;
    heap_.large().move(large, LargeRegistry::kGreyList);
  }
}

LOAM_NOINLINE void Cycle::make_grey(size_t number) {
  heap_.range().set(alloc::kCycleGrey, number);
  heap_.list_slab(heap_.cycle_grey, &Slab::cycle_grey, number / kBlocksPerStretch);
}

LOAM_NOINLINE void Cycle::blacken_later(const Suspects &view, loam_object *target) {
  const size_t number = blacken(view, target);
  if (number != kNoNumber) make_grey(number);
}

size_t Cycle::follow_hints(size_t budget) {
  const Suspects view(judge_);
  size_t used = 0;
  for (; followed_ < hints_ && used < budget; ++followed_, ++used) {
    loam_object *object = batch_[followed_];
    if (!is_suspect(view, object)) continue;
    // RESCUE will count its edges to other hints.
    size_t edges = 0;
    visit_edges(view.type_of(object), object, [this, &view, &edges](loam_object *target) {
      if (!is_hint(view, target)) blacken_later(view, target);
      ++edges;
    });
    used += units_of_rest(edges);
  }
  return used;
}

// Follows what is grey. What is left goes back to the bitmap: by the next slice the host may have
// freed it [G-12].
size_t Cycle::mark(size_t budget) {
  if (in_order_) return mark_in_order(budget);
  const Suspects view(judge_);
  Direction direction;
  Ahead ahead;
  loam_object **const stack = stack_;
  size_t depth = 0, used = 0;
  while (used < budget) {
    if (LOAM_RARELY(array_ != nullptr)) {
      used += scan_array();
      continue;
    }
    loam_object *object = ahead.next(stack, &depth);
    if (LOAM_RARELY(object == nullptr)) {
      used += mark_large();
      depth = load_grey();
      if (depth == 0 && !grey_exists()) break;
      continue;
    }
    const Type &type = view.type_of(object);
    ++used;
    const bool more = visit_fields(type, object, [&](loam_object *target) {
      const size_t number = blacken(view, target);
      if (number == kNoNumber) return;
      direction.note(object, target);
      if (LOAM_RARELY(depth == kStack)) return make_grey(number);
      stack[depth++] = target;
    });
    if (LOAM_RARELY(more)) used += mark_rest(object);
    if (LOAM_RARELY(direction.is_complete())) {
      in_order_ = sampling_ && (direction.leads_up() || direction.leads_down());
      pass_flip_ = direction.leads_down() ? kFlip : 0;
      if (in_order_) break;
      direction = Direction();
    }
  }
  while (!ahead.empty()) make_grey(view.number_of(ahead.take()));
  while (depth != 0) make_grey(view.number_of(stack[--depth]));
  return used;
}

// The edges of a small object that are no fields; a long array is taken up later. Returns the work
// done.
LOAM_NOINLINE size_t Cycle::mark_rest(loam_object *object) {
  const Suspects view(judge_);
  const Type &type = view.type_of(object);
  if (is_long_array(type, object)) {
    array_ = object;
    array_items_ = 0;
    return 0;
  }
  size_t edges = 0;
  visit_rest(type, object, [this, &view, &edges](loam_object *target) {
    blacken_later(view, target);
    ++edges;
  });
  return units_of_rest(edges);
}

// Moves one word of the grey bitmap to the stack; returns how many objects.
size_t Cycle::load_grey() {
  Range &range = heap_.range();
  size_t number, depth = 0;
  while (depth == 0 &&
         heap_.first_bits(heap_.cycle_grey, &Slab::cycle_grey, alloc::kCycleGrey, &number)) {
    uint64_t &word = range.bitmaps[alloc::kCycleGrey][number / 64];
    uint64_t bits = word & range.bitmaps[alloc::kAllocated][number / 64];
    word = 0;
    char *const base = range.block_address(number);
    const size_t size = range.slabs[number / kBlocksPerStretch].block_size;
    for (; bits != 0; bits &= bits - 1) {
      loam_object *object =
          reinterpret_cast<loam_object *>(base + static_cast<size_t>(__builtin_ctzll(bits)) * size);
      if (object->tag != 0) stack_[depth++] = object;
    }
  }
  return depth;
}

// -- In order. Where most edges lead to higher addresses, or to lower ones, passes over the slabs
// that hold grey objects come to all of them as they lie, and need neither stack nor prefetching.
//
//        listed: for the next pass | cursor | grey bits alone: the pass will come to them
//   -------------------------------+--------+--------------------------------- pass_last_
//
// Of a pass downwards the slabs are kept xor kFlip, which turns their order round.

size_t Cycle::mark_in_order(size_t budget) {
  size_t used = 0;
  while (used < budget) {
    if (LOAM_RARELY(array_ != nullptr)) {
      used += scan_array();
    } else if (gathering_) {
      used += gather_pass(budget - used);
    } else if (pass_next_ <= pass_last_) {
      const size_t rest = budget - used;
      used += pass_flip_ == 0 ? scan_slab_in_order<false>(rest) : scan_slab_in_order<true>(rest);
    } else {
      used += mark_large();
      if (!begin_pass() && (!in_order_ || !grey_exists())) break;
    }
  }
  return used;
}

// False when no slab is listed, or when passes found so little in so many slabs that the stack will
// do better.
bool Cycle::begin_pass() {
  constexpr size_t kLeastObjects = 8;  // of a slab
  constexpr size_t kMostInVain = 32;   // times all slabs
  if (pass_objects_ < kLeastObjects * pass_slabs_) slabs_in_vain_ += pass_slabs_;
  if (slabs_in_vain_ > kMostInVain * heap_.slab_limit()) in_order_ = sampling_ = false;
  pass_objects_ = pass_slabs_ = 0;
  if (!in_order_ || heap_.cycle_grey.empty()) return false;
  pass_next_ = SIZE_MAX;
  pass_last_ = 0;
  pass_slabs_ = 1;
  return gathering_ = true;
}

// The pass goes from one end of the listed slabs to the other. They leave the list one by one, and
// may be as many as the heap has.
size_t Cycle::gather_pass(size_t budget) {
  size_t used = 0;
  for (; used < budget; ++used) {
    const size_t slab = heap_.unlist_slab(heap_.cycle_grey, &Slab::cycle_grey);
    if (slab == kNoSlab) {
      gathering_ = false;
      break;
    }
    const size_t place = slab ^ pass_flip_;
    if (place < pass_next_) pass_next_ = place;
    if (place > pass_last_) pass_last_ = place;
  }
  return used;
}

// Marks and greys what the pass comes to. Neighbours often lead to neighbours: so the word where
// the last target lay stays in registers, for each change of it in memory would wait for the one
// before.
template <bool kDown>
class Cycle::Front {
 public:
  Front(Cycle &cycle, const Suspects &view)
      : cycle_(cycle), marks_(view.source), grey_(cycle.heap_.range().bitmaps[alloc::kCycleGrey]) {}

  void advance(size_t word) { cursor_ = word; }
  // Before others mark: what is marked twice is scanned twice, and a hint that it leads to counted.
  void forget() {
    store();
    at_ = SIZE_MAX;
  }
  LOAM_ALWAYS_INLINE void blacken(const Suspects &view, loam_object *target) {
    if (LOAM_RARELY(!view.in_range(target))) {
      if (target != nullptr) cycle_.blacken_large(view, target);
      return;
    }
    const size_t number = view.number_of(target);
    if (LOAM_RARELY(number == kNoNumber)) return;
    const size_t at = number / 64;
    const uint64_t bit = Range::bit_of(number);
    const uint64_t word = at == at_ ? marked_ : marks_[at];
    if ((word & bit) != 0 || !cycle_.may_blacken(view, number)) return;
    if (at != at_) store();
    at_ = at;
    marked_ = word | bit;
    fresh_ |= bit;
  }
  void store() {
    if (fresh_ == 0) return;
    marks_[at_] |= fresh_;
    grey_[at_] |= fresh_;
    fresh_ = 0;
    const size_t slab = at_ / alloc::kWordsPerStretch, place = slab ^ cycle_.pass_flip_;
    if (kDown ? at_ > cursor_ : at_ < cursor_) {
      cycle_.heap_.list_slab(cycle_.heap_.cycle_grey, &Slab::cycle_grey, slab);
    } else if (place > cycle_.pass_last_) {
      cycle_.pass_last_ = place;
    }
  }

 private:
  Cycle &cycle_;
  uint64_t *const marks_, *const grey_;
  size_t cursor_ = 0;     // index of the word that is scanned
  size_t at_ = SIZE_MAX;  // index of a word of marks
  uint64_t marked_ = 0;   // that word
  uint64_t fresh_ = 0;    // of it, what is not in the bitmaps yet
};

// Grey objects of one word; returns those that wait for another slice, or until an array was
// followed.
template <bool kDown>
LOAM_ALWAYS_INLINE uint64_t Cycle::scan_word_in_order(const Suspects &view, Front<kDown> &front,
                                                      char *base, ptrdiff_t size, uint64_t bits,
                                                      size_t *rest_units) {
  const auto visit = [&](loam_object *target) LOAM_INLINED { front.blacken(view, target); };
  if (bits == ~uint64_t{0}) {
    const Type *type = Judge::type_of_word<Judge::Scope::kSuspects, kDown>(
        view.types, base, static_cast<size_t>(size), nullptr);
    if (type != nullptr) {
      visit_runs(*type, kDown ? base + 63 * size : base, kDown ? -size : size, 64, visit);
      return 0;
    }
  }
  while (bits != 0) {
    const int at = kDown ? 63 - __builtin_clzll(bits) : __builtin_ctzll(bits);
    bits &= ~(uint64_t{1} << at);
    loam_object *object = reinterpret_cast<loam_object *>(base + at * size);
    if (object->tag == 0) continue;
    if (LOAM_EXPECT(!visit_fields(view.type_of(object), object, visit))) continue;
    front.forget();
    *rest_units += mark_rest(object);
    if (array_ != nullptr || *rest_units >= kMostRestUnits) break;
  }
  return bits;
}

// The grey objects of one slab; goes on with the next one when there is none left.
template <bool kDown>
size_t Cycle::scan_slab_in_order(size_t budget) {
  const Suspects view(judge_);
  const Range &range = heap_.range();
  const size_t slab = pass_next_ ^ pass_flip_, size = range.slabs[slab].block_size;
  const size_t words = view.tracked[slab] != 0 ? (range.slabs[slab].block_count + 63) / 64 : 0;
  Front<kDown> front(*this, view);
  size_t used = 0, done = 0, objects = 0;
  uint64_t left = 0;
  for (; done < words && used < budget && left == 0 && array_ == nullptr; ++done) {
    const size_t word = kDown ? words - 1 - done : done;
    const size_t at = slab * alloc::kWordsPerStretch + word;
    char *const base = range.slab_address(slab) + word * 64 * size;
    const uint64_t allocated = range.bitmaps[alloc::kAllocated][at];
    uint64_t &grey = range.bitmaps[alloc::kCycleGrey][at];
    front.advance(at);
    while (grey != 0 && left == 0 && array_ == nullptr) {
      const uint64_t bits = grey & allocated;
      grey = 0;
      size_t rest_units = 0;
      left = scan_word_in_order(view, front, base, static_cast<ptrdiff_t>(size), bits, &rest_units);
      grey |= left;
      const auto scanned = static_cast<size_t>(__builtin_popcountll(bits & ~left));
      objects += scanned;
      used += scanned + rest_units;
      front.store();
    }
  }
  pass_objects_ += objects;
  if (done < words || left != 0 || array_ != nullptr) return used;
  ++pass_next_;
  ++pass_slabs_;
  return used + kSlabUnits;
}

// A grey large object, or a part of its array; returns the work done.
size_t Cycle::mark_large() {
  LargeRegistry &registry = heap_.large();
  Large *large = registry.first(LargeRegistry::kGreyList);
  if (large == registry.end(LargeRegistry::kGreyList)) return 0;
  loam_object *object = static_cast<loam_object *>(large->block());
  const Type &type = types_.of(object);
  const Suspects view(judge_);
  size_t edges = 0;
  const auto visit = [this, &view, &edges](loam_object *target) {
    blacken_later(view, target);
    ++edges;
  };
  bool more = false;
  if (is_long_array(type, object)) {
    more = visit_part(type, object, large->scanned, visit);
    large->scanned += kItemsAtOnce;
  } else {
    visit_edges(type, object, visit);
  }
  if (!more) {
    large->scanned = 0;
    registry.move(large, LargeRegistry::kOldList);
  }
  return kLargeUnits + units_of_rest(edges);
}

// -- Long arrays of small objects, some items at a time.

// Whether array_ still is what it was; another object in its place is no harm, its edges are as
// good a hint.
bool Cycle::array_is_intact() const {
  const Range &range = heap_.range();
  if (range.tracked[range.slab_index(array_)] == 0 || !range.is_handed_out(array_)) return false;
  return array_->tag != 0 && types_.of(array_).items_offset != 0 &&
         (!counting_ || !range.test(alloc::kCycleMark, range.block_number(array_)));
}

// Takes up an object that count() passed over; false when there is none left.
bool Cycle::next_long_array() {
  const size_t depth = load_grey();
  if (depth == 0) return false;
  for (size_t i = 1; i < depth; ++i) make_grey(heap_.range().block_number(stack_[i]));
  array_ = stack_[0];
  array_items_ = 0;
  return true;
}

size_t Cycle::scan_array() {
  if (!array_is_intact()) {
    array_ = nullptr;
    return 1;
  }
  const Suspects view(judge_);
  const Judge::View<Judge::Scope::kRescue> counted(judge_);
  Judge::EdgeTally tally;
  const bool more = visit_items(types_.of(array_), array_, array_items_, [&](loam_object *target) {
    if (counting_) {
      Judge::count_edge<Judge::Scope::kRescue>(counted, target, tally);
    } else {
      blacken_later(view, target);
    }
  });
  overflowed_ |= tally.overflowed;
  array_items_ += kItemsAtOnce;
  if (!more) array_ = nullptr;
  return units_of_rest(kItemsAtOnce);
}

}  // namespace loam::gc
