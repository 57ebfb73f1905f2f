#include "allocator/large.h"

namespace loam::alloc {

void LargeRegistry::open() {
  for (Large &list : lists_) list.next = list.previous = &list;
}

void LargeRegistry::close() {
  for (Large &list : lists_) {
    while (list.next != &list) free(list.next);
  }
}

Large *LargeRegistry::reallocate(Large *large, size_t cost) {
  if (cost > PTRDIFF_MAX) return nullptr;
  Large *moved = static_cast<Large *>(system_.reallocate(large, cost));
  if (moved == nullptr) return nullptr;
  moved->next->previous = moved;  // they still point to where it was
  moved->previous->next = moved;
  bytes_ += cost - moved->bytes;
  moved->bytes = cost;
  return moved;
}

void LargeRegistry::move(Large *large, List list) {
  unlink(large);
  link(large, list);
}

bool LargeRegistry::contains(const void *block) const {
  for (const Large &list : lists_) {
    for (const Large *large = list.next; large != &list; large = large->next) {
      if (large + 1 == block) return true;
    }
  }
  return false;
}

}  // namespace loam::alloc
