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
  return used < budget ? used + split_large(budget - used) : used;
}

bool Cycle::walks_in_vain() const { return in_vain_ > suspects_ / 10 + 2 * kBatch; }

// From the large ones; then the cycle goes on with what is left. All suspects among these are on
// the list of the old then, and few others, so that FINAL need not walk those.
size_t Cycle::split_large(size_t budget) {
  LargeRegistry &registry = heap_.large();
  size_t used = 0;
  for (;;) {
    Large *large = registry.first(LargeRegistry::kOldList);
    if (large == registry.end(LargeRegistry::kOldList)) break;
    if (used >= budget || judge_.condemned >= kEnough) return used;
    used += kLargeUnits;
    if (large->cycle_mark || large->frozen) {
      registry.move(large, LargeRegistry::kSeenList);
      continue;
    }
    registry.move(large, LargeRegistry::kGreyList);
    loam_object *object = static_cast<loam_object *>(large->block());
    if (walks_in_vain() || !Judge::is_member<Judge::Scope::kSuspects>(object)) continue;
    used += walk(object);
  }
  registry.move_all(LargeRegistry::kGreyList, LargeRegistry::kOldList);
  phase_ = Phase::kFinal;
  return used;
}

// What a walk came across, in its locals.
struct Cycle::Batch {
  size_t count = 0;
  int64_t deficit = 0;
  bool overflowed = false;  // a byte of counts
  bool leads_out = false;   // an edge to what is no member
  size_t rest_edges = 0;    // behind the fields
};

// Returns the work done.
size_t Cycle::walk(loam_object *first) {
  constexpr size_t kAhead = 8;
  const Suspects view(judge_);
  loam_object **const objects = batch_;
  Batch batch;
  follow(view, objects, batch, first);
  batch.deficit = 0;  // the walk is no reference
  uncount(view, first);
  bool closed = true;
  for (size_t next = 0; next < batch.count && closed; ++next) {
    if (next + kAhead < batch.count) __builtin_prefetch(objects[next + kAhead]);
    loam_object *object = objects[next];
    batch.deficit += object->refcount;
    const Type &type = view.type_of(object);
    const bool more =
        visit_fields(type, object, [this, &view, objects, &batch](loam_object *target) {
          follow(view, objects, batch, target);
        });
    if (LOAM_RARELY(more)) closed = walk_rest(object, &batch);
  }
  closed = closed && batch.deficit == 0 && is_closed(view, batch.count);
  if (closed) {
    condemn_batch(view, batch);
  } else {
    leave_batch(view, batch);
  }
  return batch.count + 1 + units_of_rest(batch.rest_edges);
}

// False: an array that is too long for a batch, which FINAL follows.
LOAM_NOINLINE bool Cycle::walk_rest(loam_object *object, Batch *batch) {
  const Suspects view(judge_);
  const Type &type = view.type_of(object);
  if (is_long_array(type, object)) return false;
  visit_rest(type, object, [this, &view, batch](loam_object *target) {
    follow(view, batch_, *batch, target);
    ++batch->rest_edges;
  });
  return true;
}

// Counts an edge to a suspect and puts that into the batch, unless it is there. An edge out of the
// batch, to what is no suspect or was one too many, does not count: whether the batch is garbage
// depends on the references into it alone [G-8].
inline void Cycle::follow(const Suspects &view, loam_object **objects, Batch &batch,
                          loam_object *target) {
  if (LOAM_RARELY(!view.in_range(target))) {
    if (target != nullptr) follow_large(target, &batch);
    return;
  }
  const size_t number = view.number_of(target);
  if (LOAM_RARELY(number == kNoNumber)) {
    batch.leads_out = true;
    return;
  }
  uint64_t &marks = view.marks[number >> 6];
  const uint64_t bit = Range::bit_of(number);
  if ((marks & bit) == 0) {
    if (view.member_number(target) == kNoNumber || batch.count == kBatch) {
      batch.leads_out = true;
      return;
    }
    marks |= bit;
    objects[batch.count++] = target;
  }
  if (LOAM_RARELY(view.count(number))) batch.overflowed = true;
  --batch.deficit;
}

LOAM_NOINLINE void Cycle::follow_large(loam_object *target, Batch *batch) {
  Large *large = Judge::large_member<Judge::Scope::kSuspects>(&heap_.large(), target);
  if (large == nullptr || (!large->mark && batch->count == kBatch)) {
    batch->leads_out = true;
    return;
  }
  if (!large->mark) batch_[batch->count++] = target;
  large->mark = true;
  ++large->inner_edges;
  --batch->deficit;
}

// Takes back the edge that the walk began with.
void Cycle::uncount(const Suspects &view, const loam_object *first) {
  if (view.in_range(first)) {
    --view.counts[view.number_of(first)];
  } else {
    --Large::of(const_cast<loam_object *>(first))->inner_edges;
  }
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

// Zeroes what the walk noted of a small member in the tables [G-5].
inline void Cycle::forget(const Suspects &view, size_t number, bool overflowed) {
  view.marks[number >> 6] &= ~Range::bit_of(number);
  if (LOAM_RARELY(overflowed) && view.counts[number] == kCountContinues) view.overflow[number] = 0;
  view.counts[number] = 0;
}

void Cycle::condemn_batch(const Suspects &view, const Batch &batch) {
  uint64_t *const condemned = heap_.range().bitmaps[alloc::kCondemned];
  for (size_t i = 0; i < batch.count; ++i) {
    loam_object *object = batch_[i];
    object->tag |= LOAM_FLAG_CONDEMNED;
    if (LOAM_RARELY(!view.in_range(object))) {
      Large *large = Large::of(object);
      large->mark = false;
      large->inner_edges = 0;
      large->condemned = large->cycle_mark = true;
      heap_.large().move(large, LargeRegistry::kCondemnedList);
      continue;
    }
    const size_t number = view.number_of(object);
    forget(view, number, batch.overflowed);
    view.source[number >> 6] |= Range::bit_of(number);
    condemned[number >> 6] |= Range::bit_of(number);
    heap_.list_slab(heap_.condemned, &Slab::condemned, number / alloc::kBlocksPerStretch);
  }
  judge_.condemned += batch.count;
  judge_.leads_out = judge_.leads_out || batch.leads_out;
}

// Notes that walking from any of the members leads nowhere.
void Cycle::leave_batch(const Suspects &view, const Batch &batch) {
  uint64_t *const tried = heap_.range().bitmaps[alloc::kCycleGrey];
  for (size_t i = 0; i < batch.count; ++i) {
    loam_object *object = batch_[i];
    if (LOAM_RARELY(!view.in_range(object))) {
      Large::of(object)->mark = false;
      Large::of(object)->inner_edges = 0;
      continue;
    }
    const size_t number = view.number_of(object);
    forget(view, number, batch.overflowed);
    tried[number >> 6] |= Range::bit_of(number);
  }
  in_vain_ += batch.count;
}

}  // namespace loam::gc
