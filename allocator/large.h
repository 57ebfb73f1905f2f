// Large blocks: what does not fit a size class. Each comes from the system heap, very long plain
// memory from the OS, and stands in a registry, so that it is counted and freed with the runtime.
//
//   object   | Large (64 bytes) | block ... |  on a list, and in a map of addresses; the prefix has
//                                              what tables have for small blocks, so that the
//                                              collector walks it like them
//   plain memory                | block ... |  in another map, with its size class
//
// registry.bytes() == the sum of Large::bytes over the lists and of raw_bytes over the map,
//        and count(), containers() and young() are the numbers of such blocks. What is on a list,
//        and nothing else, is in the map of prefixes.
//
// Thread safety: the owning runtime's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "allocator/base/check.h"
#include "allocator/base/report.h"
#include "allocator/base/system_heap.h"
#include "allocator/large_prefix.h"
#include "allocator/slab.h"
#include "allocator/start_map.h"

namespace loam::alloc {

// Blocks of up to 8 KiB have a class, of which there are four for each doubling: those of mimalloc,
// so that nothing of its blocks is left over.
constexpr unsigned kLargeClasses = 20;
constexpr unsigned kLeastLargeShift = 8;
static_assert(LOAM_MAX_BLOCK == 1 << kLeastLargeShift);
constexpr size_t large_class_bytes(unsigned id) {
  return size_t{5 + id % 4} << (kLeastLargeShift - 2 + id / 4);
}
static_assert(large_class_bytes(kLargeClasses - 1) == StartMap::kLongBytes);
constexpr bool has_large_class(size_t size) {
  return size - (LOAM_MAX_BLOCK + 1) < StartMap::kLongBytes - LOAM_MAX_BLOCK;
}
inline unsigned large_class_of(size_t size) {
  const size_t last = size - 1;
  const auto shift = static_cast<unsigned>(__builtin_clzll(last) ^ 63);
  return (shift - kLeastLargeShift) * 4 + static_cast<unsigned>(last >> (shift - 2) & 3);
}
// Longer ones are counted by what was asked for, in units of the least page that an OS has. Up to
// kMediumBytes mimalloc puts several into a page of its own.
constexpr size_t kLongUnit = 4096;
constexpr size_t kMediumBytes = size_t{1} << 17;
static_assert((kMediumBytes & (kMediumBytes - 1)) == 0 && kMediumBytes > StartMap::kLongBytes);
// What a large block of so many bytes, more than 256, costs; SIZE_MAX when there is no such block.
size_t large_cost(const base::SystemHeap &source, size_t size);

class LargeRegistry {
 public:
  // Apart stand containers that no collection has judged yet, since a young one need not walk the
  // others; and the condemned, of either set. The cycle parts the old ones: reached and not
  // followed yet; dealt with in the pass under way.
  enum List : unsigned {
    kLeafList,
    kYoungList,
    kOldList,
    kGreyList,
    kSeenList,
    kCondemnedList,
    kLists
  };
  static constexpr List kContainerLists[] = {kYoungList, kOldList, kGreyList, kSeenList,
                                             kCondemnedList};

  // debug: what is freed lies in quarantine for a while, and late writes are told to `report`.
  // keeps_idle: some plain blocks that are freed wait for the next of their size.
  void open(const base::Report *report, bool debug, bool keeps_idle);
  void close();  // frees every block

  // nullptr when memory ran out, or when the block would cost more than most_bytes. Containers are
  // born young.
  Large *allocate(size_t size, Kind kind, bool zeroed, size_t most_bytes);
  void free(Large *large);
  // What precedes an object; nullptr: it is none of this registry's. That is known without a look
  // at it: another runtime's may be gone.
  Large *find(const void *object) const {
    Large *const large = Large::of(object);
    return LOAM_EXPECT(objects_.find(large) != 0) ? large : nullptr;
  }
  // Plain memory: one that waits for this size, or else a new one, for which the same holds.
  void *allocate_raw(size_t size, bool zeroed, size_t most_bytes);
  bool free_raw(void *block);  // false: it is no such block
  // The same for most blocks, in fewer steps, where debug is off; false: ask free_raw.
  bool free_near(void *block);
  // One that has_large_class, in the fewest steps, within near_bytes; nullptr: ask
  // allocate_raw.
  void *allocate_near(size_t size);
  void set_near_bytes(size_t bytes) { near_bytes_ = asks_source_ ? 0 : bytes; }
  size_t near_bytes() const { return near_bytes_; }
  // Another size for a long block without a copy: in place, where it has the addresses, or with its
  // pages, where they are its own. nullptr: not so, and nothing has happened.
  void *resize_long(void *block, size_t size, size_t most_bytes);
  size_t raw_bytes_near(const void *block) const;  // in fewer steps, but 0 for a few such blocks
  bool has_pages(const void *block) const { return raw_.find(block) == kPagesCode; }
  bool fits_source(const void *block) const;  // it has as many bytes as it counts
  size_t blocks_with_pages() const { return pages_count_; }
  size_t raw_bytes(const void *block) const {  // 0: it is no such block
    const unsigned code = raw_.find(block);
    return LOAM_EXPECT(code != 0) ? bytes_of(block, code) : 0;
  }
  template <typename Visit>  // visit(void *)
  void each_raw(Visit &&visit) const {
    raw_.each(visit);
  }
  void release_idle();
  void set_keeps_idle(bool keeps_idle);  // takes away what waits
  size_t idle_bytes() const { return idle_bytes_; }
  size_t held_bytes() const { return held_bytes_; }
  struct Sum {
    size_t blocks, bytes;
  };
  Sum sum_of_idle() const;        // by walking
  size_t count_prefixes() const;  // in the map, by walking
  void trim();

  void move(Large *large, List list);
  void move_all(List from, List to);
  // Of what kind a block is; kNone where there is none.
  Kind kind_of(const void *block) const;

  // for (Large *large = first(list); large != end(list); large = large->next)
  Large *first(unsigned list) const { return lists_[list].next; }
  const Large *end(unsigned list) const { return &lists_[list]; }
  Large *last(unsigned list) const { return lists_[list].previous; }
  size_t containers() const { return containers_; }
  size_t young() const { return young_; }
  void make_old(Large *large);
  void make_all_old();  // but the condemned

  size_t bytes() const { return held_bytes_ - idle_bytes_; }
  size_t count() const { return count_; }
  uint64_t gross_bytes() const { return gross_bytes_; }  // handed out so far
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
  // The block of a code in raw_.
  size_t bytes_of(const void *block, unsigned code) const;
  void release(void *block, unsigned code, size_t bytes);
  void *enter(void *block, unsigned code, size_t bytes);
  struct IdleClass;
  void *take_idle(IdleClass &blocks);
  void *from_source(size_t cost, bool zeroed);
  void *allocate_uncommon(size_t size, bool zeroed, size_t most_bytes);
  void leave(void *block, unsigned code);
  void leave_uncommon(void *block, unsigned code);

  // In raw_: a class and 1; a long block; one with pages of its own; what only the source knows.
  static constexpr unsigned kFirstCode = 1;
  static constexpr unsigned kLongCode = kFirstCode + kLargeClasses;
  static constexpr unsigned kPagesCode = kLongCode + 1, kAskCode = kLongCode + 2;
  static constexpr unsigned kObjectCode = 1;  // in objects_: all there is
  static_assert(kAskCode <= UINT8_MAX);

  base::SystemHeap system_;
  // The sums stand apart: a compiler that adds to two at once makes the next load of either wait
  // for the wider store.
  size_t held_bytes_ = 0;  // what is in use, and what waits
  size_t near_bytes_ = 0;
  Large lists_[kLists];    // sentinels of circular lists
  StartMap objects_;       // their prefixes
  StartMap raw_;
  size_t count_ = 0;
  size_t pages_count_ = 0;  // of them, those with pages of their own
  size_t containers_ = 0;   // of all blocks
  size_t young_ = 0;        // of the containers, condemned ones included
  // Freed blocks by class: one of each waits, or as many as 2 KiB hold, 60 KiB in all.
  struct Idle {
    Idle *next;
  };
  struct IdleClass {
    Idle *first;
    uint32_t room;   // for more of them
    uint32_t bytes;  // of each
  };
  static constexpr uint32_t kMostIdleBytes = uint32_t{2} << 10;
  IdleClass idle_[kLargeClasses] = {};
  size_t idle_bytes_ = 0;
  bool asks_source_ = false;  // a tool watches it, or its classes are others
  uint64_t gross_bytes_ = 0;
  // Debug mode: the last freed blocks, poisoned; so many and of so many bytes at most.
  static constexpr size_t kQuarantineBytes = size_t{4} << 20;
  static constexpr size_t kQuarantineBlocks = 4096;
  const base::Report *report_ = nullptr;
  bool guarded_ = false;
  Freed *quarantine_ = nullptr;  // a ring
  size_t quarantine_first_ = 0, quarantine_count_ = 0;
  size_t quarantined_bytes_ = 0;
};

// Inline are the calls on the way of each plain block: it may cost little more than mimalloc does.

inline size_t LargeRegistry::bytes_of(const void *block, unsigned code) const {
  if (LOAM_EXPECT(code < kLongCode)) return large_class_bytes(code - kFirstCode);
  return code != kAskCode ? raw_.long_bytes(block) : system_.usable_size(block);
}

inline size_t LargeRegistry::raw_bytes_near(const void *block) const {
  const unsigned code = raw_.find_near(block);
  if (LOAM_EXPECT(code - kFirstCode < kLargeClasses)) return large_class_bytes(code - kFirstCode);
  return code != 0 && code != kAskCode ? raw_.long_bytes_near(block) : 0;
}

inline void *LargeRegistry::take_idle(IdleClass &blocks) {
  Idle *const idle = blocks.first;
  blocks.first = idle->next;
  ++blocks.room;
  idle_bytes_ -= blocks.bytes;
  return idle;
}

// The source is asked for the size, not for the bytes of its class, though it gives as many: it
// branches on that at once, and would have to wait until the class is known.
inline void *LargeRegistry::allocate_near(size_t size) {
  LOAM_ASSERT(has_large_class(size));
  const unsigned id = large_class_of(size);
  IdleClass &blocks = idle_[id];
  void *block;
  if (LOAM_RARELY(blocks.first != nullptr)) {
    if (LOAM_RARELY(held_bytes_ > near_bytes_)) return nullptr;
    block = take_idle(blocks);
  } else {
    if (LOAM_RARELY(held_bytes_ + blocks.bytes > near_bytes_)) return nullptr;
    block = system_.allocate_unwatched(size);
    if (LOAM_RARELY(block == nullptr)) return nullptr;
    LOAM_ASSERT(system_.usable_size(block) >= blocks.bytes);
    held_bytes_ += blocks.bytes;
  }
  const size_t bytes = blocks.bytes;
  if (LOAM_RARELY(!raw_.insert_near(block, id + kFirstCode))) {
    return enter(block, id + kFirstCode, bytes);
  }
  gross_bytes_ += bytes;
  ++count_;
  return block;
}

inline bool LargeRegistry::free_near(void *block) {
  LOAM_ASSERT(!guarded_);
  const unsigned code = raw_.erase_near(block);
  if (LOAM_EXPECT(code != 0)) leave(block, code);
  return code != 0;
}

// A block that has left the map, where debug is off.
inline void LargeRegistry::leave(void *block, unsigned code) {
  --count_;
  const unsigned id = code - kFirstCode;
  if (LOAM_RARELY(id >= kLargeClasses)) return leave_uncommon(block, code);
  IdleClass &blocks = idle_[id];
  if (LOAM_RARELY(blocks.room == 0)) {
    held_bytes_ -= blocks.bytes;
    return system_.free_unwatched(block);  // what a tool watches has no class
  }
  Idle *const idle = static_cast<Idle *>(block);
  idle->next = blocks.first;
  blocks.first = idle;
  --blocks.room;
  idle_bytes_ += blocks.bytes;
}

}  // namespace loam::alloc
