// The range: the addresses that a runtime reserves, and the side tables that run parallel to them.
//
//   blocks   | segment 0: slab 0 .. 63 | segment 1: slab 64 .. 127 | ...    64 KiB a slab
//   tables   | stretch of slab 0 | stretch of slab 1 | ...                  one flat array each
//
// A table's stretch is indexed by block within the slab, so that neighbours in memory are
// neighbours in the table. A block's number is slab * kBlocksPerStretch + index: it indexes the
// bitmaps (by bit) and the counts (by byte).
//
// An address is in the range iff address - base < bytes: one subtract, one compare, no map,
//       no global.
// Tables of a segment are accessible once it was committed, and zero when it is not;
//       outside a collection the collector's tables are zero.
//
// Thread safety: the owning runtime's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>

#include "allocator/base/check.h"
#include "allocator/slab.h"

namespace loam::alloc {

// A bitmap has a bit per block. The first two are at-rest tables; the others belong to the
// collector and teardown.
enum Bitmap : unsigned {
  kAllocated,  // handed to a thread: in use, or waiting on the thread's free list
  kYoung,      // containers: handed out since the last collection that judged them
  kMark,       // collector: reached from outside the set being judged
  kGrey,       // collector: marked, its edges not followed yet, and not on the mark stack
  kCondemned,  // collector: proven garbage by the running collection
  kEmergency,  // collector: proven garbage by a quiet collection, perhaps inside a running one
  kPending,    // teardown: dead, waiting for its turn
  kDeferred,   // teardown: dead, waiting until host code may run
  kFrozen,     // set aside by loam_freeze
  kCycleMark,  // collector: reached by the running incremental cycle, or born during it
  kCycleGrey,  // collector: of those, their edges not followed yet
  kBitmaps
};

constexpr size_t kBitmapBytesPerSlab = kWordsPerStretch * sizeof(uint64_t);

class Range {
 public:
  // Reserves `bytes` of block addresses and the tables for them, halving until the OS agrees.
  bool reserve(size_t bytes);
  void release();

  bool commit_segment(size_t segment);  // false when the OS refuses
  // The memory behind the blocks and tables of segments [segment, end); they read zero from now on.
  void give_back_segments(size_t segment, size_t end);
  // Gives back the pages of a collector's table, all zero, over the first `segments` segments.
  void discard_bitmap(Bitmap bitmap, size_t segments);
  // The collector's tables over the first `segments` are about to be used nearly everywhere, and
  // given back soon: they are backed at once, counts by huge pages where there are any.
  void expect_judgement(size_t segments);
  // Backs some bitmaps of the containers in slabs [slab, end), or their counts.
  void populate_bitmaps(std::initializer_list<Bitmap> wanted, size_t slab, size_t end);
  void populate_counts(size_t slab, size_t end);
  void touch_counts(size_t slab) const;  // the same for one slab: cheap where pages are there
  // The same for the slabs, from a multiple of so many on, whose counts are a huge page, none of it
  // backed yet; false where the OS has none.
  static constexpr size_t kSlabsPerHugeCounts = kHugeBytes / kBlocksPerStretch;
  bool populate_huge_counts(size_t slab);
  // Gives back whatever backs the counts of those slabs.
  void discard_counts_at(size_t slab);
  // Zeroes the counts, by giving their pages back.
  void discard_all_counts(size_t segments);
  // Zeroes what the incremental cycle noted about the blocks of a slab.
  void clear_hints(size_t slab);
  // Zeroes the counts of `count` blocks of one slab; overflowed: some byte of them may be full.
  void clear_counts(size_t first_number, size_t count, bool overflowed) {
    if (LOAM_RARELY(overflowed)) clear_overflow(first_number, count);
    std::memset(counts + first_number, 0, count);
    std::memset(refcounts_of(first_number / kBlocksPerStretch) + first_number, 0, count);
  }
  void clear_counts_of(size_t slab) { clear_counts(slab * kBlocksPerStretch, stretch(slab), true); }
  // Where the refcounts of a slab's blocks are noted, by number.
  uint8_t *refcounts_of(size_t slab) const {
    return refcounts_of(counts, dense_refcounts, reciprocals[slab]);
  }
  static uint8_t *refcounts_of(uint8_t *counts, uint8_t *dense_refcounts, uint32_t reciprocal) {
    return leaves_half_stretch(reciprocal) ? counts + kBlocksPerStretch / 2 : dense_refcounts;
  }

  bool contains(const void *address) const { return offset(address) < bytes_; }
  size_t slab_index(const void *address) const { return offset(address) >> kSlabShift; }
  uint32_t reciprocal_at(const void *address) const { return reciprocals[slab_index(address)]; }
  size_t block_number(const void *address) const {
    return block_number(address, reciprocal_at(address));
  }
  // The same where the block's size is known.
  size_t block_number(const void *address, uint32_t reciprocal) const {
    const size_t at = offset(address);
    return (at >> kSlabShift) * kBlocksPerStretch + block_index(at & (kSlabBytes - 1), reciprocal);
  }
  // Of a slab that has a pool.
  char *block_address(size_t number) const {
    const size_t slab = number / kBlocksPerStretch;
    return slab_address(slab) + number % kBlocksPerStretch * slabs[slab].block_size;
  }
  // Whether a block starts there, and is in use or on a thread's list; the slab has a pool.
  bool is_handed_out(const void *block) const {
    const size_t number = block_number(block);
    return block_address(number) == block && test(kAllocated, number);
  }
  char *slab_address(size_t slab) const {
    return reinterpret_cast<char *>(base_) + (slab << kSlabShift);
  }
  uint64_t *words(Bitmap bitmap, size_t slab) const {
    return bitmaps[bitmap] + slab * kWordsPerStretch;
  }
  bool test(Bitmap bitmap, size_t number) const {
    return (bitmaps[bitmap][number >> 6] >> (number & 63)) & 1;
  }
  void set(Bitmap bitmap, size_t number) { bitmaps[bitmap][number >> 6] |= bit_of(number); }
  void clear(Bitmap bitmap, size_t number) { bitmaps[bitmap][number >> 6] &= ~bit_of(number); }
  static uint64_t bit_of(size_t number) { return uint64_t{1} << (number & 63); }

  // Whether the OS may back a slab by a huge page, together with its neighbours.
  bool &huge_of(size_t slab) const {
    return segments[slab / kSlabsPerSegment].huge[slab % kSlabsPerSegment / kSlabsPerHuge];
  }

  uintptr_t base() const { return base_; }
  size_t bytes() const { return bytes_; }
  size_t reserved_bytes() const { return reserved_bytes_; }
  size_t segment_count() const { return bytes_ >> kSegmentShift; }
  // At-rest metadata that one committed segment costs.
  static constexpr size_t metadata_bytes_per_segment() {
    constexpr size_t kPerSlab =
        2 * kBitmapBytesPerSlab + sizeof(Slab) + sizeof(loam_slab_pool) + 2 * sizeof(uint32_t);
    return kPerSlab * kSlabsPerSegment + sizeof(Segment);
  }

  // The tables. Loops hoist these into locals: a store through uint8_t may alias any member.
  Slab *slabs = nullptr;
  Segment *segments = nullptr;
  loam_slab_pool *pools = nullptr;  // by slab; loam_thread.slab_pools
  uint32_t *reciprocals = nullptr;  // by slab; see block_index
  uint32_t *tracked = nullptr;      // the same for container slabs, 0 for all others
  uint8_t *counts = nullptr;        // by block: inner edges, continued in overflow_counts at 255
  uint32_t *overflow_counts = nullptr;
  // By block: of members, at most 255; 0: none. Those of blocks below 32 bytes: the others are in
  // the half of their slab's counts that is not used, on the same page.
  uint8_t *dense_refcounts = nullptr;
  uint64_t *bitmaps[kBitmaps] = {};
  // Working space for the collector, which costs no memory until it is used.
  static constexpr size_t kScratchBytes = size_t{92} << 10;
  void *scratch = nullptr;
  // Slots for the thread's lists, which cost no memory until they are used.
  static constexpr size_t kListSlots = 256;  // of one list, at most
  void **lists = nullptr;

 private:
  size_t offset(const void *address) const { return reinterpret_cast<uintptr_t>(address) - base_; }
  bool try_reserve(size_t bytes);
  template <typename Visit>
  void each_run(size_t slab, size_t end, bool (*is_such)(uint32_t), Visit &&visit) const;
  // Blocks at most of a slab, or the entries that may be theirs.
  size_t stretch(size_t slab) const {
    return leaves_half_stretch(reciprocals[slab]) ? kBlocksPerStretch / 2 : kBlocksPerStretch;
  }
  void clear_overflow(size_t first_number, size_t count);
  void discard_rare_counts(size_t segment, size_t end);

  uintptr_t base_ = 0;
  size_t bytes_ = 0;
  void *reservation_ = nullptr;
  size_t reserved_bytes_ = 0;
};

}  // namespace loam::alloc
