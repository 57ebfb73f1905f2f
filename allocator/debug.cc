// Debug mode: what is checked of each block, and where damage is told.
#include <cstring>

#include "allocator/guard.h"
#include "allocator/heap.h"

namespace loam::alloc {

// A block that is about to be handed out; a large one is fresh, and needs the seal alone.
void Heap::guard_new(void *block, size_t bytes, size_t size, const char *function) {
  if (range_.contains(block)) {
    if (!guard_untouched(block, bytes)) {
      report_->fatal("%s: block %p was written after it was freed", function, block);
    }
    std::memset(block, 0, bytes);
  }
  guard_seal(block, bytes, size);
}

const char *Heap::fault_of(const void *block, bool is_object) const {
  constexpr const char *kFreed = "was freed before, or never allocated";
  Kind kind;
  if (range_.contains(block)) {
    const Slab &slab = slab_of(block);
    kind = slab.kind;
    if (kind == Kind::kNone) return kFreed;
    const size_t number = range_.block_number(block);
    if (range_.block_address(number) != block) return "points into a block, not to its start";
    if (!range_.test(kAllocated, number)) return kFreed;
    // Never handed out again, but free: its bit stays.
    if (torture_.plan.never_reuse && guard_untouched(block, slab.block_size)) return kFreed;
  } else {
    kind = large_.kind_of(block);
    if (kind == Kind::kNone) return "is no block of this runtime, or was freed before";
  }
  if ((kind == Kind::kRaw) != is_object) return nullptr;
  return is_object ? "is memory, not an object" : "is an object, not memory";
}

void Heap::refuse_unknown(const void *block, const char *function) const {
  report_->fatal("%s: %p is no block of this runtime, or was freed before", function, block);
}

void Heap::check_raw(const void *block, const char *function) const {
  const char *fault = fault_of(block, false);
  if (fault != nullptr) report_->fatal("%s: %p %s", function, block, fault);
  if (!guard_intact(block, raw_bytes(block, function))) {
    report_->fatal("%s: block %p was written past its end", function, block);
  }
}

bool Heap::object_is_intact(const loam_object *object) const {
  const bool large = !range_.contains(object);
  return guard_intact(object, large ? Large::of(object)->size() : block_bytes(object));
}

uint32_t Heap::tag_of_freed(const loam_object *object) const {
  if (!range_.contains(object)) return 0;
  const Segment &segment = range_.segments[range_.slab_index(object) / kSlabsPerSegment];
  return segment.committed ? guard_freed_tag(object) : 0;
}

// A block of a slab without a pool that was written since it was freed; nullptr: none.
const void *Heap::touched_block(size_t index) const {
  const Slab &slab = range_.slabs[index];
  for (size_t at = 0; at < slab.block_count; ++at) {
    const char *block = range_.slab_address(index) + at * slab.block_size;
    if (!guard_untouched(block, slab.block_size)) return block;
  }
  return nullptr;
}

// Before a slab's former life is wiped out.
void Heap::check_released(size_t index) const {
  const void *touched = touched_block(index);
  if (touched != nullptr) report_->fatal("block %p was written after it was freed", touched);
}

}  // namespace loam::alloc
