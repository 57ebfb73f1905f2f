// The common death, inline: what a young object of a simple type costs when its count reaches zero.
// Everything else is in teardown.cc, behind dropped_slow.
//
// Thread safety: the owning runtime's thread.
#pragma once

#include <cstring>

#include "allocator/base/check.h"
#include "gc/collector.h"

namespace loam::gc {

// Zeroes a block behind its link; header and link may be overwritten, the caller sets them
// afterwards. A few stores, which may overlap, beat a call of memset.
inline void zero_behind_link(loam_object *object, size_t bytes) {
  constexpr size_t kStore = 16;
  char *const block = reinterpret_cast<char *>(object);
  char *const end = block + bytes;
  for (char *at = block + sizeof(loam_block); at + kStore < end; at += kStore) {
    __asm__("" : "+r"(at));  // keeps the compiler from making the loop that call
    std::memset(at, 0, kStore);
  }
  std::memset(end - kStore, 0, kStore);
}

// For simple types: of the few references that it can hold, is there one?
inline bool has_children(const loam_object *object, const Type &type) {
  uint64_t any = 0;
  for (const uint16_t offset : type.first_refs) any |= read_field<uint64_t>(object, offset);
  return any != 0;
}

inline void Collector::push_free(loam_object *object, const Type &type) {
  zero_behind_link(object, type.block_size);
  loam_block *block = reinterpret_cast<loam_block *>(object);
  loam_block *&head =
      *reinterpret_cast<loam_block **>(reinterpret_cast<char *>(thread_) + type.head_offset);
  block->header = 0;
  block->next = head;
  head = block;
}

// The common death in one screen: a young object of a simple type that holds nothing any more.
inline void Collector::dropped(loam_object *object) {
  constexpr uint32_t kUncommon =
      LOAM_FLAG_WEAK | LOAM_FLAG_OLD | LOAM_FLAG_LARGE | LOAM_FLAG_CONDEMNED;
  const uint32_t tag = object->tag;
  if (LOAM_EXPECT(object->refcount == 0 && (tag & kUncommon) == 0 && activity_ == Activity::kIdle &&
                  thread_->free_budget > 0)) {
    const Type &type = *types_.types[type_index(tag)];
    if (LOAM_EXPECT(type.simple && !(type.has_edges && has_children(object, type)))) {
      --thread_->free_budget;
      ++statistics_.freed_by_count;
      push_free(object, type);
      return;
    }
  }
  dropped_slow(object);
}

}  // namespace loam::gc
