// The sets that the collector judges, and how each is walked. For judge.cc and cycle.cc.
//
//   kAll        every container                          less the frozen, dead and condemned
//   kYoung      containers in kYoung words               less the dead and condemned
//   kCondemned  what the running collection condemned    all of it, dead ones too
//
// [G-9] Membership does not change while a set is judged: no host code runs but traces.
#pragma once

#include <initializer_list>

#include "gc/collector.h"

namespace loam::gc {

constexpr size_t kNoNumber = SIZE_MAX;  // in place of a block number: a large block

template <Collector::Scope kScope>
struct ScopeTable {
  static constexpr alloc::Bitmap kBitmap = kScope == Collector::Scope::kAll     ? alloc::kAllocated
                                           : kScope == Collector::Scope::kYoung ? alloc::kYoung
                                                                                : alloc::kCondemned;
};

// Free blocks and the dead have a count of 0; both keep their bits for a while.
template <Collector::Scope kScope>
inline bool Collector::is_member(const loam_object *object) {
  if (kScope == Scope::kCondemned) return true;
  return object->refcount != 0 && (object->tag & LOAM_FLAG_CONDEMNED) == 0;
}

// visit(slab, word, bits) for each word of the scope's table with bits set; some may be no members.
template <Collector::Scope kScope, typename Visit>
inline void Collector::each_member_word(Visit &&visit) {
  const alloc::Range &range = heap_.range();
  const auto walk = [&](size_t slab) {
    const alloc::Slab &entry = range.slabs[slab];
    const uint64_t *words = range.words(ScopeTable<kScope>::kBitmap, slab);
    const uint64_t *allocated = range.words(alloc::kAllocated, slab);
    const uint64_t *frozen = range.words(alloc::kFrozen, slab);
    const size_t count = (entry.block_count + 63) / 64;
    for (size_t word = 0; word < count; ++word) {
      uint64_t bits = words[word] & allocated[word];
      if (kScope == Scope::kAll && frozen_ != 0) bits &= ~frozen[word];
      if (bits != 0) visit(slab, word, bits);
    }
  };
  if (kScope == Scope::kAll) {
    for (size_t slab = 0, limit = heap_.slab_limit(); slab < limit; ++slab) {
      if (range.tracked[slab] != 0) walk(slab);
    }
    return;
  }
  const bool is_young = kScope == Scope::kYoung;
  alloc::SlabLink alloc::Slab::*const link =
      is_young ? &alloc::Slab::young : &alloc::Slab::condemned;
  size_t slab = alloc::Heap::first_listed(is_young ? heap_.young : heap_.condemned);
  for (; slab != alloc::kNoSlab; slab = heap_.next_listed(slab, link)) {
    if (range.tracked[slab] != 0) walk(slab);
  }
}

template <Collector::Scope kScope, typename Visit>
inline void Collector::each_large_member(Visit &&visit) {
  using alloc::LargeRegistry;
  if (kScope == Scope::kCondemned && !has_condemned_large_) return;
  const LargeRegistry &registry = heap_.large();
  for (const auto list : {LargeRegistry::kYoungList, LargeRegistry::kOldList}) {
    if (kScope == Scope::kYoung && list == LargeRegistry::kOldList) continue;
    for (alloc::Large *large = registry.first(list); large != registry.end(list);
         large = large->next) {
      if (kScope == Scope::kCondemned ? large->condemned : !large->frozen) visit(large);
    }
  }
}

// visit(object, block number or kNoNumber) for each member.
template <Collector::Scope kScope, typename Visit>
inline void Collector::each_member(Visit &&visit) {
  const alloc::Range &range = heap_.range();
  each_member_word<kScope>([&](size_t slab, size_t word, uint64_t bits) {
    const size_t size = range.slabs[slab].block_size;
    char *const base = range.slab_address(slab) + word * 64 * size;
    const size_t first = slab * alloc::kBlocksPerStretch + word * 64;
    for (; bits != 0; bits &= bits - 1) {
      const size_t at = static_cast<size_t>(__builtin_ctzll(bits));
      loam_object *object = reinterpret_cast<loam_object *>(base + at * size);
      if (is_member<kScope>(object)) visit(object, first + at);
    }
  });
  each_large_member<kScope>([&](alloc::Large *large) {
    loam_object *object = static_cast<loam_object *>(large->block());
    if (is_member<kScope>(object)) visit(object, kNoNumber);
  });
}

// The large block behind an edge that leaves the range, if it belongs to this runtime and to the
// scope.
template <Collector::Scope kScope>
inline alloc::Large *Collector::large_member(const alloc::LargeRegistry *registry,
                                             loam_object *object) {
  if ((object->tag & LOAM_FLAG_LARGE) == 0) return nullptr;  // another runtime's
  alloc::Large *large = alloc::Large::of(object);
  if (large->owner != registry || large->kind != alloc::Kind::kContainer) return nullptr;
  if (kScope == Scope::kAll && large->frozen) return nullptr;
  if (kScope == Scope::kYoung && !large->young) return nullptr;
  if (kScope == Scope::kCondemned && !large->condemned) return nullptr;
  return large;
}

}  // namespace loam::gc
