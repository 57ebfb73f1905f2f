// Everything that looks at all objects: types, freezing, the end of the runtime, the verifier.
#include <cstring>
#include <initializer_list>

#include "allocator/base/check.h"
#include "gc/collector.h"

namespace loam::gc {

using alloc::kBlocksPerStretch;
using alloc::Kind;
using alloc::Large;
using alloc::LargeRegistry;
using alloc::Range;
using alloc::Slab;

Collector::Collector(alloc::Heap &heap, const Hooks &hooks, const Pacing &pacing)
    : heap_(heap),
      hooks_(hooks),
      pacing_(pacing),
      weaks_(heap),
      judge_(heap, types_),
      full_trigger_(pacing.full_minimum_bytes),
      cycle_(heap, types_, judge_, hooks_) {}

void Collector::attach(loam_thread *thread) {
  static_assert((Judge::kScratch + Cycle::kScratch) * sizeof(loam_object *) <=
                Range::kScratchBytes);
  auto **scratch = static_cast<loam_object **>(heap_.range().scratch);
  judge_.use(scratch);
  cycle_.use(scratch + Judge::kScratch);
  thread_ = thread;
  watch_large();
}

void Collector::close() {
  for (uint32_t index = 1; index < types_.count; ++index) heap_.free_metadata(types_.types[index]);
  heap_.free_metadata(types_.types);
  heap_.free_metadata(types_.deaths);
  weaks_.close();
}

namespace {

// The fields at `offsets` as a map of an object's first words; those behind go to *far, and *count
// is their number then.
uint32_t map_fields(const uint16_t *offsets, uint16_t *count, uint16_t *far) {
  uint32_t words = 0;
  uint16_t far_count = 0;
  for (size_t i = 0; i < *count; ++i) {
    const size_t word = offsets[i] / sizeof(uint64_t);
    if (word < kMappedWords) {
      words |= UINT32_C(1) << word;
    } else {
      far[far_count++] = offsets[i];
    }
  }
  *count = far_count;
  return words;
}

// Moves the first run of ref_words to run_begin and run_end.
void split_off_run(Type *type) {
  if (type->ref_words == 0) return;
  const auto first = static_cast<unsigned>(__builtin_ctz(type->ref_words));
  const uint64_t behind = (uint64_t{type->ref_words} >> first) + 1;  // carried over the run's end
  const unsigned last = first + static_cast<unsigned>(__builtin_ctzll(behind));
  type->run_begin = static_cast<uint16_t>(first * sizeof(loam_object *));
  type->run_end = static_cast<uint16_t>(last * sizeof(loam_object *));
  type->ref_words &= ~static_cast<uint32_t>((uint64_t{1} << last) - 1);
}

}  // namespace

Type *Collector::add_type(const Type &type) {
  constexpr uint32_t kMostTypes = UINT32_MAX >> LOAM_TAG_TYPE_SHIFT;
  if (types_.count > kMostTypes) return nullptr;
  if (types_.count >= types_.capacity) {
    const uint32_t capacity = types_.capacity == 0 ? 64 : types_.capacity * 2;
    void *larger = heap_.reallocate_metadata(types_.types, capacity * sizeof(Type *));
    if (larger == nullptr) return nullptr;
    types_.types = static_cast<Type **>(larger);
    larger = heap_.reallocate_metadata(types_.deaths, capacity * sizeof(SimpleDeath));
    if (larger == nullptr) return nullptr;
    types_.deaths = static_cast<SimpleDeath *>(larger);
    types_.types[0] = &free_blocks_;
    types_.capacity = capacity;
  }
  const size_t refs_bytes = type.ref_count * sizeof(uint16_t);
  const size_t values_bytes = type.value_count * sizeof(uint16_t);
  const size_t name_bytes = std::strlen(type.name) + 1;
  void *memory = heap_.allocate_metadata(sizeof(Type) + refs_bytes + values_bytes + name_bytes);
  if (memory == nullptr) return nullptr;
  Type *copy = static_cast<Type *>(memory);
  *copy = type;
  char *tail = reinterpret_cast<char *>(copy + 1);
  copy->refs = reinterpret_cast<uint16_t *>(tail);
  copy->ref_words = map_fields(type.refs, &copy->ref_count, reinterpret_cast<uint16_t *>(tail));
  split_off_run(copy);
  tail += refs_bytes;
  copy->values = reinterpret_cast<uint16_t *>(tail);
  copy->value_words =
      map_fields(type.values, &copy->value_count, reinterpret_cast<uint16_t *>(tail));
  tail += values_bytes;
  copy->has_rest = type.has_rest || copy->ref_count != 0 || copy->value_count != 0;
  copy->only_run = !copy->has_rest && (copy->ref_words | copy->value_words) == 0;
  const size_t run = (copy->run_end - size_t{copy->run_begin}) / sizeof(loam_object *);
  copy->short_run = static_cast<uint8_t>(copy->only_run && run <= kShortRun ? run : 0);
  std::memcpy(tail, type.name, name_bytes);
  copy->name = tail;
  const uint32_t tag = types_.count << LOAM_TAG_TYPE_SHIFT;
  copy->header = uint64_t{tag} << 32 | 1;
  types_.types[types_.count++] = copy;
  types_.any_finalizer = types_.any_finalizer || type.finalize != nullptr;
  types_.any_dispose = types_.any_dispose || type.dispose != nullptr;
  types_.any_trace = types_.any_trace || type.trace != nullptr;
  return copy;
}

// Its head and its block size are known: from now on objects of a simple type die the short way.
void Collector::publish(Type &type) {
  type.dies_plainly = type.head_offset != 0 && !type.has_rest && type.finalize == nullptr &&
                      type.dispose == nullptr;
  if (type.block_size != 0) type.reciprocal = alloc::reciprocal_of(type.block_size);
  const bool simple = type.dies_plainly && type.value_words == 0;
  if (!simple) return;
  SimpleDeath &death = types_.deaths[type_index(static_cast<uint32_t>(type.header >> 32))];
  death.head_offset = static_cast<uint16_t>(type.head_offset);
  size_t first = sizeof(loam_object), end = first;
  if (type.has_edges) {
    first = type.run_begin;
    end = type.run_end;
    if (type.ref_words != 0) {
      const auto above = static_cast<size_t>(__builtin_clz(type.ref_words));
      end = (kMappedWords - above) * sizeof(loam_object *);
    }
  }
  death.first_ref = static_cast<uint16_t>(first);
  death.end_ref = static_cast<uint16_t>(end);
  const bool covered = first == sizeof(loam_object) && end >= type.block_size;
  if (!covered) death.zeroed_bytes = static_cast<uint16_t>(type.block_size);
}

void *Collector::allocate(const Type &type, size_t size) {
  void *memory = heap_.allocate_object(thread_, type.pool_head, size, type.kind, type.unzeroed);
  if (memory == nullptr) return nullptr;
  loam_object *object = static_cast<loam_object *>(memory);
  object->refcount = 1;
  object->tag = static_cast<uint32_t>(type.header >> 32);
  if (!heap_.range().contains(object)) object->tag |= LOAM_FLAG_LARGE;
  return object;
}

void Collector::each_object(ObjectVisitor visit, void *context) const {
  const Range &range = heap_.range();
  for (size_t slab = 0; slab < heap_.slab_limit(); ++slab) {
    const Slab &entry = range.slabs[slab];
    if (entry.kind != Kind::kLeaf && entry.kind != Kind::kContainer) continue;
    for (size_t word = 0; word * 64 < entry.block_count; ++word) {
      uint64_t bits = range.words(alloc::kAllocated, slab)[word];
      char *const base = range.slab_address(slab) + word * 64 * entry.block_size;
      for (; bits != 0; bits &= bits - 1) {
        const size_t at = static_cast<size_t>(__builtin_ctzll(bits));
        loam_object *object = reinterpret_cast<loam_object *>(base + at * entry.block_size);
        if (object->tag != 0) visit(context, object, type_of(object), entry.block_size);
      }
    }
  }
  const LargeRegistry &registry = heap_.large();
  for (unsigned list = LargeRegistry::kLeafList; list < LargeRegistry::kLists; ++list) {
    for (Large *large = registry.first(list); large != registry.end(list); large = large->next) {
      loam_object *object = static_cast<loam_object *>(large->block());
      visit(context, object, type_of(object), large->bytes);
    }
  }
}

// -- Freezing.

void Collector::freeze() {
  if (activity_ != Activity::kIdle || frame_ != nullptr) return;
  finish_interrupted();
  if (!incremental_) abandon_cycle();
  drain_all();
  promote_young();
  const auto freeze_one = [](void *context, loam_object *object, const Type &type, size_t) {
    Collector &self = *static_cast<Collector *>(context);
    if (type.kind != Kind::kContainer || object->refcount == 0) return;
    // Under the heap lock a collection may stand still: what it condemned, it frees.
    if ((object->tag & LOAM_FLAG_CONDEMNED) != 0) return;
    if (object->tag & LOAM_FLAG_LARGE) {
      Large *large = Large::of(object);
      if (!large->frozen) ++self.judge_.frozen;
      large->frozen = true;
      return;
    }
    Range &range = self.heap_.range();
    const size_t number = range.block_number(object);
    if (range.test(alloc::kFrozen, number)) return;
    range.set(alloc::kFrozen, number);
    ++self.judge_.frozen;
  };
  each_object(freeze_one, this);
}

void Collector::unfreeze() {
  if (activity_ != Activity::kIdle || frame_ != nullptr || judge_.frozen == 0) return;
  finish_interrupted();
  if (!incremental_) abandon_cycle();
  Range &range = heap_.range();
  for (size_t slab = 0; slab < heap_.slab_limit(); ++slab) {
    if (range.tracked[slab] == 0) continue;
    // What thaws while a cycle runs is on no list of suspects: it is taken for live.
    for (size_t word = 0; cycle_.running() && word < alloc::kWordsPerStretch; ++word) {
      range.words(alloc::kCycleMark, slab)[word] |= range.words(alloc::kFrozen, slab)[word];
    }
    std::memset(range.words(alloc::kFrozen, slab), 0, alloc::kWordsPerStretch * sizeof(uint64_t));
  }
  for (const auto list : LargeRegistry::kContainerLists) {
    for (Large *large = heap_.large().first(list); large != heap_.large().end(list);
         large = large->next) {
      large->cycle_mark |= large->frozen && cycle_.running();
      large->frozen = false;
    }
  }
  judge_.frozen = 0;
}

// -- The end of the runtime.

// There is no safepoint to come, where what a lock holds up would go on.
void Collector::collect_last() {
  heap_.end_locks();
  ending_ = true;
  collect(Collection::kFull);
}

void Collector::destroy_all() {
  heap_.end_locks();  // of a dispose, or of a handler of messages
  unfreeze();
  cycle_.abandon();
  promote_young();  // no collection within a finalizer moves what is walked here
  // From here on everything is garbage that no finalizer can save: no block is freed until all are
  // disposed.
  const auto condemn_one = [](void *, loam_object *object, const Type &, size_t) {
    object->tag |= LOAM_FLAG_CONDEMNED;
  };
  const auto forget_one = [](void *context, loam_object *object, const Type &, size_t) {
    if (object->tag & LOAM_FLAG_WEAK) {
      static_cast<Collector *>(context)->weaks_.forget(object, false);
    }
  };
  const auto finalize_one = [](void *context, loam_object *object, const Type &type, size_t) {
    constexpr uint32_t kFlags = LOAM_FLAG_CONDEMNED | LOAM_FLAG_FINALIZED;
    if (type.finalize == nullptr || (object->tag & kFlags) != LOAM_FLAG_CONDEMNED) return;
    static_cast<Collector *>(context)->call_finalizer(object, type);
  };
  const auto dispose_one = [](void *context, loam_object *object, const Type &type, size_t) {
    if (type.dispose != nullptr) type.dispose(static_cast<Collector *>(context)->thread_, object);
  };
  each_object(condemn_one, this);
  if (weaks_.count() != 0) each_object(forget_one, this);
  activity_ = Activity::kCollecting;
  run_weak_callbacks(nullptr);
  if (types_.any_finalizer) each_object(finalize_one, this);
  each_object(dispose_one, this);
}

// -- The verifier.

namespace {

struct EdgeCounter {
  const Range *range;
  const LargeRegistry *registry;

  void add(loam_object *target) const {
    if (range->contains(target)) {
      const size_t number = range->block_number(target);
      if (range->counts[number] != UINT8_MAX) {
        ++range->counts[number];
      } else {
        ++range->overflow_counts[number];
      }
    } else if (Large *const large = registry->find(target)) {
      ++large->inner_edges;
    }
  }
  // The count, which it zeroes.
  uint32_t take(loam_object *object) const {
    if (!range->contains(object)) {
      const uint32_t count = Large::of(object)->inner_edges;
      Large::of(object)->inner_edges = 0;
      return count;
    }
    const size_t number = range->block_number(object);
    uint32_t count = range->counts[number];
    range->counts[number] = 0;
    if (count == UINT8_MAX) {
      count += range->overflow_counts[number];
      range->overflow_counts[number] = 0;
    }
    return count;
  }
};

struct VerifyPass {
  const Collector *collector;
  EdgeCounter counter;
  const base::Report *report;
  size_t findings;
};

}  // namespace

// Whether no bit of the bitmap may be set now.
bool Collector::is_to_be_clean(alloc::Bitmap bitmap) const {
  switch (bitmap) {
    case alloc::kAllocated:
    case alloc::kYoung:
      return false;
    case alloc::kCondemned:
      return phase_ == Phase::kNone;
    case alloc::kPending:
      return teardown_.pending.empty();
    case alloc::kDeferred:
      return teardown_.deferred.empty();
    case alloc::kFrozen:
      return judge_.frozen == 0;
    case alloc::kCycleMark:
    case alloc::kCycleGrey:
      return !cycle_.running();
    default:
      return true;
  }
}

// Of slabs without a pool too, since a cycle leaves marks there until it is over.
size_t Collector::verify_tables() const {
  size_t findings = 0;
  const Range &range = heap_.range();
  for (size_t slab = 0; slab < heap_.slab_limit(); ++slab) {
    if (!range.segments[slab / alloc::kSlabsPerSegment].accessible) continue;
    uint64_t set = 0;
    for (unsigned at = 0; at < alloc::kBitmaps; ++at) {
      const auto bitmap = static_cast<alloc::Bitmap>(at);
      if (!is_to_be_clean(bitmap)) continue;
      for (size_t word = 0; word < alloc::kWordsPerStretch; ++word) {
        set |= range.words(bitmap, slab)[word];
      }
    }
    const size_t first = slab * kBlocksPerStretch;
    const size_t counted = judge_.shares_counts ? 0 : range.slabs[slab].block_count;
    const uint8_t *const refcounts = range.refcounts_of(slab);
    for (size_t block = first; block < first + counted; ++block) {
      set |= range.counts[block] | refcounts[block] | range.overflow_counts[block];
    }
    if (set == 0) continue;
    heap_.report().message("[G-5] a table of the collector is not zero at slab %zu", slab);
    ++findings;
  }
  return findings;
}

// What stands in the tables for small objects, and in the prefix of large ones.
size_t Collector::verify_prefixes() const {
  size_t findings = 0;
  const LargeRegistry &registry = heap_.large();
  const bool is_idle = phase_ == Phase::kNone;
  for (const auto list : LargeRegistry::kContainerLists) {
    const bool is_cycles = list == LargeRegistry::kGreyList || list == LargeRegistry::kSeenList;
    const bool is_doomed = list == LargeRegistry::kCondemnedList;
    for (const Large *large = registry.first(list); large != registry.end(list);
         large = large->next) {
      bool set = large->mark || large->emergency || (is_idle && large->condemned) ||
                 (judge_.frozen == 0 && large->frozen) ||
                 (large->condemned || large->emergency) != is_doomed;
      if (!judge_.shares_counts) set = set || large->inner_edges != 0;
      if (!cycle_.running()) set = set || large->cycle_mark || large->scanned != 0 || is_cycles;
      if (!set) continue;
      heap_.report().message("[G-5] the prefix of %p holds what a collection left",
                             static_cast<const void *>(large + 1));
      ++findings;
    }
  }
  return findings;
}

size_t Collector::verify_newborn() const {
  if (!heap_.born_marked) return 0;
  size_t findings = 0;
  const Range &range = heap_.range();
  for (size_t slab = 0; slab < heap_.slab_limit(); ++slab) {
    if (range.tracked[slab] == 0) continue;
    uint64_t suspects = 0;
    for (size_t word = 0; word < alloc::kWordsPerStretch; ++word) {
      suspects |=
          range.words(alloc::kYoung, slab)[word] & ~range.words(alloc::kCycleMark, slab)[word];
    }
    if (suspects == 0) continue;
    heap_.report().message("[G-11] a young block is a suspect, at slab %zu", slab);
    ++findings;
  }
  return findings;
}

size_t Collector::verify_bound() const {
  const size_t watch = heap_.large_watch(), due = works_in_slices() ? 0 : heavy_at_;
  if (watch <= due) return 0;
  heap_.report().message("[A-14] large blocks are watched from %zu bytes on, not from %zu", watch,
                         due);
  return 1;
}

size_t Collector::verify() const {
  const size_t table_findings =
      verify_tables() + verify_prefixes() + verify_newborn() + verify_bound();
  if (table_findings != 0) return table_findings;
  if (judge_.shares_counts) return 0;  // the tables are the cycle's, until its slices have passed
  VerifyPass pass = {this, {&heap_.range(), &heap_.large()}, &heap_.report(), 0};
  const auto count_one = [](void *context, loam_object *object, const Type &type, size_t) {
    const VerifyPass &my = *static_cast<VerifyPass *>(context);
    // The edges of what is condemned may have been released already.
    if (!type.has_edges || (object->tag & LOAM_FLAG_CONDEMNED) != 0) return;
    visit_edges(type, object, [&my](loam_object *target) { my.counter.add(target); });
  };
  const auto compare_one = [](void *context, loam_object *object, const Type &type, size_t) {
    VerifyPass &my = *static_cast<VerifyPass *>(context);
    const uint32_t inner = my.counter.take(object);
    if (inner <= object->refcount) return;
    ++my.findings;
    my.report->message("[G-7] type %s: %u references to %p are reported, its count is %u",
                       type.name, inner, static_cast<void *>(object), object->refcount);
  };
  each_object(count_one, &pass);
  each_object(compare_one, &pass);
  return pass.findings;
}

}  // namespace loam::gc
