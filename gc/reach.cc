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
// as its mark. What nobody reached is left for count_edges.
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
  View<Scope::kAll> view;
  loam_object **stack;
  size_t depth = 0;
  bool leads_out = false;
  size_t cursor = 0;  // the block number up to which objects were scanned or passed over

  explicit Reach(Judge &collector) : gc(collector), view(collector), stack(collector.mark_stack_) {}

  // Counts an edge of a reached object, and takes up what it reaches behind the cursor.
  void edge(loam_object *target) {
    if (LOAM_EXPECT(view.in_range(target))) {
      const size_t number = view.member_number(target);
      if (LOAM_RARELY(number == kNoNumber)) {
        leads_out = true;
        return;
      }
      const uint8_t before = view.counts[number];
      if (LOAM_RARELY(before == kCountContinues)) return gc.count_more(number);
      view.counts[number] = static_cast<uint8_t>(before + 1);
      if (before != 0 || number > cursor || test_bit(view.marks, number)) return;
    } else {
      Large *large = large_member<Scope::kAll>(view.registry, target);
      if (large == nullptr) leads_out = true;
      if (large == nullptr || large->inner_edges++ != 0) return;
      large->mark = true;
    }
    if (LOAM_RARELY(depth == kMarkStack)) return gc.make_grey(target);
    stack[depth++] = target;
  }

  void scan(loam_object *object) {
    const Type &type = view.type_of(object);
    visit_fields(type, object, [this](loam_object *target) { edge(target); });
    if (LOAM_RARELY(type.has_rest)) {
      gc.mark_depth_ = depth;
      gc.reach_rest(object, cursor);
      depth = gc.mark_depth_;
    }
  }

  void scan_word(size_t slab, size_t word, uint64_t bits);
  void scan_stack();
};

LOAM_NOINLINE void Judge::count_more(size_t number) {
  ++heap_.range().overflow_counts[number];
  edge_tally_.overflowed = true;
}

LOAM_NOINLINE void Judge::reach_rest(loam_object *object, size_t cursor) {
  Reach reach(*this);
  reach.depth = mark_depth_;
  reach.cursor = cursor;
  visit_rest(reach.view.type_of(object), object,
             [&reach](loam_object *target) { reach.edge(target); });
  mark_depth_ = reach.depth;
  edge_tally_.leads_out |= reach.leads_out;
}

// The reached objects of one word, as the cursor passes them.
inline void Judge::Reach::scan_word(size_t slab, size_t word, uint64_t bits) {
  const size_t first = slab * kBlocksPerStretch + word * 64;
  const size_t size = gc.heap_.range().slabs[slab].block_size;
  char *const base = gc.heap_.range().slab_address(slab) + word * 64 * size;
  const uint64_t hints = view.marks[first / 64];
  for (; bits != 0; bits &= bits - 1) {
    const size_t at = static_cast<size_t>(__builtin_ctzll(bits));
    if (view.counts[first + at] == 0 && ((hints >> at) & 1) == 0) continue;
    loam_object *object = reinterpret_cast<loam_object *>(base + at * size);
    if (!is_member<Scope::kAll>(object)) continue;
    cursor = first + at;
    view.note_refcount(cursor, object->refcount);
    scan(object);
  }
  cursor = first + 63;
}

// What was reached behind the cursor.
inline void Judge::Reach::scan_stack() {
  Ahead ahead;
  for (;;) {
    ahead.fill_from(stack, &depth);
    if (LOAM_RARELY(ahead.empty())) {
      gc.mark_depth_ = 0;
      if (!gc.load_grey()) return;
      depth = gc.mark_depth_;
      continue;
    }
    loam_object *object = ahead.take();
    if (!is_member<Scope::kAll>(object)) continue;
    if (LOAM_EXPECT(view.in_range(object))) {
      view.note_refcount(view.number_of(object), object->refcount);
    }
    scan(object);
  }
}

// Marks the remembered roots that still are objects; false when there is none.
bool Judge::recall_roots(const View<Scope::kAll> &view) {
  bool any = false;
  for (size_t i = 0; i < remembered_count_; ++i) {
    loam_object *object = remembered_roots_[i];
    if (!is_remembered(view, object)) continue;
    const size_t number = view.number_of(object);
    view.marks[number >> 6] |= Range::bit_of(number);
    any = true;
  }
  return any;
}

// Whether there still is an object where one was: the block may be another by now, or none.
bool Judge::is_remembered(const View<Scope::kAll> &view, const loam_object *object) const {
  return view.member_number(object) != kNoNumber && heap_.range().is_handed_out(object) &&
         is_member<Scope::kAll>(object);
}

// Counts the edges of all that the remembered roots reach, and marks it.
void Judge::reach_from_memory() {
  Reach reach(*this);
  if (!recall_roots(reach.view)) return;
  each_member_word<Scope::kAll>([&reach](size_t slab, size_t word, uint64_t bits) {
    const size_t number = slab * kBlocksPerStretch + word * 64;
    if (reach.view.marks[number / 64] == 0 && all_zero(reach.view.counts + number)) return;
    reach.scan_word(slab, word, bits);
    if (reach.depth != 0) reach.scan_stack();
  });
  edge_tally_.leads_out |= reach.leads_out;
  each_member_word<Scope::kAll>([&reach](size_t slab, size_t word, uint64_t bits) {
    const size_t number = slab * kBlocksPerStretch + word * 64;
    reach.view.marks[number / 64] |= bits & nonzero_bytes(reach.view.counts + number);
  });
}

// Once every edge is counted: a root that nothing outside holds any more proves nothing reached.
void Judge::check_memory() {
  const View<Scope::kAll> view(*this);
  for (size_t i = 0; i < remembered_count_; ++i) {
    const loam_object *object = remembered_roots_[i];
    if (!is_remembered(view, object)) continue;
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
