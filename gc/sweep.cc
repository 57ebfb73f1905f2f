// What happens to the condemned: their weak references are emptied, their finalizers run, and what
// is still condemned after that is freed.
#include <cstring>
#include <initializer_list>

#include "allocator/base/check.h"
#include "gc/death.h"

namespace loam::gc {

using alloc::kNoSlab;
using alloc::Large;
using alloc::LargeRegistry;
using alloc::Range;
using alloc::Slab;

// visit(slab, word, bits) for each word of the set; it may free what the bits name.
template <typename Visit>
void Collector::each_condemned_word(const GarbageSet &set, Visit &&visit) {
  for (size_t slab = alloc::Heap::first_listed(*set.list); slab != kNoSlab;
       slab = heap_.next_listed(slab, set.link)) {
    const uint64_t *const words = heap_.range().words(set.bitmap, slab);
    const size_t count = (heap_.range().slabs[slab].block_count + 63) / 64;
    for (size_t word = 0; word < count; ++word) {
      if (words[word] != 0) visit(slab, word, words[word]);
    }
  }
}

// visit(Large *), which may free it.
template <typename Visit>
void Collector::each_condemned_large(const GarbageSet &set, Visit &&visit) {
  if (!judge_.has_condemned_large) return;
  const LargeRegistry &registry = heap_.large();
  for (const auto list : LargeRegistry::kContainerLists) {
    for (Large *large = registry.first(list); large != registry.end(list);) {
      Large *const next = large->next;
      if (set.bitmap == alloc::kCondemned ? large->condemned : large->emergency) visit(large);
      large = next;
    }
  }
}

// visit(object) for each member; host code may run meanwhile, because members stay until the sweep
// [G-4].
template <typename Visit>
void Collector::each_condemned(Judge::SetName name, Visit &&visit) {
  const GarbageSet set = judge_.garbage_set(name);
  each_condemned_word(set, [this, &visit](size_t slab, size_t word, uint64_t bits) {
    const size_t size = heap_.range().slabs[slab].block_size;
    char *const base = heap_.range().slab_address(slab) + word * 64 * size;
    for (; bits != 0; bits &= bits - 1) {
      const size_t at = static_cast<size_t>(__builtin_ctzll(bits));
      visit(reinterpret_cast<loam_object *>(base + at * size));
    }
  });
  each_condemned_large(
      set, [&visit](Large *large) { visit(static_cast<loam_object *>(large->block())); });
}

// All references to the garbage are empty before any callback runs.
void Collector::forget_weak(Judge::SetName name) {
  if (weaks_.count() == 0) return;
  each_condemned(name, [this](loam_object *object) {
    if (object->tag & LOAM_FLAG_WEAK) weaks_.forget(object, false);
  });
}

void Collector::finalize_condemned() {
  if (!types_.any_finalizer) return;
  each_condemned(Judge::kCondemnedSet, [this](loam_object *object) {
    const Type &type = type_of(object);
    if (type.finalize == nullptr || (object->tag & LOAM_FLAG_FINALIZED) != 0) return;
    if (heap_.locked()) return;
    host_ran_ = true;
    call_finalizer(object, type);
  });
}

// Three passes, so that no trace ever reads a freed neighbour and no dispose runs before the last
// trace: release the edges that lead out of the set, dispose, free.
size_t Collector::sweep(Judge::SetName name) {
  const GarbageSet set = judge_.garbage_set(name);
  const size_t count = *set.count;
  heap_.hold_segments();
  if (count != 0) {
    if (weaks_.count() != 0) {  // those that finalizers made, and the callbacks that the doomed own
      each_condemned(name, [this](loam_object *object) {
        if (object->tag & LOAM_FLAG_WEAK) weaks_.forget(object, true);
      });
    }
    const bool leads_out = judge_.leads_out || host_ran_ || name == Judge::kEmergencySet;
    if (leads_out) release_condemned(set);
    if (types_.any_dispose) {
      each_condemned(name, [this](loam_object *object) {
        const Type &type = type_of(object);
        if (type.dispose != nullptr) type.dispose(thread_, object);
      });
    }
    each_condemned_word(
        set, [this](size_t slab, size_t word, uint64_t bits) { free_word(slab, word, bits); });
    free_condemned_large(set);
  }
  if (name == Judge::kCondemnedSet) judge_.leads_out = false;
  clear_set(set);
  heap_.release_segments();
  return count;
}

// Drops an edge that leads out of the set.
inline void Collector::release_edge(const Tables &tables, const uint64_t *set,
                                    loam_object *target) {
  if (LOAM_EXPECT(tables.in_range(target))) {
    const size_t number = tables.number_of(target);
    if (number != kNoNumber && test_bit(set, number)) return;
  } else {
    if (is_foreign_large(target)) return;  // never followed
    const Large *large = Large::of(target);
    const bool emergency = set == heap_.range().bitmaps[alloc::kEmergency];
    if (emergency ? large->emergency : large->condemned) return;
  }
  if (static_cast<int32_t>(target->refcount) < 0) return;
  LOAM_ASSERT(target->refcount != 0);  // [G-7]
  if (--target->refcount != 0) return;
  // The condemned of a collection that this one interrupted stay for it [G-4].
  if ((target->tag & LOAM_FLAG_CONDEMNED) == 0) queue_dead(target);
}

LOAM_NOINLINE void Collector::release_rest(const uint64_t *set, loam_object *object) {
  const Tables tables(heap_.range());
  visit_rest(type_of(object), object,
             [this, &tables, set](loam_object *target) { release_edge(tables, set, target); });
}

inline void Collector::release_edges(const Tables &tables, const uint64_t *set,
                                     loam_object *object) {
  const Type &type = type_of(object);
  visit_fields(type, object,
               [this, &tables, set](loam_object *target) { release_edge(tables, set, target); });
  if (LOAM_RARELY(type.has_rest)) release_rest(set, object);
}

inline void Collector::release_word(Tables tables, const uint64_t *set, size_t slab, size_t word,
                                    uint64_t bits) {
  const size_t size = heap_.range().slabs[slab].block_size;
  char *const base = heap_.range().slab_address(slab) + word * 64 * size;
  for (; bits != 0; bits &= bits - 1) {
    const size_t at = static_cast<size_t>(__builtin_ctzll(bits));
    release_edges(tables, set, reinterpret_cast<loam_object *>(base + at * size));
  }
}

void Collector::release_condemned(const GarbageSet &set) {
  const Tables tables(heap_.range());
  const uint64_t *const bits_of_set = heap_.range().bitmaps[set.bitmap];
  each_condemned_word(set, [=](size_t slab, size_t word, uint64_t bits) {
    release_word(tables, bits_of_set, slab, word, bits);
  });
  each_condemned_large(set, [=](Large *large) {
    release_edges(tables, bits_of_set, static_cast<loam_object *>(large->block()));
  });
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
      zero_behind_link(object, size);
      *reinterpret_cast<loam_block *>(object) = loam_block{};
    }
  }
  if (!watched) heap_.return_word(slab, word, bits);
}

void Collector::free_condemned_large(const GarbageSet &set) {
  each_condemned_large(set, [this](Large *large) {
    loam_object *object = static_cast<loam_object *>(large->block());
    if (heap_.debug()) check_end(object, type_of(object));
    heap_.large().free(large);
  });
  if (set.bitmap == alloc::kCondemned) judge_.has_condemned_large = false;
}

// The bits of what is gone.
void Collector::clear_set(const GarbageSet &set) {
  for (size_t slab; (slab = heap_.unlist_slab(*set.list, set.link)) != kNoSlab;) {
    std::memset(heap_.range().words(set.bitmap, slab), 0,
                alloc::kWordsPerStretch * sizeof(uint64_t));
  }
  *set.count = 0;
}

}  // namespace loam::gc
