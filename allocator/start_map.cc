#include "allocator/start_map.h"

#include <algorithm>

#include "allocator/base/byte_masks.h"
#include "allocator/os_memory.h"

namespace loam::alloc {

size_t StartMap::table_bytes() {
  const size_t page = os_page_bytes();
  return (sizeof(Table) + page - 1) / page * page;
}

LOAM_NOINLINE StartMap::Region &StartMap::region_of(uintptr_t number) const {
  size_t at = number & mask_;
  while (regions_[at].table != nullptr && regions_[at].number != number) at = (at + 1) & mask_;
  return regions_[at];
}

bool StartMap::rebuild(size_t capacity) {
  auto *fresh = static_cast<Region *>(system_.allocate(capacity * sizeof(Region)));
  if (fresh == nullptr) return false;
  std::fill_n(fresh, capacity, kFreeRegion);
  Region *const old = regions_;
  const size_t old_capacity = mask_ + 1;
  regions_ = fresh;
  mask_ = capacity - 1;
  count_ = 0;
  for (size_t at = 0; at < old_capacity; ++at) {
    const Region &region = old[at];
    if (region.table == nullptr) continue;
    if (base::all_zero(region.table->entries, sizeof region.table->entries)) {
      os_release(region.table, table_bytes());
      continue;
    }
    region_of(region.number) = region;
    ++count_;
  }
  if (old != &none_) system_.free(old);
  return true;
}

bool StartMap::prepare() {
  if ((count_ + 1) * 2 > mask_ + 1 && !rebuild((mask_ + 1) * 2)) return false;
  if (spare_ != nullptr) return true;
  // From the address space, so that what nobody writes is not resident, and in small pages.
  void *memory = os_reserve(table_bytes());
  if (memory == nullptr) return false;
  if (!os_commit(memory, table_bytes())) {
    os_release(memory, table_bytes());
    return false;
  }
  spare_ = static_cast<Table *>(memory);
  return true;
}

StartMap::Table *StartMap::find_or_add(uintptr_t number) {
  if (Table *const table = region_of(number).table; table != nullptr) return table;
  if (!prepare()) return nullptr;
  Table *const table = spare_;
  spare_ = nullptr;
  region_of(number) = Region{number, table};
  ++count_;
  return table;
}

bool StartMap::insert_far(const void *block, unsigned code) {
  const uintptr_t address = address_of(block);
  Table *const table = find_or_add(address >> kRegionShift);
  if (table == nullptr) return false;
  put(*table, address, code);
  return true;
}

void StartMap::trim() {
  if (count_ != 0) rebuild(mask_ + 1);
}

void StartMap::close() {
  for (size_t at = 0; at <= mask_; ++at) {
    if (regions_[at].table != nullptr) os_release(regions_[at].table, table_bytes());
  }
  if (spare_ != nullptr) os_release(spare_, table_bytes());
  spare_ = nullptr;
  if (regions_ != &none_) system_.free(regions_);
  regions_ = &none_;
  mask_ = count_ = 0;
}

}  // namespace loam::alloc
