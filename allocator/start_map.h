// Where blocks of more than 256 bytes start, and a code for the size of each: beside the blocks, so
// that one of a power of two fits its size class, and is freed without a look at any other.
//
//   address:  | region | granule of 256 bytes | place |
//                 |              |                |
//           hash table  -->  entry of a table:  place, code; 0: no block starts there
//
// Of long blocks it knows the size itself, in an array with an entry for each 8 KiB of addresses.
// Since blocks are longer than a granule, and long ones than 8 KiB, no two start in the same
// . A table takes 2 bytes for 256 of the addresses where blocks lie and 8 for 8 KiB, and only
// its pages that were written are resident.
//
// Another map knows where the prefixes of large objects start, and no code.
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
  static constexpr size_t kLongBytes = size_t{1} << 13;  // a long block has more than so many

  StartMap() = default;
  StartMap(const StartMap &) = delete;
  StartMap &operator=(const StartMap &) = delete;

  // Of a block that is not in the map, and longer than a granule; a code is not 0, and less than
  // 256. False: there is no memory for a table.
  bool insert(const void *block, unsigned code) {
    return LOAM_EXPECT(insert_near(block, code)) || insert_far(block, code);
  }
  bool prepare();  // so that the next insert does not fail; false: there is no memory
  unsigned find(const void *block) const;  // the code; 0: the block is not in the map
  unsigned erase(const void *block);       // the same; it is in the map no more
  // The same in fewer steps, but 0 also for a few blocks that are in the map; false: not done.
  bool insert_near(const void *block, unsigned code);
  unsigned find_near(const void *block) const;
  unsigned erase_near(const void *block);
  // The size of a long block in the map, which is kept when it leaves.
  void set_long_bytes(const void *block, size_t bytes);
  size_t long_bytes(const void *block) const;
  size_t long_bytes_near(const void *block) const;  // of one that find_near knows
  // visit(void *) for each block of the map, which must not change meanwhile.
  template <typename Visit>
  void each(Visit &&visit) const;

  void trim();   // gives back the tables of regions without a block
  void close();  // forgets all blocks

 private:
  static constexpr unsigned kGranuleShift = 8, kRegionShift = 25;
  static constexpr size_t kRegionBytes = size_t{1} << kRegionShift;

  struct Entry {
    uint8_t place;  // of a start in its granule
    uint8_t code;
  };
  struct Table {
    Entry entries[kRegionBytes >> kGranuleShift];
    size_t long_bytes[kRegionBytes / kLongBytes];  // of the block that starts in so many bytes
  };
  struct Region {
    uintptr_t number;
    Table *table;  // null: the entry is free
  };
  static constexpr Region kFreeRegion = {UINTPTR_MAX, nullptr};

  static uintptr_t address_of(const void *block) { return reinterpret_cast<uintptr_t>(block); }
  // The entry of a region, or the free one where it would be put.
  Region &region_of(uintptr_t number) const;
  static Entry &entry_in(Table &table, uintptr_t address) {
    return table.entries[address % kRegionBytes >> kGranuleShift];
  }
  // Where a region is, if no other one of the same remainder came before it: nearly always.
  const Region &first_place(uintptr_t number) const { return regions_[number & mask_]; }
  // null: no block of its region is in the map.
  Table *table_of(uintptr_t address) const {
    const uintptr_t number = address >> kRegionShift;
    const Region &first = first_place(number);
    return LOAM_EXPECT(first.number == number) ? first.table : region_of(number).table;
  }
  static unsigned code_at(Entry entry, uintptr_t address) {
    return LOAM_EXPECT(entry.place == static_cast<uint8_t>(address)) ? entry.code : 0;
  }
  bool insert_far(const void *block, unsigned code);
  static void put(Table &table, uintptr_t address, unsigned code);
  static unsigned take_code(Table &table, uintptr_t address);
  static size_t table_bytes();           // whole pages
  Table *find_or_add(uintptr_t number);  // null: there is no memory
  // Puts the regions into a table of this capacity, and gives up those without a block. False:
  // there is no memory, and nothing has changed.
  bool rebuild(size_t capacity);

  base::SystemHeap system_;
  // Open addressing, at most half full. Regions that lie side by side, as a source of memory takes
  // them, do not collide.
  Region none_ = kFreeRegion;
  Region *regions_ = &none_;
  Table *spare_ = nullptr;  // for the next region
  size_t mask_ = 0;
  size_t count_ = 0;
};

inline void StartMap::put(Table &table, uintptr_t address, unsigned code) {
  Entry &entry = entry_in(table, address);
  LOAM_ASSERT(entry.code == 0);
  entry = {static_cast<uint8_t>(address), static_cast<uint8_t>(code)};
}

inline bool StartMap::insert_near(const void *block, unsigned code) {
  const uintptr_t address = address_of(block);
  const Region &first = first_place(address >> kRegionShift);
  if (LOAM_RARELY(first.number != address >> kRegionShift)) return false;
  put(*first.table, address, code);
  return true;
}

inline unsigned StartMap::find(const void *block) const {
  const uintptr_t address = address_of(block);
  Table *const table = table_of(address);
  return LOAM_EXPECT(table != nullptr) ? code_at(entry_in(*table, address), address) : 0;
}

inline unsigned StartMap::take_code(Table &table, uintptr_t address) {
  Entry &entry = entry_in(table, address);
  const unsigned code = code_at(entry, address);
  if (LOAM_EXPECT(code != 0)) entry = {};
  return code;
}

inline unsigned StartMap::erase(const void *block) {
  const uintptr_t address = address_of(block);
  Table *const table = table_of(address);
  return LOAM_EXPECT(table != nullptr) ? take_code(*table, address) : 0;
}

inline unsigned StartMap::find_near(const void *block) const {
  const uintptr_t address = address_of(block);
  const Region &first = first_place(address >> kRegionShift);
  return LOAM_EXPECT(first.number == address >> kRegionShift)
             ? code_at(entry_in(*first.table, address), address)
             : 0;
}

inline unsigned StartMap::erase_near(const void *block) {
  const uintptr_t address = address_of(block);
  const Region &first = first_place(address >> kRegionShift);
  return LOAM_EXPECT(first.number == address >> kRegionShift) ? take_code(*first.table, address)
                                                              : 0;
}

inline void StartMap::set_long_bytes(const void *block, size_t bytes) {
  const uintptr_t address = address_of(block);
  LOAM_ASSERT(bytes > kLongBytes);
  table_of(address)->long_bytes[address % kRegionBytes / kLongBytes] = bytes;
}

inline size_t StartMap::long_bytes(const void *block) const {
  const uintptr_t address = address_of(block);
  return table_of(address)->long_bytes[address % kRegionBytes / kLongBytes];
}

inline size_t StartMap::long_bytes_near(const void *block) const {
  const uintptr_t address = address_of(block);
  return first_place(address >> kRegionShift)
      .table->long_bytes[address % kRegionBytes / kLongBytes];
}

template <typename Visit>
void StartMap::each(Visit &&visit) const {
  for (size_t at = 0; at <= mask_; ++at) {
    const Region &region = regions_[at];
    if (region.table == nullptr) continue;
    uintptr_t granule = region.number << kRegionShift;
    for (const Entry entry : region.table->entries) {
      if (entry.code != 0) visit(reinterpret_cast<void *>(granule + entry.place));
      granule += size_t{1} << kGranuleShift;
    }
  }
}

}  // namespace loam::alloc
