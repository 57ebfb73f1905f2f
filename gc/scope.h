// The sets that the collector judges, and how each is walked. For the judge and the
// incremental cycle.
//
//   kAll        every container, while none is frozen    less the dead and condemned
//   kRecalled   the same, as the remembered roots lead to them: edges to those are counted
//   kThawed     every container, while some are          less the frozen, dead and condemned
//   kSuspects   what the running cycle has not marked    less the frozen, dead and condemned
//   kRescue     the same, counted at less cost: edges into other small containers count too, where
//               nobody will look
//   kYoung      containers in kYoung words               less the dead and condemned; long arrays
//               are not looked into: what they lead to is held from outside
//   kCondemned  what the running collection condemned    all of it, dead ones too
//
// [G-9] Membership does not change while a set is judged: no host code runs but traces.
#pragma once

#include <initializer_list>

#include "gc/judge.h"
#include "gc/tables.h"

namespace loam::gc {

template <Judge::Scope kScope>
struct ScopeTable {
  // Not a list of slabs, but all of them.
  static constexpr bool kWhole = kScope == Judge::Scope::kAll ||
                                 kScope == Judge::Scope::kRecalled ||
                                 kScope == Judge::Scope::kThawed;
  static constexpr bool kUnmarked =
      kScope == Judge::Scope::kSuspects || kScope == Judge::Scope::kRescue;
  // What an edge leads to is looked up in kBitmap.
  static constexpr bool kByBit = !kWhole && kScope != Judge::Scope::kRescue;
  // Frozen objects are to be passed over.
  static constexpr bool kMayMeetFrozen =
      kScope == Judge::Scope::kThawed || kScope == Judge::Scope::kSuspects;
  // Whose bits say that a block may be a member; of suspects, whose bits say that it is none.
  static constexpr alloc::Bitmap kBitmap = kWhole                           ? alloc::kAllocated
                                           : kUnmarked                      ? alloc::kCycleMark
                                           : kScope == Judge::Scope::kYoung ? alloc::kYoung
                                                                            : alloc::kCondemned;
};

// Free blocks and the dead have a count of 0; both keep their bits for a while.
template <Judge::Scope kScope>
inline bool Judge::is_member(const loam_object *object) {
  if (kScope == Scope::kCondemned) return true;
  return object->refcount != 0 && (object->tag & LOAM_FLAG_CONDEMNED) == 0;
}

// visit(slab, word, bits) for each word of a slab with blocks that may be members.
template <Judge::Scope kScope, typename Visit>
inline void Judge::each_member_word_of(size_t slab, Visit &&visit) {
  const alloc::Range &range = heap_.range();
  const uint64_t *words = range.words(ScopeTable<kScope>::kBitmap, slab);
  const uint64_t *allocated = range.words(alloc::kAllocated, slab);
  const uint64_t *set_aside = range.words(alloc::kFrozen, slab);
  const bool any_frozen = ScopeTable<kScope>::kMayMeetFrozen && frozen != 0;
  const size_t count = (range.slabs[slab].block_count + 63) / 64;
  for (size_t word = 0; word < count; ++word) {
    uint64_t bits = allocated[word] & (kScope == Scope::kSuspects ? ~words[word] : words[word]);
    if (any_frozen) bits &= ~set_aside[word];
    if (bits != 0) visit(slab, word, bits);
  }
}

template <Judge::Scope kScope, typename Visit>
inline void Judge::each_member_word(Visit &&visit) {
  const alloc::Range &range = heap_.range();
  using alloc::Slab;
  if (ScopeTable<kScope>::kWhole) {
    const size_t count = heap_.slab_limit();
    for (size_t slab = 0; slab < count; ++slab) {
      if (range.tracked[slab] != 0) each_member_word_of<kScope>(slab, visit);
    }
    return;
  }
  alloc::Heap::SlabList &list = kScope == Scope::kYoung      ? heap_.young
                                : kScope == Scope::kSuspects ? heap_.suspects
                                                             : heap_.condemned;
  alloc::SlabLink Slab::*const link = kScope == Scope::kYoung      ? &Slab::young
                                      : kScope == Scope::kSuspects ? &Slab::suspects
                                                                   : &Slab::condemned;
  size_t slab = alloc::Heap::first_listed(list);
  for (; slab != alloc::kNoSlab; slab = heap_.next_listed(slab, link)) {
    if (range.tracked[slab] != 0) each_member_word_of<kScope>(slab, visit);
  }
}

template <Judge::Scope kScope, typename Visit>
inline void Judge::each_large_member(Visit &&visit) {
  using alloc::LargeRegistry;
  const LargeRegistry &registry = heap_.large();
  for (const auto list : LargeRegistry::kContainerLists) {
    if (kScope == Scope::kYoung && list != LargeRegistry::kYoungList) continue;
    if (kScope == Scope::kSuspects && list != LargeRegistry::kOldList) continue;  // split_large
    if ((kScope == Scope::kCondemned) != (list == LargeRegistry::kCondemnedList)) continue;
    alloc::Large *next;
    for (alloc::Large *large = registry.first(list); large != registry.end(list); large = next) {
      next = large->next;  // a verdict moves it
      if (kScope == Scope::kCondemned && !large->condemned) continue;
      if (ScopeTable<kScope>::kMayMeetFrozen && large->frozen) continue;
      if (kScope == Scope::kSuspects && large->cycle_mark) continue;
      if (is_member<kScope>(static_cast<loam_object *>(large->block()))) visit(large);
    }
  }
}

// The large block behind an edge that leaves the range, if it belongs to this runtime and to the
// scope.
template <Judge::Scope kScope>
inline alloc::Large *Judge::large_member(const alloc::LargeRegistry *registry,
                                         loam_object *object) {
  if (object == nullptr) return nullptr;
  alloc::Large *const large = registry->find(object);
  if (large == nullptr || large->kind != alloc::Kind::kContainer) return nullptr;
  if (!is_member<kScope>(object)) return nullptr;  // nobody would zero what is noted of it [G-5]
  if ((ScopeTable<kScope>::kMayMeetFrozen || kScope == Scope::kRescue) && large->frozen) {
    return nullptr;
  }
  if (ScopeTable<kScope>::kUnmarked && large->cycle_mark) return nullptr;
  if (kScope == Scope::kYoung && !large->young) return nullptr;
  if (kScope == Scope::kCondemned && !large->condemned) return nullptr;
  return large;
}

// The remembered roots, as marking looks for them among all that it comes across.
struct Judge::Recalled {
  explicit Recalled(Judge &judge);
  bool may_be(const loam_object *object) const { return test_bit(filter, place_of(object)); }
  bool count_edge_to(const loam_object *object, size_t number) const;

  static constexpr size_t kPlaces = size_t{1} << 14;  // 1024 roots take up to an eighth, in 2 KiB
  static size_t place_of(const loam_object *object) {
    return reinterpret_cast<uintptr_t>(object) / LOAM_MIN_BLOCK % kPlaces;
  }
  Judge &gc;
  uint64_t filter[kPlaces / 64] = {};
};

// The tables as the passes over one scope read them.
template <Judge::Scope kScope>
struct Judge::View : Tables {
  explicit View(const Judge &gc)
      : Tables(gc.heap_.range()),
        source(gc.heap_.range().bitmaps[ScopeTable<kScope>::kBitmap]),
        marks(gc.heap_.range().bitmaps[alloc::kMark]),
        frozen(gc.frozen != 0 ? gc.heap_.range().bitmaps[alloc::kFrozen] : nullptr),
        registry(&gc.heap_.large()),
        types(gc.types_.types),
        recalled(gc.recalled_),
        far(ScopeTable<kScope>::kWhole && gc.edges_lead_far_) {}

  // Of the block that an edge leads to within the range; kNoNumber when it is in another set.
  size_t member_number(const loam_object *target) const {
    const size_t number = number_of(target);
    if (number == kNoNumber) return number;
    if (ScopeTable<kScope>::kByBit && test_bit(source, number) == (kScope == Scope::kSuspects)) {
      return kNoNumber;
    }
    if (ScopeTable<kScope>::kMayMeetFrozen && LOAM_RARELY(frozen != nullptr) &&
        test_bit(frozen, number)) {
      return kNoNumber;
    }
    return number;
  }
  const Type &type_of(const loam_object *object) const { return *types[type_index(object->tag)]; }

  uint64_t *source;
  uint64_t *marks;
  const uint64_t *frozen;  // null: nothing is
  const alloc::LargeRegistry *registry;
  Type *const *types;
  const Recalled *recalled;  // of kRecalled
  bool far;                  // edges lead far
};

// The type of 64 blocks that lie `size` bytes apart, if all are members and of one type with
// short_run; else nullptr. refcounts[64]: where theirs are noted, of some when they are not alike;
// may be null.
template <Judge::Scope kScope, bool kDown>
inline const Type *Judge::type_of_word(Type *const *types, const char *first, size_t size,
                                       uint8_t *refcounts) {
  const uint32_t index = type_index(reinterpret_cast<const loam_object *>(first)->tag);
  const Type *const type = types[index];
  if (type->short_run == 0) return nullptr;
  for (size_t i = 0; i < 64; ++i) {
    const size_t at = kDown ? 63 - i : i;
    const auto *const object = reinterpret_cast<const loam_object *>(first + at * size);
    if (type_index(object->tag) != index || !is_member<kScope>(object)) return nullptr;
    if (refcounts != nullptr) refcounts[at] = Tables::noted(object->refcount);
  }
  return type;
}

// An edge that leaves the range: counts it, where it leads to a large member; else true.
template <Judge::Scope kScope>
LOAM_NOINLINE bool Judge::leads_out_of(const alloc::LargeRegistry *registry, loam_object *target) {
  alloc::Large *large = large_member<kScope>(registry, target);
  if (large != nullptr) ++large->inner_edges;
  return large == nullptr;
}

// Counts an edge, where it leads to a member.
template <Judge::Scope kScope>
LOAM_ALWAYS_INLINE void Judge::count_edge(const View<kScope> &view, loam_object *target,
                                          EdgeTally &tally) {
  if (LOAM_EXPECT(view.in_range(target))) {
    const size_t number = view.member_number(target);
    if (LOAM_RARELY(number == kNoNumber)) {
      tally.leads_out = true;
    } else if (LOAM_RARELY(view.count(number))) {
      tally.overflowed = true;
    }
  } else if (target != nullptr && leads_out_of<kScope>(view.registry, target)) {
    tally.leads_out = true;
  }
}

}  // namespace loam::gc
