// What a collection leaves in a table is found by loam_verify, whichever table it is: in a slab in
// use, in a free one, in one whose memory was given back, and beside a large object.
#include <doctest/doctest.h>

#include <vector>

#include "../support/host.h"
#include "runtime/runtime.h"

namespace {

using namespace loam::test;
using loam::alloc::kBlocksPerStretch;
using loam::alloc::kSlabsPerSegment;
using loam::alloc::Large;
using loam::alloc::Range;

bool is_sound(const Host &host) { return loam_verify(host.runtime, 2) == LOAM_OK; }

// A host whose first slab is in use; with free ones beside it, and a segment that was given back.
struct Tables {
  Host host;
  Pair *pair;
  const Range &range;

  Tables() : pair(nullptr), range(host.runtime->heap.range()) {
    host.expect_messages();
    std::vector<void *> blocks;
    while (host.runtime->heap.segments_committed() < 3) {
      blocks.push_back(loam_malloc(host.thread, 256));
    }
    for (void *block : blocks) loam_free(host.thread, block);
    loam_trim(host.thread);
    pair = host.pair();
  }
  ~Tables() { host.drop(pair); }

  // Blocks of the slab in use, of a free one, and of the segment.
  std::vector<std::size_t> blocks() const {
    REQUIRE(!range.segments[2].committed);
    const std::size_t used = range.block_number(pair);
    REQUIRE(used < (kSlabsPerSegment - 1) * kBlocksPerStretch);
    return {used, (kSlabsPerSegment - 1) * kBlocksPerStretch + 70,
            2 * kSlabsPerSegment * kBlocksPerStretch + 4095};
  }
};

}  // namespace

TEST_CASE("a bit that a collection left in any bitmap is found") {
  Tables tables;
  for (unsigned at = loam::alloc::kYoung + 1; at < loam::alloc::kBitmaps; ++at) {
    for (std::size_t block : tables.blocks()) {
      CAPTURE(at);
      CAPTURE(block);
      std::uint64_t &word = tables.range.bitmaps[at][block / 64];
      word |= Range::bit_of(block);
      CHECK_FALSE(is_sound(tables.host));
      word &= ~Range::bit_of(block);
      CHECK(is_sound(tables.host));
    }
  }
}

TEST_CASE("a count that a collection left in any table is found") {
  Tables tables;
  for (std::size_t block : tables.blocks()) {
    CAPTURE(block);
    const std::size_t slab = block / kBlocksPerStretch;
    for (std::uint8_t *table : {tables.range.counts, tables.range.refcounts_of(slab)}) {
      table[block] = 1;
      CHECK_FALSE(is_sound(tables.host));
      table[block] = 0;
      CHECK(is_sound(tables.host));
    }
    tables.range.overflow_counts[block] = 1;
    CHECK_FALSE(is_sound(tables.host));
    tables.range.overflow_counts[block] = 0;
    CHECK(is_sound(tables.host));
  }
}

TEST_CASE("what a collection left in the prefix of a large object is found") {
  Host host;
  host.expect_messages();
  Sized *object = host.sized(100);
  Large *large = Large::of(object);
  const Large before = *large;
  void (*const changes[])(Large *) = {
      [](Large *left) { left->mark = true; },      [](Large *left) { left->cycle_mark = true; },
      [](Large *left) { left->condemned = true; }, [](Large *left) { left->emergency = true; },
      [](Large *left) { left->frozen = true; },    [](Large *left) { left->inner_edges = 1; },
      [](Large *left) { left->scanned = 2048; },   [](Large *left) { left->young = false; },
  };
  for (const auto change : changes) {
    CHECK(is_sound(host));
    change(large);
    CHECK_FALSE(is_sound(host));
    *large = before;
  }
  host.drop(object);
}
