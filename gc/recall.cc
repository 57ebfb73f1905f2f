// A shortcut through a full collection: the roots that the last one found are most likely roots
// still, and what they lead to is marked before anything is counted.
//
//   recall   the remembered roots to which more refers than members did then
//   mark     what they lead to. They themselves are not: each edge to one is counted on the way
//   count    the edges of what was not marked (count.cc), some of which may lead to them too
//   check    now all edges to them are counted, and show whether each is a root
//
// If so, what was marked is reachable, and no count of it is needed; the other passes go on with
// what was not. If not, what is left of the roots has been proven, and is marked from anew.
#include <algorithm>

#include "allocator/base/byte_masks.h"
#include "allocator/base/check.h"
#include "gc/scope.h"

namespace loam::gc {

using alloc::kBlocksPerStretch;
using alloc::kWordsPerStretch;
using alloc::Large;
using alloc::Range;

Judge::Recalled::Recalled(Judge &judge) : gc(judge) {
  for (size_t i = 0; i < gc.remembered_count_; ++i) {
    const size_t place = place_of(gc.remembered_roots_[i].object);
    filter[place / 64] |= Range::bit_of(place);
  }
}

// Counts an edge where it leads to one of them, which lie in the order of their addresses.
LOAM_NOINLINE bool Judge::Recalled::count_edge_to(const loam_object *object, size_t number) const {
  const Root *const roots = gc.remembered_roots_, *const end = roots + gc.remembered_count_;
  const auto lies_before = [](const Root &root, const loam_object *other) {
    return root.object < other;
  };
  const Root *const root = std::lower_bound(roots, end, object, lies_before);
  if (root == end || root->object != object) return false;
  if (Tables(gc.heap_.range()).count(number)) gc.edge_tally_.overflowed = true;
  return true;
}

template <typename IsOne>
void Judge::keep_remembered(IsOne &&is_one) {
  const Root *const end = std::remove_if(remembered_roots_, remembered_roots_ + remembered_count_,
                                         [&](const Root &root) { return !is_one(root); });
  remembered_count_ = static_cast<size_t>(end - remembered_roots_);
}

// Forgets the remembered roots that most likely are none any more. The block may be another object
// by now, or free; and where what was outside has let go of a whole heap, the shortcut would lead
// nowhere. It is not taken while another collection's garbage is about, which marking would follow;
// nor where somebody wants to know of all counts that are wrong: of what a trace reports, and in
// watched runtimes.
void Judge::recall_roots() {
  const View<Scope::kAll> view(*this);
  if (condemned != 0 || types_.any_trace || !heap_.has_cache()) remembered_count_ = 0;
  keep_remembered([&](const Root &root) {
    return view.member_number(root.object) != kNoNumber &&
           heap_.range().is_handed_out(root.object) && is_member<Scope::kAll>(root.object) &&
           root.object->refcount > root.inner;
  });
}

// Marks all that the remembered roots lead to, and then them.
LOAM_NOINLINE void Judge::mark_from_memory() {
  if (remembered_count_ == 0) return;
  const Recalled recalled(*this);
  recalled_ = &recalled;
  const View<Scope::kRecalled> view(*this);
  static_assert(kRememberedRoots <= kMarkStack);
  for (size_t i = 0; i < remembered_count_; ++i) mark_stack_[i] = remembered_roots_[i].object;
  mark_depth_ = remembered_count_;
  follow_stack<Scope::kRecalled>(view);
  recalled_ = nullptr;
  each_member_word<Scope::kAll>([this, &view](size_t slab, size_t word, uint64_t bits) {
    uncounted_members_ += base::count_bits(bits & view.marks[slab * kWordsPerStretch + word]);
  });
  // Their edges were looked at with that; their refcounts are noted, as by count_word, for whoever
  // looks for roots.
  for (size_t i = 0; i < remembered_count_; ++i) {
    const loam_object *root = remembered_roots_[i].object;
    const size_t number = view.number_of(root);
    view.marks[number / 64] |= Range::bit_of(number);
    *view.refcount_of(number) = Tables::noted(root->refcount);
  }
}

// Drops the marks and the counts of a whole judgement.
LOAM_NOINLINE void Judge::start_anew() {
  const View<Scope::kAll> view(*this);
  uncounted_members_ = 0;
  each_member_word<Scope::kAll>([this, &view](size_t slab, size_t word, uint64_t bits) {
    view.marks[slab * kWordsPerStretch + word] &= ~bits;
    clear_counts(slab * kBlocksPerStretch + word * 64, bits);
  });
  each_large_member<Scope::kAll>([](Large *large) {
    large->mark = false;
    large->inner_edges = 0;
  });
}

// Counts the edges of all members but those that remembered roots lead to, which are marked.
void Judge::count_all_but_recalled() {
  const View<Scope::kAll> view(*this);
  recall_roots();
  mark_from_memory();
  count_edges<Scope::kAll>();
  const size_t recalled = remembered_count_;
  keep_remembered([&view](const Root &root) {
    return root.object->refcount > view.inner_edges(view.number_of(root.object));
  });
  if (remembered_count_ != recalled) {
    start_anew();
    mark_from_memory();  // those that are left have been proven
    count_edges<Scope::kAll>();
  }
  remembered_count_ = 0;  // mark_from_roots remembers those of today
}

}  // namespace loam::gc
