// Large blocks: what does not fit a size class. Each comes from the system heap with a prefix, and
// stands in a registry, so that it is counted, walked by the collector like any container, and
// freed with the runtime.
//
//   | Large (64 bytes) | block ... |        small: byte of table      large: field of the prefix
//
// registry.bytes() == the sum of Large::bytes over its lists, and count() the number of
//        blocks.
//
// Thread safety: the owning runtime's thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "allocator/base/check.h"
#include "allocator/base/report.h"
#include "allocator/base/system_heap.h"
#include "allocator/slab.h"

namespace loam::alloc {

class LargeRegistry;

struct alignas(16) Large {
  Large *next, *previous;  // the registry's list
  Large *next_waiting;     // teardown's queue
  Large *next_grey;        // the collector's queue
  size_t bytes;            // what the block costs, prefix included
  LargeRegistry *owner;    // the runtime's, so that another's block is told apart
  uint32_t inner_edges;    // what range.counts is for small blocks
  Kind kind;
  // What the bitmaps are for small blocks.
  bool young : 1, mark : 1, cycle_mark : 1, condemned : 1, emergency : 1, frozen : 1;
  uint8_t magic;   // kMagic while alive
  size_t scanned;  // collector: items of the array that the cycle has followed

  static constexpr uint8_t kMagic = 0xA5;
  void *block() { return this + 1; }
  size_t size() const { return bytes - sizeof(Large); }  // what the host may use
  static Large *of(const void *block) {
    return static_cast<Large *>(const_cast<void *>(block)) - 1;
  }
};
static_assert(sizeof(Large) == 64);

class LargeRegistry {
 public:
  // Containers that no collection has judged yet stand apart, so that a young collection need not
  // walk the others.
  enum List : unsigned { kRawList, kLeafList, kYoungList, kOldList, kGreyList, kSeenList, kLists };
  // Those of containers. The cycle parts the old ones: reached and not followed yet; dealt with in
  // the pass under way.
  static constexpr List kContainerLists[] = {kYoungList, kOldList, kGreyList, kSeenList};

  // debug: what is freed lies in quarantine for a while, and late writes are told to `report`.
  void open(const base::Report *report, bool debug);
  void close();  // frees every block

  // What a block of `size` bytes costs; SIZE_MAX when there is no such block.
  size_t cost(size_t size);
  // nullptr when memory ran out. Containers are born young.
  Large *allocate(size_t cost, Kind kind, bool zeroed);
  // Keeps the old block when it fails.
  Large *reallocate(Large *large, size_t cost);
  void free(Large *large);
  void move(Large *large, List list);
  void move_all(List from, List to);
  bool contains(const void *block) const;  // by walking: for debug mode

  // for (Large *large = first(list); large != end(list); large = large->next)
  Large *first(unsigned list) const { return lists_[list].next; }
  const Large *end(unsigned list) const { return &lists_[list]; }

  size_t bytes() const { return bytes_; }
  size_t count() const { return count_; }
  const Large *touched() const;  // in quarantine, and written since it was freed; nullptr: none

 private:
  static List first_list(Kind kind) {
    if (kind == Kind::kRaw) return kRawList;
    return kind == Kind::kLeaf ? kLeafList : kYoungList;
  }
  static void link(Large *large, Large *head);
  static void unlink(Large *large);
  void free_guarded(Large *large);

  base::SystemHeap system_;
  // The two sums stand apart: a compiler that adds to both at once makes the next load of either
  // wait for the wider store.
  size_t bytes_ = 0;
  Large lists_[kLists];  // sentinels of circular lists
  size_t count_ = 0;
  // What the source makes of sizes below 8 KiB, in units of 16 bytes; 0: not asked yet.
  static constexpr size_t kGoodSizes = 512;
  uint16_t good_sizes_[kGoodSizes] = {};
  // Debug mode: freed blocks, poisoned, the oldest last; these many bytes at most.
  static constexpr size_t kQuarantineBytes = size_t{4} << 20;
  const base::Report *report_ = nullptr;
  bool guarded_ = false;
  Large quarantine_;
  size_t quarantined_bytes_ = 0;
};

// Inline are the calls on the way of each large block: it may cost little more than mimalloc does.

inline size_t LargeRegistry::cost(size_t size) {
  constexpr size_t kUnit = 16;
  constexpr size_t kListed = (kGoodSizes - 1) * kUnit - sizeof(Large);
  const size_t total = size + sizeof(Large);
  // A tool that watches finds a write past the end only where blocks are as long as was asked.
  if (LOAM_EXPECT(size <= kListed && !system_.is_watched())) {
    const size_t units = (total + kUnit - 1) / kUnit;
    if (LOAM_RARELY(good_sizes_[units] == 0)) {
      good_sizes_[units] = static_cast<uint16_t>(system_.good_size(units * kUnit));
    }
    return good_sizes_[units];
  }
  return total < size || total > PTRDIFF_MAX ? SIZE_MAX : system_.good_size(total);
}

inline void LargeRegistry::link(Large *large, Large *head) {
  Large *const next = head->next;
  large->next = next;
  large->previous = head;
  head->next = large;
  next->previous = large;
}

inline void LargeRegistry::unlink(Large *large) {
  Large *const next = large->next;
  Large *const previous = large->previous;
  next->previous = previous;
  previous->next = next;
}

inline Large *LargeRegistry::allocate(size_t cost, Kind kind, bool zeroed) {
  if (cost > PTRDIFF_MAX) return nullptr;
  void *memory = zeroed ? system_.allocate_zeroed(cost) : system_.allocate(cost);
  if (memory == nullptr) return nullptr;
  Large *large = static_cast<Large *>(memory);
  *large = Large{};
  large->bytes = cost;
  large->owner = this;
  large->kind = kind;
  large->young = kind == Kind::kContainer;
  large->magic = Large::kMagic;
  link(large, &lists_[first_list(kind)]);
  bytes_ += cost;
  ++count_;
  return large;
}

inline void LargeRegistry::free(Large *large) {
  unlink(large);
  large->magic = 0;
  bytes_ -= large->bytes;
  --count_;
  if (LOAM_RARELY(guarded_)) return free_guarded(large);
  system_.free(large);
}

}  // namespace loam::alloc
