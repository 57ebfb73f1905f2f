// What happens to the condemned: their weak references are emptied, their finalizers run, and what
// is still condemned after that is freed.
#include <cstring>

#include "allocator/base/check.h"
#include "gc/death.h"

namespace loam::gc {

using alloc::kNoSlab;
using alloc::Large;
using alloc::LargeRegistry;
using alloc::Range;
using alloc::Slab;

// The members of a set, as the passes over it walk them: in slices, and while host code runs,
// because members stay until they are freed [G-4].
struct Collector::Members {
  alloc::Heap &heap;
  const GarbageSet &set;

  // visit(object) for each small one from `at` on, about `budget` of them; it returns what it did
  // beside that. True at the end.
  template <typename Visit>
  bool each_small(Sweep *at, size_t *budget, Visit &&visit) const {
    if (at->large != nullptr) return true;
    const Range &range = heap.range();
    for (begin(at); at->slab != kNoSlab; next_slab(at, budget)) {
      if (*budget == 0) return false;
      const uint64_t *const words = range.words(set.bitmap, at->slab);
      const size_t size = range.slabs[at->slab].block_size;
      const size_t count = (range.slabs[at->slab].block_count + 63) / 64;
      for (; at->word < count; ++at->word, at->left = ~uint64_t{0}) {
        char *const base = range.slab_address(at->slab) + at->word * 64 * size;
        for (uint64_t bits = words[at->word] & at->left; bits != 0; bits &= bits - 1) {
          at->left = bits;  // with this one: its finalizer may be left by a long jump
          if (*budget == 0) return false;
          const auto index = static_cast<size_t>(__builtin_ctzll(bits));
          spend(budget, 1 + visit(reinterpret_cast<loam_object *>(base + index * size)));
        }
      }
    }
    at->slab = kFirstSlab;
    return true;
  }

  // work(slab), which returns what it did, for each slab from `at` on.
  template <typename Work>
  bool each_slab(Sweep *at, size_t *budget, Work &&work) const {
    if (at->large != nullptr) return true;
    for (begin(at); at->slab != kNoSlab; next_slab(at, budget)) {
      if (*budget == 0) return false;
      spend(budget, work(at->slab));
    }
    at->slab = kFirstSlab;
    return true;
  }

  // visit(Large *) for each large one, as for the small ones, and after them.
  template <typename Visit>
  bool each_large(Sweep *at, size_t *budget, Visit &&visit) const {
    constexpr auto kList = LargeRegistry::kCondemnedList;
    const LargeRegistry &registry = heap.large();
    Large *large = at->large != nullptr ? at->large : registry.first(kList);
    for (; large != registry.end(kList); large = large->next) {
      if (set.bitmap == alloc::kCondemned ? !large->condemned : !large->emergency) continue;
      at->large = large;
      if (*budget == 0) return false;
      spend(budget, Cycle::kLargeUnits + visit(large));
    }
    at->large = nullptr;
    return true;
  }

  // visit(object) for each.
  template <typename Visit>
  bool each(Sweep *at, size_t *budget, Visit &&visit) const {
    return each_small(at, budget, visit) && each_large(at, budget, [&](Large *large) {
             return visit(static_cast<loam_object *>(large->block()));
           });
  }

 private:
  static void spend(size_t *budget, size_t used) { *budget -= used < *budget ? used : *budget; }
  void begin(Sweep *at) const {
    if (at->slab == kFirstSlab) to_slab(at, alloc::Heap::first_listed(*set.list));
  }
  void next_slab(Sweep *at, size_t *budget) const {
    spend(budget, 1);
    to_slab(at, heap.next_listed(at->slab, set.link));
  }
  static void to_slab(Sweep *at, size_t slab) {
    at->slab = slab;
    at->word = 0;
    at->left = ~uint64_t{0};
  }
};

// Empties the references to the garbage and queues their callbacks, in slices. Between these a
// reference that is still to be emptied gives nothing either: its target is flagged as condemned.
bool Collector::forget_weak(Judge::SetName name, bool as_owner, Sweep *at, size_t *budget) {
  if (weaks_.count() == 0) {
    at->slab = kFirstSlab;
    at->large = nullptr;
    return true;
  }
  const GarbageSet set = judge_.garbage_set(name);
  const auto forget = [this, as_owner](loam_object *object) -> size_t {
    if (object->tag & LOAM_FLAG_WEAK) weaks_.forget(object, as_owner);
    return 0;
  };
  return Members{heap_, set}.each(at, budget, forget);
}

// Some of the condemned; true when the end was reached. One that leaves the heap locked stops it.
bool Collector::finalize_condemned(size_t *budget) {
  if (!types_.any_finalizer) return true;
  const GarbageSet set = judge_.garbage_set(Judge::kCondemnedSet);
  const auto finalize = [this](loam_object *object) -> size_t {
    const Type &type = type_of(object);
    if (type.finalize == nullptr || (object->tag & LOAM_FLAG_FINALIZED) != 0) return 0;
    if (heap_.locked()) return 0;
    host_ran_ = true;
    call_finalizer(object, type);
    return 0;
  };
  return Members{heap_, set}.each(&sweep_, budget, finalize);
}

// Three passes, so that no trace ever reads a freed neighbour and no dispose runs before the last
// trace: release the edges that lead out of the set, dispose, free. Each goes on where the last
// slice left it; true at the end.
bool Collector::sweep(Judge::SetName name, Sweep *at, size_t *budget) {
  const GarbageSet set = judge_.garbage_set(name);
  if (at->pass == SweepPass::kStart) {
    // Those that finalizers made, and the callbacks that the doomed own.
    if (!forget_weak(name, true, at, budget)) return false;
    at->pass = SweepPass::kRelease;
  }
  if (at->pass == SweepPass::kRelease) {
    const bool leads_out = judge_.leads_out || host_ran_ || name == Judge::kEmergencySet;
    if (leads_out && !release_condemned(set, at, budget)) return false;
    at->pass = SweepPass::kDispose;
  }
  if (at->pass == SweepPass::kDispose) {
    if (types_.any_dispose && !dispose_condemned(set, at, budget)) return false;
    at->pass = SweepPass::kFree;
  }
  if (!free_condemned(set, at, budget)) return false;
  while (heap_.unlist_slab(*set.list, set.link) != kNoSlab) {
  }
  *set.count = 0;
  if (name == Judge::kCondemnedSet) judge_.leads_out = false;
  *at = Sweep{};
  return true;
}

size_t Collector::sweep_whole(Judge::SetName name) {
  Sweep at;
  size_t budget = SIZE_MAX;
  const size_t count = *judge_.garbage_set(name).count;
  while (!sweep(name, &at, &budget)) budget = SIZE_MAX;
  return count;
}

// Drops an edge that leads out of the set.
inline void Collector::release_edge(const Tables &tables, const uint64_t *set,
                                    loam_object *target) {
  if (LOAM_EXPECT(tables.in_range(target))) {
    const size_t number = tables.number_of(target);
    if (number != kNoNumber && test_bit(set, number)) return;
  } else {
    if (target == nullptr) return;
    const Large *const large = heap_.large().find(target);
    if (large == nullptr) return;  // another runtime's
    const bool emergency = set == heap_.range().bitmaps[alloc::kEmergency];
    if (emergency ? large->emergency : large->condemned) return;
  }
  if (static_cast<int32_t>(target->refcount) < 0) return;
  LOAM_ASSERT(target->refcount != 0);  // [G-7]
  if (--target->refcount != 0) return;
  // The condemned of a collection that this one interrupted stay for it [G-4].
  if ((target->tag & LOAM_FLAG_CONDEMNED) == 0) queue_dead(target);
}

// Returns how many.
LOAM_NOINLINE size_t Collector::release_rest(const uint64_t *set, loam_object *object) {
  const Tables tables(heap_.range());
  size_t edges = 0;
  visit_rest(type_of(object), object, [this, &tables, set, &edges](loam_object *target) {
    release_edge(tables, set, target);
    ++edges;
  });
  return edges;
}

// Returns the work done beside a few fields.
inline size_t Collector::release_edges(const Tables &tables, const uint64_t *set,
                                       loam_object *object) {
  const Type &type = type_of(object);
  const bool more = visit_fields(type, object, [this, &tables, set](loam_object *target) {
    release_edge(tables, set, target);
  });
  return LOAM_RARELY(more) ? Cycle::units_of_rest(release_rest(set, object)) : 0;
}

bool Collector::release_condemned(const GarbageSet &set, Sweep *at, size_t *budget) {
  const Tables tables(heap_.range());
  const uint64_t *const bits_of_set = heap_.range().bitmaps[set.bitmap];
  return Members{heap_, set}.each(
      at, budget, [&](loam_object *object) { return release_edges(tables, bits_of_set, object); });
}

bool Collector::dispose_condemned(const GarbageSet &set, Sweep *at, size_t *budget) {
  const auto dispose = [this](loam_object *object) -> size_t {
    const Type &type = type_of(object);
    if (type.dispose != nullptr) type.dispose(thread_, object);
    return 0;
  };
  return Members{heap_, set}.each(at, budget, dispose);
}

// The bits of what is gone are cleared first: when the last block is free the slab may be given
// back.
bool Collector::free_condemned(const GarbageSet &set, Sweep *at, size_t *budget) {
  const Members members{heap_, set};
  heap_.hold_segments();
  const bool done = members.each_slab(at, budget, [&](size_t slab) {
    uint64_t *const words = heap_.range().words(set.bitmap, slab);
    const size_t words_count = (heap_.range().slabs[slab].block_count + 63) / 64;
    uint64_t doomed[alloc::kWordsPerStretch];
    std::memcpy(doomed, words, words_count * sizeof *words);
    std::memset(words, 0, words_count * sizeof *words);
    size_t count = 0;
    for (size_t word = 0; word < words_count; ++word) {
      count += static_cast<size_t>(__builtin_popcountll(doomed[word]));
    }
    if (count != 0 && count == heap_.range().slabs[slab].allocated && !heap_.watched()) {
      heap_.return_slab(slab);
      return count;
    }
    for (size_t word = 0; word < words_count; ++word) {
      if (doomed[word] != 0) free_word(slab, word, doomed[word]);
    }
    return count;
  });
  heap_.release_segments();
  if (!done) return false;
  Large *freed = nullptr;  // when the walk is past it
  const auto free_last = [this, &freed] {
    if (freed != nullptr) heap_.large().free(freed);
    freed = nullptr;
  };
  const bool done_large = members.each_large(at, budget, [&](Large *large) -> size_t {
    free_last();
    loam_object *object = static_cast<loam_object *>(large->block());
    if (heap_.debug()) check_end(object, type_of(object));
    freed = large;
    return 0;
  });
  free_last();
  return done_large;
}

// They go back to their slab, young or old: a word of them costs little more than one.
void Collector::free_word(size_t slab, size_t word, uint64_t bits) {
  const size_t size = heap_.range().slabs[slab].block_size;
  char *const base = heap_.range().slab_address(slab) + word * 64 * size;
  const bool watched = heap_.watched();
  if (LOAM_EXPECT(!watched) && ~bits == 0) {
    std::memset(base, 0, 64 * size);
    heap_.return_word(slab, word, bits);
    return;
  }
  for (uint64_t rest = bits; rest != 0; rest &= rest - 1) {
    const size_t at = static_cast<size_t>(__builtin_ctzll(rest));
    loam_object *object = reinterpret_cast<loam_object *>(base + at * size);
    if (LOAM_RARELY(watched)) {
      free_dead_slow(object, type_of(object));
    } else {
      zero_block(object, size);
    }
  }
  if (!watched) heap_.return_word(slab, word, bits);
}

}  // namespace loam::gc
