// Locked memory, which the OS does not take back: what is discarded there reads zero all the same.
#include "allocator/os_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <vector>

#include "runtime/runtime.h"
#include "support/host.h"

namespace loam::test {
namespace {

using alloc::kBlocksPerStretch;
using alloc::kSegmentBytes;
using alloc::kSlabsPerSegment;
using alloc::Range;

// False, and said so, where this process may not lock that much.
bool lock(const void *address, std::size_t bytes) {
  if (mlock(address, bytes) == 0) return true;
  MESSAGE("skipped: this process may not lock ", bytes, " bytes");
  return false;
}

// The tables of one segment that a collection counts in, and its blocks.
bool lock_segment(const Range &range, std::size_t segment) {
  const std::size_t slab = segment * kSlabsPerSegment;
  const std::size_t first = slab * kBlocksPerStretch, count = kSlabsPerSegment * kBlocksPerStretch;
  return lock(range.slab_address(slab), kSegmentBytes) && lock(range.counts + first, count) &&
         lock(range.dense_refcounts + first, count) &&
         lock(range.overflow_counts + first, count * sizeof(std::uint32_t)) &&
         lock(range.words(alloc::kMark, slab), kSlabsPerSegment * alloc::kBitmapBytesPerSlab);
}

bool is_zero(const void *memory, std::size_t bytes) {
  const char *at = static_cast<const char *>(memory);
  return std::all_of(at, at + bytes, [](char byte) { return byte == 0; });
}

TEST_CASE("locked pages that are discarded read zero, and their neighbours keep what they hold") {
  const std::size_t page = alloc::os_page_bytes(), bytes = 4 * page;
  void *reserved = alloc::os_reserve(bytes + page);
  REQUIRE(reserved != nullptr);
  char *pages = reinterpret_cast<char *>((reinterpret_cast<std::uintptr_t>(reserved) + page - 1) /
                                         page * page);
  REQUIRE(alloc::os_commit(pages, bytes));
  std::memset(pages, 0x5A, bytes);
  if (lock(pages + page, page)) {
    alloc::os_discard(pages, 3 * page);
    CHECK(is_zero(pages, 3 * page));
    CHECK(pages[3 * page] == 0x5A);
    CHECK(pages[bytes - 1] == 0x5A);
  }
  alloc::os_release(reserved, bytes + page);
}

TEST_CASE("a segment that is given back though it is locked comes back clean") {
  Host host;
  const Range &range = host.runtime->heap.range();
  constexpr std::size_t kSize = 256;
  std::vector<void *> blocks;
  while (host.runtime->heap.segments_committed() < 3) {
    blocks.push_back(loam_malloc(host.thread, kSize));
    std::memset(blocks.back(), 0x5A, kSize);
  }
  if (!lock_segment(range, 1)) return host.abandon();
  for (void *block : blocks) loam_free(host.thread, block);
  loam_trim(host.thread);
  CHECK_FALSE(range.segments[1].committed);
  CHECK(is_zero(range.slab_address(kSlabsPerSegment), kSegmentBytes));
  CHECK(host.verify());
  bool zeroed = true;
  std::vector<Sized *> objects;
  while (host.runtime->heap.segments_committed() < 3) {
    objects.push_back(host.sized(30));  // of 256 bytes too
    zeroed = zeroed && is_zero(objects.back()->refs, 30 * sizeof(loam_object *));
  }
  CHECK(zeroed);
  for (Sized *object : objects) host.drop(object);
}

TEST_CASE("the counts of a collection are gone after it, also where they are locked") {
  Host host;
  loam_collect_disable(host.thread);
  const Range &range = host.runtime->heap.range();
  std::vector<Sized *> live;  // of 256 bytes, for as many segments as let tables be given back
  while (host.runtime->heap.segments_committed() < 9) {
    live.push_back(host.sized(30));
    if (live.size() > 1) host.set(live.back()->refs[29], live[live.size() - 2]);
  }
  host.set(live[0]->refs[29], live.back());
  const bool locked = lock_segment(range, 1);
  for (int round = 0; locked && round < 2; ++round) {
    CHECK(host.collect() == 0);
    CHECK(host.verify());
  }
  for (Sized *object : live) host.drop(object);
  CHECK(host.collect() == live.size());
}

}  // namespace
}  // namespace loam::test
