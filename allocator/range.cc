#include "allocator/range.h"

#include <algorithm>
#include <initializer_list>

#include "allocator/os_memory.h"

namespace loam::alloc {

namespace {

constexpr size_t kOverflowBytesPerSlab = kBlocksPerStretch * sizeof(uint32_t);
// Tables start on these; os_page_bytes() may be larger, and commits are rounded to it.
constexpr size_t kPageBytes = 4096;
// A load that follows a store to the same offset in another page waits for it, so the entries of a
// block lie at different offsets in their pages: in counts and refcounts, and in each two bitmaps.
// (Churn of cycles: -35 %; a cycle that frees as it goes: -20 %.)
constexpr size_t kStagger = kPageBytes / 2;
constexpr size_t kBitmapStagger = 5 * 64;
static_assert(kBitmapStagger * (kBitmaps - 1) < kPageBytes);

// Of the entry of a slab in `tracked`.
bool is_container(uint32_t reciprocal) { return reciprocal != 0; }
bool is_dense(uint32_t reciprocal) { return !leaves_half_stretch(reciprocal); }

constexpr size_t whole_huge_pages(size_t bytes) {
  return (bytes + kHugeBytes - 1) & ~(kHugeBytes - 1);
}

// Bytes of the reservation that each table takes for `slabs` slabs, in order.
struct Plan {
  size_t slabs, segments, pools, reciprocals, tracked, scratch, lists;
  size_t counts, dense_refcounts, overflow, bitmap;
  explicit Plan(size_t slab_count)
      : slabs(round(slab_count * sizeof(Slab))),
        segments(round(slab_count / kSlabsPerSegment * sizeof(Segment))),
        pools(round(slab_count * sizeof(loam_slab_pool))),
        reciprocals(round(slab_count * sizeof(uint32_t))),
        tracked(reciprocals),
        scratch(round(Range::kScratchBytes)),
        lists(round(LOAM_HEAD_COUNT * Range::kListSlots * sizeof(void *))),
        counts(whole_huge_pages(slab_count * kBlocksPerStretch)),
        dense_refcounts(round(counts + kPageBytes)),
        overflow(round(slab_count * kOverflowBytesPerSlab)),
        bitmap(round(slab_count * kBitmapBytesPerSlab + kPageBytes)) {}
  size_t total() const {
    return slabs + segments + pools + reciprocals + tracked + scratch + lists + kHugeBytes +
           counts + dense_refcounts + overflow + bitmap * kBitmaps;
  }
  static size_t round(size_t bytes) {
    const size_t unit = os_page_bytes() > kPageBytes ? os_page_bytes() : kPageBytes;
    return (bytes + unit - 1) / unit * unit;
  }
};

// Commits the pages that hold elements [first, first + count) of a table.
template <typename T>
bool commit(T *table, size_t first, size_t count) {
  const size_t page = os_page_bytes();
  const uintptr_t begin = reinterpret_cast<uintptr_t>(table + first) / page * page;
  const uintptr_t end =
      (reinterpret_cast<uintptr_t>(table + first + count) + page - 1) / page * page;
  return os_commit(reinterpret_cast<void *>(begin), end - begin);
}

// Gives the pages back that hold nothing else.
template <typename T>
void discard(T *table, size_t first, size_t count) {
  const size_t page = os_page_bytes();
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(table + first) + page - 1) / page * page;
  const uintptr_t end = reinterpret_cast<uintptr_t>(table + first + count) / page * page;
  if (begin < end) os_discard(reinterpret_cast<void *>(begin), end - begin);
}

// Zeroes the bytes of a staggered table. Whole pages are given back; those at the ends, which it
// shares with its neighbours, are written.
void drop(uint8_t *first, size_t bytes) {
  const size_t page = os_page_bytes();
  const uintptr_t begin = reinterpret_cast<uintptr_t>(first);
  const uintptr_t inner_begin = (begin + page - 1) / page * page;
  const uintptr_t inner_end = (begin + bytes) / page * page;
  if (inner_begin >= inner_end) {
    std::memset(first, 0, bytes);
    return;
  }
  std::memset(first, 0, inner_begin - begin);
  std::memset(reinterpret_cast<void *>(inner_end), 0, begin + bytes - inner_end);
  os_discard(reinterpret_cast<void *>(inner_begin), inner_end - inner_begin);
}

}  // namespace

bool Range::reserve(size_t bytes) {
  for (size_t size = bytes & ~(kSegmentBytes - 1); size >= kSegmentBytes;
       size = (size / 2) & ~(kSegmentBytes - 1)) {
    if (try_reserve(size)) return true;
  }
  return false;
}

bool Range::try_reserve(size_t bytes) {
  const size_t slab_count = bytes >> kSlabShift;
  const Plan plan(slab_count);
  const size_t total = bytes + kSegmentBytes + plan.total();
  char *at = static_cast<char *>(os_reserve(total));
  if (at == nullptr) return false;
  reservation_ = at;
  reserved_bytes_ = total;
  base_ = (reinterpret_cast<uintptr_t>(at) + kSegmentBytes - 1) & ~(kSegmentBytes - 1);
  bytes_ = bytes;
  char *table = reinterpret_cast<char *>(base_) + bytes;
  const auto take = [&table](size_t size) {
    char *start = table;
    table += size;
    return static_cast<void *>(start);
  };
  slabs = static_cast<Slab *>(take(plan.slabs));
  segments = static_cast<Segment *>(take(plan.segments));
  pools = static_cast<loam_slab_pool *>(take(plan.pools));
  reciprocals = static_cast<uint32_t *>(take(plan.reciprocals));
  tracked = static_cast<uint32_t *>(take(plan.tracked));
  scratch = take(plan.scratch);
  lists = static_cast<void **>(take(plan.lists));
  table = reinterpret_cast<char *>(whole_huge_pages(reinterpret_cast<uintptr_t>(table)));
  counts = static_cast<uint8_t *>(take(plan.counts));
  dense_refcounts = static_cast<uint8_t *>(take(plan.dense_refcounts)) + kStagger;
  overflow_counts = static_cast<uint32_t *>(take(plan.overflow));
  for (size_t i = 0; i < kBitmaps; ++i) {
    bitmaps[i] =
        reinterpret_cast<uint64_t *>(static_cast<char *>(take(plan.bitmap)) + i * kBitmapStagger);
  }
  // The few bytes per slab that any pointer may lead to are readable everywhere: a foreign pointer
  // finds zeros, not a fault.
  const size_t readable = plan.slabs + plan.segments + plan.pools + plan.reciprocals +
                          plan.tracked + plan.scratch + plan.lists;
  if (os_commit(slabs, readable)) return true;
  release();
  return false;
}

void Range::release() {
  if (reservation_ != nullptr) os_release(reservation_, reserved_bytes_);
  reservation_ = nullptr;
}

bool Range::commit_segment(size_t segment) {
  if (segments[segment].accessible) return true;
  const size_t slab = segment * kSlabsPerSegment;
  const size_t number = slab * kBlocksPerStretch;
  const size_t blocks = kSlabsPerSegment * kBlocksPerStretch;
  if (!commit(dense_refcounts, number, blocks)) return false;
  const size_t first_counts = number & ~(kHugeBytes - 1);
  bool done = os_commit(slab_address(slab), kSegmentBytes) &&
              commit(counts, first_counts, kHugeBytes) && commit(overflow_counts, number, blocks);
  for (uint64_t *bitmap : bitmaps) done = done && commit(bitmap, number / 64, blocks / 64);
  segments[segment].accessible = done;
  return done;
}

void Range::give_back_segments(size_t segment, size_t end) {
  const size_t slab = segment * kSlabsPerSegment, count = (end - segment) * kSlabsPerSegment;
  os_discard(slab_address(slab), count * kSlabBytes);
  bool has_objects = false;
  for (size_t at = segment; at < end; ++at) has_objects = has_objects || segments[at].has_objects;
  for (unsigned bitmap = 0; bitmap < (has_objects ? kBitmaps : kAllocated + 1); ++bitmap) {
    uint64_t *const words = bitmaps[bitmap] + slab * kWordsPerStretch;
    if (bitmap == kCycleMark || bitmap == kCycleGrey) {  // the only ones that may not be zero
      drop(reinterpret_cast<uint8_t *>(words), count * kBitmapBytesPerSlab);
    } else {
      discard(words, 0, count * kWordsPerStretch);
    }
  }
  if (!has_objects) return;
  discard(counts, slab * kBlocksPerStretch, count * kBlocksPerStretch);
  discard_rare_counts(segment, end);
  for (; segment < end; ++segment) {
    segments[segment].has_objects = segments[segment].is_dense = false;
  }
}

void Range::discard_bitmap(Bitmap bitmap, size_t segment_limit) {
  discard(bitmaps[bitmap], 0, segment_limit * kSlabsPerSegment * kWordsPerStretch);
}

void Range::discard_rare_counts(size_t segment, size_t end) {
  constexpr size_t kBlocks = kSlabsPerSegment * kBlocksPerStretch;
  while (end > segment && !segments[end - 1].accessible) --end;
  discard(overflow_counts, segment * kBlocks, (end - segment) * kBlocks);
  for (; segment < end; ++segment) {
    if (segments[segment].is_dense) drop(dense_refcounts + segment * kBlocks, kBlocks);
  }
}

// visit(first, count) for each run of container slabs whose reciprocals are such.
template <typename Visit>
void Range::each_run(size_t slab, size_t end, bool (*is_such)(uint32_t), Visit &&visit) const {
  for (; slab < end; ++slab) {
    const size_t first = slab;
    while (slab < end && is_such(tracked[slab])) ++slab;
    if (slab != first) visit(first, slab - first);
  }
}

void Range::expect_judgement(size_t segments) {
  const size_t blocks = segments * kSlabsPerSegment * kBlocksPerStretch;
  const size_t whole = whole_huge_pages(blocks);
  os_discard(counts, whole);  // small pages of young collections
  os_allow_huge(counts, whole);
  os_allow_huge(dense_refcounts - kStagger, blocks + kPageBytes);
  const size_t slabs_end = segments * kSlabsPerSegment;
  populate_counts(0, slabs_end);
  populate_bitmaps({kMark, kCondemned}, 0, slabs_end);
}

void Range::populate_bitmaps(std::initializer_list<Bitmap> wanted, size_t slab, size_t end) {
  each_run(slab, end, is_container, [this, wanted](size_t first, size_t count) {
    for (const Bitmap bitmap : wanted) {
      os_populate(words(bitmap, first), count * kBitmapBytesPerSlab);
    }
  });
}

void Range::populate_counts(size_t slab, size_t end) {
  each_run(slab, end, is_container, [this](size_t first, size_t count) {
    os_populate(counts + first * kBlocksPerStretch, count * kBlocksPerStretch);
  });
  each_run(slab, end, is_dense, [this](size_t first, size_t count) {
    os_populate(dense_refcounts + first * kBlocksPerStretch, count * kBlocksPerStretch);
  });
}

void Range::touch_counts(size_t slab) const {
  const size_t first = slab * kBlocksPerStretch, last = first + stretch(slab) - 1;
  uint8_t *const refcounts = refcounts_of(slab);
  for (uint8_t *at : {counts + first, refcounts + first, refcounts + last}) {
    volatile uint8_t *const byte = at;
    *byte = *byte;
  }
}

bool Range::populate_huge_counts(size_t slab) {
  return os_populate_huge(counts + slab * kBlocksPerStretch, kHugeBytes);
}

void Range::discard_counts_at(size_t slab) {
  os_discard(counts + slab * kBlocksPerStretch, kHugeBytes);
  os_forbid_huge(counts + slab * kBlocksPerStretch, kHugeBytes);
  const size_t end = std::min(slab + kSlabsPerHugeCounts, bytes_ >> kSlabShift);
  discard_rare_counts(slab / kSlabsPerSegment, end / kSlabsPerSegment);
}

void Range::discard_all_counts(size_t segments) {
  const size_t blocks = segments * kSlabsPerSegment * kBlocksPerStretch;
  const size_t whole = whole_huge_pages(blocks);
  os_discard(counts, whole);
  discard(overflow_counts, 0, blocks);
  // Whole pages, which are all of one table.
  os_discard(dense_refcounts - kStagger, blocks + kPageBytes);
  os_forbid_huge(counts, whole);
  os_forbid_huge(dense_refcounts - kStagger, blocks + kPageBytes);
}

void Range::clear_hints(size_t slab) {
  std::memset(words(kCycleMark, slab), 0, kBitmapBytesPerSlab);
  std::memset(words(kCycleGrey, slab), 0, kBitmapBytesPerSlab);
  clear_counts_of(slab);
}

void Range::clear_overflow(size_t first_number, size_t count) {
  uint8_t *const end = counts + first_number + count;
  for (uint8_t *at = counts + first_number; at != end; ++at) {
    at = static_cast<uint8_t *>(std::memchr(at, UINT8_MAX, static_cast<size_t>(end - at)));
    if (at == nullptr) break;
    overflow_counts[at - counts] = 0;
  }
}

}  // namespace loam::alloc
