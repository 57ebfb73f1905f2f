// Counting and marking in one, from the roots that the last full collection found: a guess that the
// counts confirm or refute before anything is concluded from it.
//
//   pass over all slabs, in address order; an object is reached when it is a remembered root or
//   its count is not zero
//
//        scanned where reached | cursor | scanned when the cursor comes, if reached by then
//   ---------------------------+--------+-----------------------------------------------
//     reached only later: put on the stack
//
// So each reached object is scanned once, most of them in address order, and its count byte doubles
// as its mark. What nobody reached is left for count_edges. So is everything where edges lead far:
// then neither the objects nor the counts that a scan touches lie in a cache, and it is faster to
// count in the order of the objects, and to mark by bits, which are fewer.
#include "allocator/base/check.h"
#include "gc/ahead.h"
#include "gc/edges.h"
#include "gc/scope.h"

namespace loam::gc {

using alloc::kBlocksPerStretch;
using alloc::Large;
using alloc::Range;

// The state of the pass, in the locals of its two loops: nothing here may escape them.
struct Judge::Reach {
  Judge &gc;
  const Tables tables;
  uint64_t *const marks;  // of the remembered roots, during the pass
  loam_object **const stack;
  size_t depth = 0;
  bool leads_out = false;
  size_t cursor = 0;  // the block number up to which objects were scanned or passed over
  bool ascends = false, descends = false;  // most edges lead that way: the pass is given up
  bool sampling = true;                    // whether they do
  Direction direction;
  bool is_given_up() const { return ascends || descends; }

  explicit Reach(Judge &judge)
      : gc(judge),
        tables(judge.heap_.range()),
        marks(judge.heap_.range().bitmaps[alloc::kMark]),
        stack(judge.mark_stack_) {}

  // Counts an edge of a reached object; true when nothing reached its target before, and the cursor
  // will not come to it.
  static bool edge(const Tables &tables, Reach &reach, loam_object *target) {
    if (LOAM_RARELY(!tables.in_range(target))) return target != nullptr && reach.edge_out(target);
    const size_t number = tables.number_of(target);
    if (LOAM_RARELY(number == kNoNumber)) {
      reach.leads_out = true;
      return false;
    }
    uint8_t &count = tables.counts[number];
    const auto after = static_cast<uint8_t>(count + 1);
    count = after;
    if (LOAM_EXPECT(after > 1)) return false;
    if (after == 1) return number <= reach.cursor && !test_bit(reach.marks, number);
    count = kCountContinues;
    reach.gc.count_more(number);
    return false;
  }

  LOAM_NOINLINE bool edge_out(loam_object *target) {
    Large *large = large_member<Scope::kAll>(&gc.heap_.large(), target);
    if (large == nullptr) leads_out = true;
    if (large == nullptr || large->inner_edges++ != 0) return false;
    return large->mark = true;
  }

  void push(loam_object *object) {
    if (LOAM_RARELY(depth == kMarkStack)) return gc.make_grey(object);
    stack[depth++] = object;
  }

  template <typename Push>
  void scan(const Tables &local, const Type &type, loam_object *object, Push &&reached) {
    const bool more = visit_fields(type, object, [&](loam_object *target) {
      if (edge(local, *this, target)) reached(target);
    });
    if (LOAM_RARELY(more)) {
      gc.mark_depth_ = depth;
      gc.reach_rest(object, cursor);
      depth = gc.mark_depth_;
    }
  }

  // A block of a word: if it is a member, its refcount is noted.
  void scan_member(const Tables &local, Type *const *types, loam_object *object,
                   uint8_t *refcount) {
    if (!is_member<Scope::kAll>(object)) return;
    *refcount = Tables::noted(object->refcount);
    scan(local, *types[type_index(object->tag)], object,
         [this](loam_object *target) { push(target); });
  }

  void scan_word(size_t slab, size_t word, uint64_t bits);
  void scan_stack();
  void pass();
  void leave_all(Ahead &ahead);
};

LOAM_NOINLINE void Judge::count_more(size_t number) {
  ++heap_.range().overflow_counts[number];
  edge_tally_.overflowed = true;
}

LOAM_NOINLINE void Judge::reach_rest(loam_object *object, size_t cursor) {
  Reach reach(*this);
  reach.depth = mark_depth_;
  reach.cursor = cursor;
  visit_rest(type_of(object), object, [&reach](loam_object *target) {
    if (Reach::edge(reach.tables, reach, target)) reach.push(target);
  });
  mark_depth_ = reach.depth;
  edge_tally_.leads_out |= reach.leads_out;
}

// The reached objects of one word, as the cursor passes them.
inline void Judge::Reach::scan_word(size_t slab, size_t word, uint64_t bits) {
  const size_t first = slab * kBlocksPerStretch + word * 64;
  const size_t size = gc.heap_.range().slabs[slab].block_size;
  char *const base = gc.heap_.range().slab_address(slab) + word * 64 * size;
  const Tables local = tables;
  Type *const *const types = gc.types_.types;
  const uint64_t roots = marks[first / 64];
  if (roots == 0 && base::all_zero(local.counts + first, 64)) return;
  uint8_t *const refcounts = local.refcounts_of(slab) + first;
  if (!sampling) bits &= ~base::nonzero_bytes(refcounts);  // scanned before
  const auto object_at = [=](size_t at) {
    return reinterpret_cast<loam_object *>(base + at * size);
  };
  // Most words are reached whole: then none of their objects will be put on the stack, and the
  // cursor may be at the end.
  if ((bits & ~roots & ~base::nonzero_bytes(local.counts + first)) == 0) {
    cursor = first + 63;
    if (bits == ~uint64_t{0}) {
      if (const Type *type = type_of_word<Scope::kAll>(types, base, size, refcounts)) {
        return visit_runs(*type, base, static_cast<ptrdiff_t>(size), 64,
                          [&](loam_object *target) LOAM_INLINED {
                            if (edge(local, *this, target)) push(target);
                          });
      }
    }
    for (; bits != 0; bits &= bits - 1) {
      const size_t at = static_cast<size_t>(__builtin_ctzll(bits));
      scan_member(local, types, object_at(at), refcounts + at);
    }
    return;
  }
  for (; bits != 0; bits &= bits - 1) {
    const size_t at = static_cast<size_t>(__builtin_ctzll(bits));
    if (local.counts[first + at] == 0 && ((roots >> at) & 1) == 0) continue;
    cursor = first + at;
    scan_member(local, types, object_at(at), refcounts + at);
  }
  cursor = first + 63;
}

// What was reached behind the cursor.
inline void Judge::Reach::scan_stack() {
  const Tables local = tables;
  Ahead ahead(&local);
  for (;;) {
    loam_object *object = ahead.next(stack, &depth);
    if (LOAM_RARELY(object == nullptr)) {
      gc.mark_depth_ = 0;
      if (!gc.load_grey()) return;
      depth = gc.mark_depth_;
      continue;
    }
    if (!is_member<Scope::kAll>(object)) continue;
    const Type &type = gc.type_of(object);
    if (LOAM_EXPECT(local.in_range(object))) {
      uint8_t *const refcount = local.refcount_of(local.number_of(object));
      if (LOAM_RARELY(*refcount != 0)) continue;
      *refcount = Tables::noted(object->refcount);
    }
    scan(local, type, object, [this, object](loam_object *target) {
      direction.note(object, target);
      push(target);
    });
    if (LOAM_EXPECT(!direction.is_complete())) continue;
    ascends = sampling && direction.leads_up();
    descends = sampling && direction.leads_down();
    if (is_given_up()) return leave_all(ahead);
    direction = Direction();
  }
}

// Nothing is lost: the objects are counted, and no refcount is noted of them yet.
LOAM_NOINLINE void Judge::Reach::leave_all(Ahead &ahead) {
  const auto leave = [this](loam_object *object) {
    if (!tables.in_range(object)) Large::of(object)->mark = false;
  };
  while (!ahead.empty()) leave(ahead.take());
  do {
    while (depth != 0) leave(stack[--depth]);
    gc.mark_depth_ = 0;
    if (gc.load_grey()) depth = gc.mark_depth_;
  } while (depth != 0);
}

void Judge::Reach::pass() {
  gc.each_member_word<Scope::kAll>([this](size_t slab, size_t word, uint64_t bits) {
    if (is_given_up()) return;
    scan_word(slab, word, bits);
    if (depth != 0) scan_stack();
  });
}

LOAM_NOINLINE Judge::EdgeTally Judge::reach_alike(View<Scope::kAll> view, const Type &type,
                                                  const char *first, ptrdiff_t step) {
  EdgeTally tally;
  visit_runs(type, first, step, 64, [&](loam_object *target) LOAM_INLINED {
    count_edge<Scope::kAll>(view, target, tally);
  });
  return tally;
}

// Counts the edges of what is reached of a word when its turn comes: of `bits`, and of what they
// lead to in the order of the pass.
template <bool kDown>
inline Judge::EdgeTally Judge::reach_word(View<Scope::kAll> view, size_t slab, size_t word,
                                          uint64_t bits) {
  const size_t first = slab * kBlocksPerStretch + word * 64;
  const size_t size = heap_.range().slabs[slab].block_size;
  char *const base = heap_.range().slab_address(slab) + word * 64 * size;
  uint8_t *const refcounts = view.refcounts_of(slab) + first;
  const uint64_t marked = view.marks[first / 64];
  if ((marked | base::nonzero_bytes(view.counts + first)) == ~uint64_t{0} && bits == ~uint64_t{0}) {
    const Type *type = type_of_word<Scope::kAll, kDown>(view.types, base, size, refcounts);
    const auto step = static_cast<ptrdiff_t>(size);
    if (type != nullptr) {
      return reach_alike(view, *type, kDown ? base + 63 * step : base, kDown ? -step : step);
    }
  }
  EdgeTally tally;
  while (bits != 0) {
    const auto at = static_cast<size_t>(kDown ? 63 - __builtin_clzll(bits) : __builtin_ctzll(bits));
    bits &= ~Range::bit_of(at);
    if (view.counts[first + at] == 0 && ((marked >> at) & 1) == 0) continue;
    loam_object *object = reinterpret_cast<loam_object *>(base + at * size);
    if (!is_member<Scope::kAll>(object)) continue;
    refcounts[at] = Tables::noted(object->refcount);
    const bool more = visit_fields(view.type_of(object), object, [&](loam_object *target) {
      count_edge<Scope::kAll>(view, target, tally);
    });
    if (LOAM_RARELY(more)) tally |= count_rest<Scope::kAll>(object);
  }
  return tally;
}

// In a heap where most edges lead one way, some passes without a stack come to everything. False:
// there is more.
template <bool kDown>
bool Judge::reach_in_order() {
  constexpr int kMostPasses = 16;
  const View<Scope::kAll> view(*this);
  for (int pass = 0; pass < kMostPasses; ++pass) {
    EdgeTally tally;
    bool any = false;
    each_member_word<Scope::kAll, kDown>([&](size_t slab, size_t word, uint64_t bits) {
      const size_t first = slab * kBlocksPerStretch + word * 64;
      bits &= ~base::nonzero_bytes(view.refcounts_of(slab) + first);  // scanned before
      if ((bits & (base::nonzero_bytes(view.counts + first) | view.marks[first / 64])) == 0) return;
      tally |= reach_word<kDown>(view, slab, word, bits);
      any = true;
    });
    edge_tally_ |= tally;
    if (!reach_large() && !any) return true;
  }
  return false;
}

// Counts the edges of the large objects that have been counted; false: there was none.
bool Judge::reach_large() {
  bool any = false;
  each_large_member<Scope::kAll>([this, &any](Large *large) {
    if (large->mark || large->inner_edges == 0) return;
    any = large->mark = true;
    edge_tally_ |= count_object<Scope::kAll>(static_cast<loam_object *>(large->block()));
  });
  return any;
}

// Marks the remembered roots that most likely still are some, and forgets the others.
void Judge::recall_roots() {
  const View<Scope::kAll> view(*this);
  size_t recalled = 0;
  for (size_t i = 0; i < remembered_count_; ++i) {
    const Root root = remembered_roots_[i];
    if (!is_still_root(view, root)) continue;
    const size_t number = view.number_of(root.object);
    view.marks[number >> 6] |= Range::bit_of(number);
    remembered_roots_[recalled++] = root;
  }
  remembered_count_ = recalled;
}

// Whether there still is an object where one was, and more refers to it than members did then: the
// block may be another by now, or none. Where what was outside has let go of a whole heap, the
// shortcut would lead nowhere.
bool Judge::is_still_root(const View<Scope::kAll> &view, const Root &root) const {
  return view.member_number(root.object) != kNoNumber && heap_.range().is_handed_out(root.object) &&
         is_member<Scope::kAll>(root.object) && root.object->refcount > root.inner;
}

// By a sample of neighbours: do fields of the same place lead to the same part of the heap? It
// makes no difference where the counts fit a cache.
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

// Counts the edges of all that the remembered roots reach, and marks it.
void Judge::reach_from_memory() {
  if (edges_lead_far_) remembered_count_ = 0;
  recall_roots();
  if (remembered_count_ == 0) return;
  Reach reach(*this);
  reach.pass();
  if ((reach.ascends && !reach_in_order<false>()) || (reach.descends && !reach_in_order<true>())) {
    reach.ascends = reach.descends = reach.sampling = false;
    reach.cursor = 0;
    // Large objects lie before the cursor: what the passes have counted and left is followed first.
    each_large_member<Scope::kAll>([&reach](Large *large) {
      if (large->mark || large->inner_edges == 0) return;
      large->mark = true;
      reach.push(static_cast<loam_object *>(large->block()));
    });
    reach.scan_stack();
    reach.pass();
  }
  edge_tally_.leads_out |= reach.leads_out;
  each_member_word<Scope::kAll>([&reach](size_t slab, size_t word, uint64_t bits) {
    const size_t number = slab * kBlocksPerStretch + word * 64;
    reach.marks[number / 64] |= bits & base::nonzero_bytes(reach.tables.counts + number);
  });
}

// Once every edge is counted: a root that nothing outside holds any more proves nothing reached.
void Judge::check_memory() {
  const View<Scope::kAll> view(*this);
  for (size_t i = 0; i < remembered_count_; ++i) {
    const loam_object *object = remembered_roots_[i].object;
    if (object->refcount > view.inner_edges(view.number_of(object))) continue;
    each_member_word<Scope::kAll>([&view](size_t slab, size_t word, uint64_t bits) {
      view.marks[slab * alloc::kWordsPerStretch + word] &= ~bits;
    });
    each_large_member<Scope::kAll>([](Large *large) { large->mark = false; });
    break;
  }
  remembered_count_ = 0;  // mark_from_roots remembers those of today
}

}  // namespace loam::gc
