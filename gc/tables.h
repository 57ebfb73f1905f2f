// The collector's tables as its loops read them: hoisted into locals, because a store through
// uint8_t may alias any member.
//
//   object --> block number --> a bit in a bitmap, a byte in counts, a byte in refcounts
//
// Thread safety: the owning runtime's thread.
#pragma once

#include "allocator/base/byte_masks.h"
#include "allocator/base/check.h"
#include "allocator/range.h"
#include "gc/type.h"

namespace loam::gc {

constexpr size_t kNoNumber = SIZE_MAX;          // in place of a block number: none in the range
constexpr uint8_t kCountContinues = UINT8_MAX;  // a byte of counts: the rest is in overflow_counts
constexpr uint8_t kManyReferences = UINT8_MAX;  // a byte of refcounts: at least so many

struct Tables {
  explicit Tables(const alloc::Range &range)
      : base(range.base()),
        bytes(range.bytes()),
        tracked(range.tracked),
        counts(range.counts),
        overflow(range.overflow_counts),
        dense_refcounts(range.dense_refcounts) {}

  bool in_range(const void *object) const {
    return reinterpret_cast<uintptr_t>(object) - base < bytes;
  }
  // Of an object in the range; kNoNumber when its slab holds no containers.
  size_t number_of(const void *object) const {
    const size_t offset = reinterpret_cast<uintptr_t>(object) - base;
    const size_t slab = offset >> alloc::kSlabShift;
    const uint32_t reciprocal = tracked[slab];
    if (reciprocal == 0) return kNoNumber;
    return slab * alloc::kBlocksPerStretch +
           alloc::block_index(offset & (alloc::kSlabBytes - 1), reciprocal);
  }
  // Where the refcounts of a container slab's blocks are noted, by number.
  uint8_t *refcounts_of(size_t slab) const {
    return alloc::Range::refcounts_of(counts, dense_refcounts, tracked[slab]);
  }
  uint8_t *refcount_of(size_t number) const {
    return refcounts_of(number / alloc::kBlocksPerStretch) + number;
  }
  static uint8_t noted(uint32_t refcount) {
    return refcount < kManyReferences ? static_cast<uint8_t>(refcount) : kManyReferences;
  }
  // Counts an edge to the block; true when the byte is full.
  bool count(size_t number) const {
    if (LOAM_EXPECT(++counts[number] != 0)) return false;  // adds and tests in one instruction
    counts[number] = kCountContinues;
    ++overflow[number];
    return true;
  }
  uint32_t inner_edges(size_t number) const {
    const uint8_t count = counts[number];
    return count != kCountContinues ? count : count + overflow[number];
  }

  uintptr_t base;
  size_t bytes;
  const uint32_t *tracked;
  uint8_t *counts;
  uint32_t *overflow;
  uint8_t *dense_refcounts;
};

inline bool test_bit(const uint64_t *bitmap, size_t number) {
  return ((bitmap[number >> 6] >> (number & 63)) & 1) != 0;
}

// One word of blocks, from their bytes.
struct WordOfCounts {
  uint64_t members;  // refcount byte not zero
  uint64_t differ;   // it is not the count byte
  uint64_t fewer;    // it is less than the count byte
  uint64_t full;     // one of them is full: the bytes alone do not tell

  WordOfCounts(const Tables &tables, size_t first_number)
      : members(0), differ(0), fewer(0), full(0) {
    using base::ByteGroup;
    const uint8_t *const refcounts = tables.refcount_of(first_number);
    for (unsigned at = 0; at < 64; at += ByteGroup::kBytes) {
      const ByteGroup refs = ByteGroup::load(refcounts + at);
      const ByteGroup counts = ByteGroup::load(tables.counts + first_number + at);
      members |= refs.nonzero() << at;
      differ |= refs.differs_from(counts) << at;
      fewer |= refs.less_than(counts) << at;
      full |= (refs.full() | counts.full()) << at;
    }
  }
};

}  // namespace loam::gc
