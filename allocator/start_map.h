// Where blocks of more than 256 bytes start, outside of the blocks: none carries a prefix, so a
// block of a power of two fits its size class, and a block is freed without touching another one.
//
//   address:  | region | granule of 256 bytes | unit of 16 | 0 |
//                 |              |                  |
//           hash table  -->  byte of its table  ==  1 + unit; 0: nothing starts in the granule
//
// Since blocks are longer than a granule, no two start in the same one. A table is a byte for
// 256 of the addresses where blocks lie, and only those of its pages are resident that were written.
//
// Of long blocks, of which a region has few, it knows the size too: a source may take far more
// addresses for one than were asked for, and more than ever are resident.
//
// Thread safety: the owning runtime's thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "allocator/base/check.h"
#include "allocator/base/system_heap.h"

namespace loam::alloc {

class StartMap {
 public:
  StartMap() = default;
  StartMap(const StartMap &) = delete;
  StartMap &operator=(const StartMap &) = delete;

  // A block is long when the source says that it has more than this.
  static constexpr size_t kShortBytes = size_t{1} << 17;

  // Of a block that is not in the map, longer than a granule and aligned to a unit; long_bytes is 0
  // when it is not long. False: there is no memory for a table.
  bool insert(const void *block, size_t long_bytes);
  bool erase(const void *block);  // false: it is not in the map
  bool contains(const void *block) const;
  size_t long_bytes(const void *block) const;  // of a long block in the map
  // visit(void *) for each block of the map, which must not change meanwhile.
  template <typename Visit>
  void each(Visit &&visit) const;

  void trim();   // gives back the tables of regions without a block
  void close();  // forgets all blocks

 private:
  static constexpr unsigned kUnitShift = 4, kGranuleShift = 8, kRegionShift = 25;
  static constexpr size_t kGranules = size_t{1} << (kRegionShift - kGranuleShift);
  static constexpr size_t kLongBlocks = (size_t{1} << kRegionShift) / kShortBytes;

  struct Table {
    uint8_t starts[kGranules];
    size_t long_bytes[kLongBlocks];  // of the long block that starts in so many bytes of the region
  };
  struct Region {
    uintptr_t number;
    Table *table;  // null: the entry is free
  };

  static size_t granule_of(uintptr_t address) {
    return (address >> kGranuleShift) & (kGranules - 1);
  }
  static size_t long_block_of(uintptr_t address) { return address / kShortBytes % kLongBlocks; }
  static uint8_t unit_of(uintptr_t address) {
    constexpr uintptr_t kUnits = uintptr_t{1} << (kGranuleShift - kUnitShift);
    return static_cast<uint8_t>(1 + ((address >> kUnitShift) & (kUnits - 1)));
  }
  // The entry of a region, or the free one where it would be put.
  Region *find(uintptr_t number) const {
    size_t at = number & mask_;
    while (regions_[at].table != nullptr && regions_[at].number != number) at = (at + 1) & mask_;
    return &regions_[at];
  }
  Table *add_region(uintptr_t number);
  // Puts the regions into a table of this capacity, and gives up those without a block. False:
  // there is no memory, and nothing has changed.
  bool rebuild(size_t capacity);

  base::SystemHeap system_;
  // Open addressing, at most half full. Regions that lie side by side, as a source of memory takes
  // them, do not collide.
  Region none_ = {};
  Region *regions_ = &none_;
  size_t mask_ = 0;
  size_t count_ = 0;
};

inline bool StartMap::insert(const void *block, size_t long_bytes) {
  const auto address = reinterpret_cast<uintptr_t>(block);
  Table *table = find(address >> kRegionShift)->table;
  if (LOAM_RARELY(table == nullptr)) {
    table = add_region(address >> kRegionShift);
    if (table == nullptr) return false;
  }
  LOAM_ASSERT(table->starts[granule_of(address)] == 0);
  table->starts[granule_of(address)] = unit_of(address);
  if (LOAM_RARELY(long_bytes != 0)) table->long_bytes[long_block_of(address)] = long_bytes;
  return true;
}

inline bool StartMap::contains(const void *block) const {
  const auto address = reinterpret_cast<uintptr_t>(block);
  const Table *table = find(address >> kRegionShift)->table;
  const bool aligned = (address & ((uintptr_t{1} << kUnitShift) - 1)) == 0;
  return table != nullptr && aligned && table->starts[granule_of(address)] == unit_of(address);
}

inline size_t StartMap::long_bytes(const void *block) const {
  const auto address = reinterpret_cast<uintptr_t>(block);
  return find(address >> kRegionShift)->table->long_bytes[long_block_of(address)];
}

inline bool StartMap::erase(const void *block) {
  if (LOAM_RARELY(!contains(block))) return false;
  const auto address = reinterpret_cast<uintptr_t>(block);
  find(address >> kRegionShift)->table->starts[granule_of(address)] = 0;
  return true;
}

template <typename Visit>
void StartMap::each(Visit &&visit) const {
  for (size_t at = 0; at <= mask_; ++at) {
    const Region &region = regions_[at];
    if (region.table == nullptr) continue;
    for (size_t granule = 0; granule < kGranules; ++granule) {
      const uint8_t start = region.table->starts[granule];
      if (start == 0) continue;
      const uintptr_t address = (region.number << kRegionShift) | (granule << kGranuleShift) |
                                (uintptr_t{start} - 1) << kUnitShift;
      visit(reinterpret_cast<void *>(address));
    }
  }
}

}  // namespace loam::alloc
