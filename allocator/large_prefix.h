// The prefix of a large object: what stands in tables for small blocks, and the links of the lists
// that it is on.
//
// Thread safety: the owning runtime's thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "allocator/slab.h"

namespace loam::alloc {

struct alignas(16) Large {
  static constexpr uint8_t kMagic = 0xA5;

  Large *next, *previous;  // the registry's list
  Large *next_waiting;     // teardown's queue
  Large *next_grey;        // the collector's queue
  size_t bytes;            // what the block costs, prefix included
  uint32_t inner_edges;    // what range.counts is for small blocks
  Kind kind;
  // What the bitmaps are for small blocks.
  bool young : 1, mark : 1, cycle_mark : 1, condemned : 1, emergency : 1, frozen : 1;
  uint8_t magic;   // kMagic while alive
  size_t scanned;  // collector: items of the array that the cycle has followed

  void *block() { return this + 1; }
  size_t size() const { return bytes - sizeof(Large); }  // what the host may use
  static Large *of(const void *block) {
    return static_cast<Large *>(const_cast<void *>(block)) - 1;
  }
};
static_assert(sizeof(Large) == 64);

}  // namespace loam::alloc
