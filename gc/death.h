// The common death, inline: what a young object of a simple type costs when its count reaches zero.
// Everything else is in teardown.cc, behind dropped_slow.
//
// Thread safety: the owning runtime's thread.
#pragma once

#include <cstring>

#include "allocator/base/check.h"
#include "gc/collector.h"

namespace loam::gc {

// Zeroes a block behind its header. That may be overwritten; the caller sets it afterwards. A
// few stores, which may overlap, beat a call of memset.
inline void zero_payload(loam_object *object, size_t bytes) {
  constexpr size_t kStore = 16;
  char *const block = reinterpret_cast<char *>(object);
  char *const end = block + bytes;
  for (char *at = block + sizeof(loam_object); at + kStore < end; at += kStore) {
    __asm__("" : "+r"(at));  // keeps the compiler from making the loop that call
    std::memset(at, 0, kStore);
  }
  std::memset(end - kStore, 0, kStore);
}

inline void zero_block(loam_object *object, size_t bytes) {
  zero_payload(object, bytes);
  *object = loam_object{};
}

// The bits of all that a simple object refers to: not 0 while it holds anything, and where a field
// between its references is set. 0 for any other type. A loop without an exit is half as long.
inline uint64_t bits_of_children(const loam_object *object, const SimpleDeath &death) {
  const char *const base = reinterpret_cast<const char *>(object);
  const char *const end = base + death.end_ref;
  uint64_t bits = 0;
  for (const char *at = base + death.first_ref; at != end; at += sizeof(uint64_t)) {
    uint64_t word;
    std::memcpy(&word, at, sizeof word);
    bits |= word;
    __asm__("" : "+r"(bits));  // or two are loaded at once, and wait for the stores of both
  }
  return bits;
}

// The thread's list whose head lies at `head_offset`.
inline loam_list &list_at(loam_thread *thread, size_t head_offset) {
  return *reinterpret_cast<loam_list *>(reinterpret_cast<char *>(thread) + head_offset);
}
inline bool list_is_full(loam_thread *thread, size_t head_offset) {
  const loam_list &list = list_at(thread, head_offset);
  return list.top == list.limit;
}

// Hands a block to the thread's list whose count is 0, and which is zero behind its header or is
// made so at once. As in loam_new, the halves of the header are written apart because they are read
// apart: a load that is not as wide as the store before it is slow on many processors.
inline void push_block(loam_thread *thread, size_t head_offset, loam_object *object) {
  object->tag = 0;
  *++list_at(thread, head_offset).top = object;
}

inline void Collector::push_free(loam_object *object, const Type &type) {
  zero_payload(object, type.block_size);
  object->refcount = 0;  // the condemned die with a count
  push_block(thread_, type.head_offset, object);
}

// The common death in one screen: a young object of a simple type that holds nothing any more.
inline void Collector::dropped(loam_thread *thread, loam_object *object) {
  constexpr uint32_t kUncommon =
      LOAM_FLAG_WEAK | LOAM_FLAG_OLD | LOAM_FLAG_LARGE | LOAM_FLAG_CONDEMNED;
  static_assert(static_cast<uint32_t>(Activity::kIdle) == 0);
  const uint32_t tag = object->tag;
  const SimpleDeath &death = types_.deaths[type_index(tag)];
  const uint32_t odd = object->refcount | (tag & kUncommon) | static_cast<uint32_t>(activity_);
  // The list of a type that is not simple is LOAM_HEAD_NULL's, which is full as well as empty.
  static_assert(LOAM_HEAD_NULL == 0);  // as in an entry of deaths that was never written
  if (LOAM_EXPECT((odd | bits_of_children(object, death)) == 0 &&
                  !list_is_full(thread, death.head_offset))) {
    ++statistics_.freed_by_count;
    // Zeroed last: its stores could alias what push_block reads, which would be read again.
    const size_t zeroed_bytes = death.zeroed_bytes;
    push_block(thread, death.head_offset, object);
    if (zeroed_bytes != 0) zero_payload(object, zeroed_bytes);
    return;
  }
  dropped_slow(object);
}

}  // namespace loam::gc
