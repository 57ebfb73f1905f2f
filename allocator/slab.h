// Sizes, and what Loam knows about each slab, segment and pool.
//
//   slab: 64 KiB of blocks of one pool, and nothing else; blocks of n bytes start at multiples of n
//
// slab.allocated == the bits set in the slab's kAllocated stretch; heap.young_blocks == the
//       bits set in kYoung.
// A slab with a free block is on its pool's partial list; a full one is not.
// pool.allocated == the sum of slab.allocated over its slabs.
// A block of an object pool that is free is zero.
// A slab that belongs to no pool has no bit set in any table, and its segment's free_slabs
//       bit is set. One whose last block returned belongs to none.
// Of a slab that lags, slab.lost free blocks are counted in no place yet, and their bits are
//       set; their headers are 0. None does while host code runs.
//
// Thread safety: the owning runtime's thread.
#pragma once

#include <loam/layout.h>

#include <cstddef>
#include <cstdint>

namespace loam::alloc {

constexpr size_t kSlabShift = LOAM_SLAB_SHIFT;
constexpr size_t kSlabBytes = size_t{1} << kSlabShift;
constexpr size_t kSegmentShift = 22;
constexpr size_t kSegmentBytes = size_t{1} << kSegmentShift;
constexpr size_t kSlabsPerSegment = kSegmentBytes / kSlabBytes;
static_assert(kSlabsPerSegment == 64, "a segment's free slabs are one word");
// A huge page of the OS: half a segment.
constexpr size_t kHugeBytes = size_t{1} << 21;
constexpr size_t kSlabsPerHuge = kHugeBytes / kSlabBytes;
constexpr size_t kBlocksPerStretch = kSlabBytes / LOAM_MIN_BLOCK;
constexpr size_t kWordsPerStretch = kBlocksPerStretch / 64;

constexpr uint32_t kNoSlab = UINT32_MAX;

enum class Kind : uint8_t { kNone, kRaw, kLeaf, kContainer };

constexpr size_t round_to_class(size_t bytes) {
  const size_t rounded = (bytes + LOAM_CLASS_STEP - 1) & ~size_t{LOAM_CLASS_STEP - 1};
  return rounded < LOAM_MIN_BLOCK ? size_t{LOAM_MIN_BLOCK} : rounded;
}

// The head of plain memory of so many bytes.
constexpr unsigned raw_head(size_t size) {
  const auto index = static_cast<unsigned>((size + LOAM_CLASS_STEP - 1) / LOAM_CLASS_STEP);
  return LOAM_HEADS_RAW + (index != 0 ? index : 1);
}

// The head of objects of so many bytes, header included.
constexpr unsigned object_head(size_t size, Kind kind) {
  const unsigned first = kind == Kind::kLeaf ? LOAM_HEADS_LEAF : LOAM_HEADS_CONTAINER;
  return first + static_cast<unsigned>(round_to_class(size) / LOAM_CLASS_STEP);
}

// offset / size by multiplication with ceil(2^32 / size). Exact: offset < 2^16 and size <= 2^8 keep
// the error below 1 / size.
constexpr uint32_t reciprocal_of(uint32_t size) {
  return static_cast<uint32_t>(((uint64_t{1} << 32) + size - 1) / size);
}
inline size_t block_index(size_t offset_in_slab, uint32_t reciprocal) {
  return static_cast<size_t>((offset_in_slab * uint64_t{reciprocal}) >> 32);
}
// Whether the blocks of a slab use half of its stretch at most; those of none do, at 0.
constexpr bool leaves_half_stretch(uint32_t reciprocal) {
  return reciprocal <= reciprocal_of(2 * LOAM_MIN_BLOCK);
}

// Lists that a slab may be on, by index link. Members leave them lazily: a slab that changed its
// pool stays listed, and whoever walks the list looks at its bits.
using SlabLink = uint32_t;
constexpr SlabLink kUnlisted = 0;
constexpr SlabLink kLastListed = 1;  // any other: the next slab's index + 2

struct alignas(64) Slab {
  uint16_t head;         // the pool; LOAM_HEAD_NULL: none
  Kind kind;             // of the pool; kNone without
  bool dirty;            // without a pool: holds bytes that are not zero
  bool resident;         // without a pool: its pages are there
  bool lags;
  uint16_t lost;         // where it lags: blocks since; else words that cascades returned singly
  uint16_t block_size;   // bytes
  uint16_t block_count;  // blocks that fit
  uint32_t allocated;
  uint32_t next, prev;   // partial list
  // Slabs in which bits of the table of the same name may be set.
  SlabLink young, pending, deferred, grey, condemned, emergency, cycle_grey, suspects;
  SlabLink lagging;      // those that may lag
  uint32_t asked_bytes;  // from its start: the OS was asked for their pages, or need not be
};
static_assert(sizeof(Slab) == 64);

struct Segment {
  bool is_idle() const { return free_slabs == ~uint64_t{0}; }

  uint64_t free_slabs;  // a bit per slab without a pool; 0 where it is not committed
  bool committed;
  bool accessible;                        // was committed before: the OS need not be asked again
  bool has_objects;                       // had a slab of them since it was committed
  bool is_dense;                          // had one of containers that may fill a stretch
  bool huge[kSegmentBytes / kHugeBytes];  // the OS may use a huge page there
};

struct Pool {
  const char *name;  // of the type, in a private pool
  Kind kind;
  uint32_t block_size;
  uint32_t partial;  // first slab with a free block
  size_t slabs;      // held
  size_t allocated;
  size_t retired;    // freed, and never handed out again (torture.never_reuse)
  void **list;       // the slots of the thread's list, the first NULL; nullptr: it has none yet
};

}  // namespace loam::alloc
