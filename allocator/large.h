// Large blocks: what does not fit a size class. Each comes from the system heap and stands in a
// registry, so that it is counted and freed with the runtime.
//
//   object   | Large (64 bytes) | block ... |   on a list; the prefix has what tables have for small
//                                               blocks, so that the collector walks it like them
//   plain memory                | block ... |   in a map of addresses, its size is the source's word
//
// registry.bytes() == the sum of Large::bytes over the lists and of what the source says of
//        plain blocks, and count() the number of blocks.
//
// Thread safety: the owning runtime's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "allocator/base/check.h"
#include "allocator/base/report.h"
#include "allocator/base/system_heap.h"
#include "allocator/slab.h"
#include "allocator/start_map.h"

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
  enum List : unsigned { kLeafList, kYoungList, kOldList, kGreyList, kSeenList, kLists };
  // Those of containers. The cycle parts the old ones: reached and not followed yet; dealt with in
  // the pass under way.
  static constexpr List kContainerLists[] = {kYoungList, kOldList, kGreyList, kSeenList};

  // debug: what is freed lies in quarantine for a while, and late writes are told to `report`.
  // keeps_idle: some plain blocks that are freed wait for the next of their size.
  void open(const base::Report *report, bool debug, bool keeps_idle);
  void close();  // frees every block

  // What a block of `size` bytes costs, or a close lower bound of it; SIZE_MAX when there is no such
  // block. That of an object is to include its prefix.
  size_t cost(size_t size);
  // nullptr when memory ran out. Containers are born young.
  Large *allocate(size_t cost, Kind kind, bool zeroed);
  void free(Large *large);
  // Plain memory; nullptr when it ran out, or when the block would cost more than most_bytes.
  void *allocate_raw(size_t cost, bool zeroed, size_t most_bytes);
  bool free_raw(void *block);  // false: it is no such block
  size_t raw_bytes(const void *block) const {
    const size_t bytes = system_.usable_size(block);
    return LOAM_EXPECT(bytes <= StartMap::kShortBytes) ? bytes : raw_.long_bytes(block);
  }
  template <typename Visit>
  void each_raw(Visit &&visit) const {
    raw_.each(visit);
  }
  void release_idle();
  size_t idle_bytes() const { return idle_bytes_; }
  bool idle_is_sound() const;  // idle_bytes() is the sum over the blocks
  void trim();

  void move(Large *large, List list);
  void move_all(List from, List to);
  // Of what kind a block is; kNone where there is none. By walking the lists: for debug mode.
  Kind kind_of(const void *block) const;

  // for (Large *large = first(list); large != end(list); large = large->next)
  Large *first(unsigned list) const { return lists_[list].next; }
  const Large *end(unsigned list) const { return &lists_[list]; }

  size_t bytes() const { return bytes_; }
  size_t count() const { return count_; }
  const void *touched() const;  // in quarantine, and written since it was freed; nullptr: none

 private:
  // A freed block of debug mode.
  struct Freed {
    void *memory;  // the source's
    void *block;
    size_t size;
  };
  static void link(Large *large, Large *head);
  static void unlink(Large *large);
  void free_guarded(const Freed &freed);
  void release_oldest();
  void keep_idle(void *block, size_t bytes);

  base::SystemHeap system_;
  // The two sums stand apart: a compiler that adds to both at once makes the next load of either
  // wait for the wider store.
  size_t bytes_ = 0;
  Large lists_[kLists];  // sentinels of circular lists
  StartMap raw_;
  size_t count_ = 0;
  // What the source makes of sizes below 8 KiB, in units of 16 bytes; 0: not asked yet.
  static constexpr size_t kGoodSizes = 512;
  uint16_t good_sizes_[kGoodSizes] = {};
  // A freed block, and the classes that it may be of: four for each doubling, as the source has.
  struct Idle {
    Idle *next;
    size_t bytes;
  };
  static constexpr unsigned kLeastIdleShift = 8, kMostIdleShift = 14;
  static constexpr size_t kMostIdle = size_t{1} << kMostIdleShift;
  static constexpr size_t kMostIdleBytes = size_t{128} << 10;
  static unsigned idle_class(size_t bytes) {  // of more than 256 bytes, and kMostIdle at most
    const size_t last = bytes - 1;
    const auto shift = static_cast<unsigned>(63 - __builtin_clzll(last));
    return (shift - kLeastIdleShift) * 4 + static_cast<unsigned>(last >> (shift - 2) & 3);
  }
  Idle *idle_[(kMostIdleShift - kLeastIdleShift) * 4] = {};
  size_t idle_bytes_ = 0;
  bool keeps_idle_ = false;
  // Debug mode: the last freed blocks, poisoned; so many and of so many bytes at most.
  static constexpr size_t kQuarantineBytes = size_t{4} << 20;
  static constexpr size_t kQuarantineBlocks = 4096;
  const base::Report *report_ = nullptr;
  bool guarded_ = false;
  Freed *quarantine_ = nullptr;  // a ring
  size_t quarantine_first_ = 0, quarantine_count_ = 0;
  size_t quarantined_bytes_ = 0;
};

// Inline are the calls on the way of each large block: it may cost little more than mimalloc does.

inline size_t LargeRegistry::cost(size_t size) {
  constexpr size_t kUnit = 16;
  constexpr size_t kListed = (kGoodSizes - 1) * kUnit;
  // A tool that watches finds a write past the end only where blocks are as long as was asked.
  if (LOAM_EXPECT(size <= kListed && !system_.is_watched())) {
    const size_t units = (size + kUnit - 1) / kUnit;
    if (LOAM_RARELY(good_sizes_[units] == 0)) {
      good_sizes_[units] = static_cast<uint16_t>(system_.good_size(units * kUnit));
    }
    return good_sizes_[units];
  }
  return size > PTRDIFF_MAX ? SIZE_MAX : system_.good_size(size);
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
  link(large, &lists_[kind == Kind::kLeaf ? kLeafList : kYoungList]);
  bytes_ += cost;
  ++count_;
  return large;
}

inline void LargeRegistry::free(Large *large) {
  unlink(large);
  large->magic = 0;
  bytes_ -= large->bytes;
  --count_;
  if (LOAM_RARELY(guarded_)) return free_guarded({large, large->block(), large->size()});
  system_.free(large);
}

inline void *LargeRegistry::allocate_raw(size_t cost, bool zeroed, size_t most_bytes) {
  if (cost > PTRDIFF_MAX) return nullptr;
  if (cost <= kMostIdle) {
    Idle *&first = idle_[idle_class(cost)];
    Idle *const idle = first;
    if (idle != nullptr && idle->bytes >= cost && raw_.insert(idle, 0)) {
      first = idle->next;
      idle_bytes_ -= idle->bytes;
      bytes_ += idle->bytes;
      ++count_;
      return zeroed ? std::memset(idle, 0, idle->bytes) : idle;
    }
  }
  void *block = zeroed ? system_.allocate_zeroed(cost) : system_.allocate(cost);
  if (block == nullptr) return nullptr;
  size_t bytes = system_.usable_size(block);
  const bool is_long = bytes > StartMap::kShortBytes;
  if (LOAM_RARELY(is_long)) bytes = cost;
  if (LOAM_RARELY(bytes > most_bytes || !raw_.insert(block, is_long ? cost : 0))) {
    system_.free(block);
    return nullptr;
  }
  bytes_ += bytes;
  ++count_;
  return block;
}

inline bool LargeRegistry::free_raw(void *block) {
  if (LOAM_RARELY(!raw_.erase(block))) return false;
  const size_t bytes = raw_bytes(block);  // that of a long one is still known
  bytes_ -= bytes;
  --count_;
  if (LOAM_EXPECT(keeps_idle_ && bytes <= kMostIdle)) {
    keep_idle(block, bytes);
  } else if (LOAM_RARELY(guarded_)) {
    free_guarded({block, block, bytes});
  } else {
    system_.free(block);
  }
  return true;
}

inline void LargeRegistry::keep_idle(void *block, size_t bytes) {
  if (LOAM_RARELY(idle_bytes_ + bytes > kMostIdleBytes)) release_idle();
  Idle *&first = idle_[idle_class(bytes)];
  Idle *const idle = static_cast<Idle *>(block);
  *idle = Idle{first, bytes};
  first = idle;
  idle_bytes_ += bytes;
}

}  // namespace loam::alloc
