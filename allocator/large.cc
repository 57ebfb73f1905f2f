#include "allocator/large.h"

#include "allocator/base/system_heap.h"

namespace loam::alloc {

namespace {

LargeRegistry::List first_list(Kind kind) {
  if (kind == Kind::kRaw) return LargeRegistry::kRawList;
  return kind == Kind::kLeaf ? LargeRegistry::kLeafList : LargeRegistry::kYoungList;
}

// Also after a move by realloc: the neighbours still point to where the block was.
void relink(Large *large) {
  large->next->previous = large;
  large->previous->next = large;
}

}  // namespace

void LargeRegistry::open() {
  for (Large &list : lists_) list.next = list.previous = &list;
}

void LargeRegistry::close() {
  for (Large &list : lists_) {
    while (list.next != &list) free(list.next);
  }
}

size_t LargeRegistry::cost(size_t size) { return base::system_good_size(size + sizeof(Large)); }

Large *LargeRegistry::allocate(size_t size, Kind kind, bool zeroed) {
  const size_t total = size + sizeof(Large);
  if (total < size || total > PTRDIFF_MAX) return nullptr;
  void *memory = zeroed ? base::system_calloc(total) : base::system_malloc(total);
  if (memory == nullptr) return nullptr;
  Large *large = static_cast<Large *>(memory);
  *large = Large{};
  large->bytes = base::system_usable_size(large);
  large->owner = this;
  large->kind = kind;
  large->young = kind == Kind::kContainer;
  large->magic = Large::kMagic;
  link(large, first_list(kind));
  bytes_ += large->bytes;
  ++count_;
  return large;
}

Large *LargeRegistry::reallocate(Large *large, size_t size) {
  const size_t total = size + sizeof(Large);
  if (total < size || total > PTRDIFF_MAX) return nullptr;
  const size_t old_bytes = large->bytes;
  Large *moved = static_cast<Large *>(base::system_realloc(large, total));
  if (moved == nullptr) return nullptr;
  relink(moved);
  moved->bytes = base::system_usable_size(moved);
  bytes_ += moved->bytes - old_bytes;
  return moved;
}

void LargeRegistry::free(Large *large) {
  large->next->previous = large->previous;
  large->previous->next = large->next;
  large->magic = 0;
  bytes_ -= large->bytes;
  --count_;
  base::system_free(large);
}

void LargeRegistry::move(Large *large, List list) {
  large->next->previous = large->previous;
  large->previous->next = large->next;
  link(large, list);
}

void LargeRegistry::link(Large *large, List list) {
  Large &head = lists_[list];
  large->next = head.next;
  large->previous = &head;
  relink(large);
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
