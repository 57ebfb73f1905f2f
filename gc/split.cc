// SPLIT: closed sets among what is left, each found and condemned while the host waits, so that no
// pause is longer than the largest of them needs.
//
// A batch grows breadth first from one suspect and carries a deficit: the references that its
// members hold count for, less the edges between them. Where it is 0 and nothing is left to follow,
// every reference to a member comes from a member, and the batch is garbage [G-8] -- given that no
// trace reports too much, which the counts of the single members tell.
#include "allocator/base/check.h"
#include "gc/edges.h"
#include "gc/incremental.h"
#include "gc/scope.h"

namespace loam::gc {

using alloc::Large;
using alloc::LargeRegistry;
using alloc::Range;
using alloc::Slab;

// The bits of kCycleGrey, free in this phase, tell from where a walk was tried in vain.
size_t Cycle::split(size_t budget) {
  Range &range = heap_.range();
  size_t used = 0;
  for (; slab_ < heap_.slab_limit(); ++slab_, used += kSlabUnits) {
    if (used >= budget) return used;
    if (range.tracked[slab_] == 0) continue;
    bool rest = false;
    const size_t words = (range.slabs[slab_].block_count + 63) / 64;
    for (size_t word = 0; word < words; ++word) {
      for (;;) {
        const uint64_t suspects = suspects_of(slab_, word);
        const uint64_t bits = suspects & ~range.words(alloc::kCycleGrey, slab_)[word];
        if (bits == 0 || walks_in_vain()) {
          rest = rest || suspects != 0;
          break;
        }
        if (used >= budget || judge_.condemned >= kEnough) return used;
        const size_t at = word * 64 + static_cast<size_t>(__builtin_ctzll(bits));
        loam_object *object = reinterpret_cast<loam_object *>(range.slab_address(slab_) +
                                                              at * range.slabs[slab_].block_size);
        if (Judge::is_member<Judge::Scope::kSuspects>(object)) {
          used += walk(object);
        } else {
          range.words(alloc::kCycleGrey, slab_)[word] |= bits & (~bits + 1);
        }
      }
    }
    if (rest) heap_.list_slab(heap_.suspects, &Slab::suspects, slab_);
  }
  used += split_large(budget);
  return used;
}

bool Cycle::walks_in_vain() const { return in_vain_ > suspects_ / 10 + 2 * kBatch; }

// From the large ones; then the cycle goes on with what is left.
size_t Cycle::split_large(size_t budget) {
  LargeRegistry &registry = heap_.large();
  size_t used = 0;
  for (;;) {
    Large *large = registry.first(LargeRegistry::kOldList);
    if (large == registry.end(LargeRegistry::kOldList)) break;
    if (used >= budget || judge_.condemned >= kEnough) return used;
    registry.move(large, LargeRegistry::kSeenList);
    loam_object *object = static_cast<loam_object *>(large->block());
    if (large->cycle_mark || large->frozen || walks_in_vain()) continue;
    if (Judge::is_member<Judge::Scope::kSuspects>(object)) used += walk(object);
  }
  registry.move_all(LargeRegistry::kSeenList, LargeRegistry::kOldList);
  phase_ = Phase::kFinal;
  return used;
}

// Returns the objects walked.
size_t Cycle::walk(loam_object *first) {
  constexpr size_t kAhead = 8;
  const Suspects view(judge_);
  size_t count = 0, next = 0;
  bool closed = true;
  int64_t deficit = 0;
  Judge::EdgeTally tally;
  const auto visit = [&](loam_object *target) {
    // An edge out of the batch, to one that was too many, does not count: whether the batch is
    // garbage depends on the references into it alone [G-8].
    if (!join(view, target, &count)) return;
    Judge::count_edge<Judge::Scope::kSuspects>(view, target, tally);
    --deficit;
  };
  join(view, first, &count);
  for (; next < count && closed; ++next) {
    if (next + kAhead < count) __builtin_prefetch(batch_[next + kAhead]);
    loam_object *object = batch_[next];
    deficit += object->refcount;
    const Type &type = view.type_of(object);
    visit_fields(type, object, visit);
    if (!type.has_rest) continue;
    // An array that is too long for a batch is followed by FINAL.
    closed = !is_long_array(type, object);
    if (closed) visit_rest(type, object, visit);
  }
  closed = closed && deficit == 0 && is_closed(view, count);
  leave(view, count, tally.overflowed, closed);
  if (!closed) in_vain_ += count;
  return count + 1;
}

// Puts a suspect into the batch, unless it is there; false when it is none, or the batch is full.
bool Cycle::join(const Suspects &view, loam_object *target, size_t *count) {
  if (LOAM_EXPECT(view.in_range(target))) {
    const size_t number = view.member_number(target);
    if (number == kNoNumber) return false;
    uint64_t &marks = view.marks[number >> 6];
    if ((marks & Range::bit_of(number)) != 0) return true;
    if (*count == kBatch) return false;
    marks |= Range::bit_of(number);
  } else {
    Large *large = Judge::large_member<Judge::Scope::kSuspects>(view.registry, target);
    if (large == nullptr) return false;
    if (large->mark) return true;
    if (*count == kBatch) return false;
    large->mark = true;
  }
  batch_[(*count)++] = target;
  return true;
}

bool Cycle::is_closed(const Suspects &view, size_t count) const {
  for (size_t i = 0; i < count; ++i) {
    const loam_object *object = batch_[i];
    const uint32_t inner = view.in_range(object) ? view.inner_edges(view.number_of(object))
                                                 : Large::of(object)->inner_edges;
    if (object->refcount != inner) return false;
  }
  return true;
}

// Condemns the members, or notes that walking from them leads nowhere; zeroes the tables [G-5].
void Cycle::leave(const Suspects &view, size_t count, bool overflowed, bool closed) {
  Range &range = heap_.range();
  for (size_t i = 0; i < count; ++i) {
    loam_object *object = batch_[i];
    if (closed) object->tag |= LOAM_FLAG_CONDEMNED;
    if (!view.in_range(object)) {
      Large *large = Large::of(object);
      large->mark = false;
      large->inner_edges = 0;
      if (!closed) continue;
      large->condemned = large->cycle_mark = true;
      judge_.has_condemned_large = true;
      continue;
    }
    const size_t number = view.number_of(object);
    view.marks[number >> 6] &= ~Range::bit_of(number);
    if (overflowed && view.counts[number] == kCountContinues) view.overflow[number] = 0;
    view.counts[number] = 0;
    range.set(closed ? alloc::kCycleMark : alloc::kCycleGrey, number);
    if (!closed) continue;
    range.set(alloc::kCondemned, number);
    heap_.list_slab(heap_.condemned, &Slab::condemned, range.slab_index(object));
  }
  if (!closed) return;
  judge_.condemned += count;
  judge_.leads_out = true;
}

}  // namespace loam::gc
