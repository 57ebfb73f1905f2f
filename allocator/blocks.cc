// Blocks one by one: out of a slab, back into it, and the raw calls.
#include <algorithm>
#include <cstring>

#include "allocator/base/byte_masks.h"
#include "allocator/base/check.h"
#include "allocator/guard.h"
#include "allocator/heap.h"
#include "allocator/os_memory.h"
#include "allocator/returns.h"

namespace loam::alloc {

using base::count_bits;

namespace {

// The bits of `word` that stand for blocks which fit the slab.
uint64_t valid_bits(const Slab &slab, size_t word) {
  const size_t first = word * 64;
  if (first + 64 <= slab.block_count) return ~uint64_t{0};
  return first >= slab.block_count ? 0 : (uint64_t{1} << (slab.block_count - first)) - 1;
}

// Stores the blocks of a word that `bits` names below `at`, the first of them highest, as far as
// `least`; returns the bits of those it stored.
uint64_t list_bits(void **&at, void **least, char *base, size_t size, uint64_t bits) {
  const uint64_t past = bits + (bits & (~bits + 1));  // the first run, carried over its end
  if ((past & bits) == 0) {                           // and there is no other, as in a fresh slab
    const auto first = static_cast<size_t>(__builtin_ctzll(bits));
    const size_t run = (past != 0 ? static_cast<size_t>(__builtin_ctzll(past)) : 64) - first;
    const auto room = static_cast<size_t>(at - least);
    const size_t count = run < room ? run : room;
    void **const last = at - count;
    for (char *block = base + first * size; at != last; block += size) *--at = block;
    return ~uint64_t{0} >> (64 - count) << first;
  }
  const auto count = static_cast<ptrdiff_t>(count_bits(bits));
  if (count >= 32 && count <= at - least) {  // without a branch for each: holes are overwritten
    char *block = base;
    for (uint64_t rest = bits; rest != 0; rest >>= 1, block += size) {
      at[-1] = block;
      at -= rest & 1;
    }
    return bits;
  }
  uint64_t rest = bits;
  for (; rest != 0 && at != least; rest &= rest - 1) {
    *--at = base + static_cast<size_t>(__builtin_ctzll(rest)) * size;
  }
  return bits & ~rest;
}

// Bytes from a block on a list to the next one.
intptr_t step_after(void *const *at) {
  return reinterpret_cast<intptr_t>(at[1]) - reinterpret_cast<intptr_t>(at[0]);
}

// How many blocks from `at` on lie in a row, `step` bytes from one to the next.
size_t row_length(void *const *at, void *const *end, intptr_t step) {
  void *const *last = at;
  while (last + 1 != end && step_after(last) == step) ++last;
  return static_cast<size_t>(last - at) + 1;
}

}  // namespace

// What a return writes to, hoisted out of its loop: the stores may alias any member.
struct Heap::AtRest {
  Heap &heap;
  Slab *slabs;
  uint64_t *allocated, *young;
  explicit AtRest(Heap &of)
      : heap(of),
        slabs(of.range_.slabs),
        allocated(of.range_.bitmaps[kAllocated]),
        young(of.range_.bitmaps[kYoung]) {}
  template <bool kAnyYoung>
  void clear_bits(Slab &slab, uint32_t block_count, size_t word, uint64_t bits,
                  uint32_t count) const;
  static void refile(Heap &heap, size_t index, uint32_t before);
  void clear_row(size_t number, size_t count) const;
  template <bool kAnyYoung>
  void **clear_scattered(void **at, void **end, size_t block_size, uint32_t reciprocal) const;
};

size_t Heap::partial_slab(unsigned head) {
  const uint32_t first = pools_[head].partial;
  return first != kNoSlab ? size_t{first} : take_slab(head);
}

// Marks free blocks of one word as handed out; count_taken is for the caller to call.
inline void Heap::take_bits(size_t index, size_t word, uint64_t wanted) {
  LOAM_ASSERT((range_.words(kAllocated, index)[word] & wanted) == 0);
  range_.words(kAllocated, index)[word] |= wanted;
  if (range_.slabs[index].kind != Kind::kContainer) return;
  range_.words(kYoung, index)[word] |= wanted;
  if (born_marked) range_.words(kCycleMark, index)[word] |= wanted;
}

// A young collection comes to the counts of all these slabs at once, and their pages may be gone.
LOAM_NOINLINE void Heap::list_young(size_t index) {
  list_slab(young, &Slab::young, index);
  ++young_slabs;
  if (judges_young && gives_back_tables()) range_.touch_counts(index);
}

inline void Heap::count_taken(size_t index, uint32_t count) {
  Slab &slab = range_.slabs[index];
  if (slab.kind == Kind::kContainer) {
    if (slab.young == kUnlisted) list_young(index);
    young_blocks += count;
  }
  taken_blocks += count;
  slab.allocated += count;
  pools_[slab.head].allocated += count;
  handed_out_bytes_ += size_t{count} * slab.block_size;
  own_gross_bytes_ += size_t{count} * slab.block_size;
  if (slab.allocated == slab.block_count) unlink_partial(slab, index);
}

// Fills an empty list from one slab, so that it is popped in address order, and pops the first.
LOAM_NOINLINE void *Heap::refill(loam_thread *thread, unsigned head) {
  if (!is_open(thread, head) && !open_list(thread, head)) return nullptr;
  const size_t index = partial_slab(head);
  if (index == kNoSlab) return nullptr;
  forget_free_young(head);
  const Slab &slab = range_.slabs[index];
  LOAM_ASSERT(!slab.lags);
  const size_t size = slab.block_size;
  const auto capacity = static_cast<size_t>(thread->heads[head].limit - pools_[head].list);
  const size_t most = capacity - capacity / 4;  // some may be freed before the others are used
  void **const first = pools_[head].list + 1;
  void **at = first + most;
  const uint64_t *const words = range_.words(kAllocated, index);
  size_t word = 0;
  while (words[word] == ~uint64_t{0}) ++word;  // one has a free block
  for (; word * 64 < slab.block_count && at != first; ++word) {
    const uint64_t bits = ~words[word] & valid_bits(slab, word);
    if (bits == 0) continue;
    char *const base = range_.slab_address(index) + word * 64 * size;
    take_bits(index, word, list_bits(at, first, base, size, bits));
  }
  const auto count = static_cast<size_t>(first + most - at);
  count_taken(index, static_cast<uint32_t>(count));
  if (at != first) std::memmove(first, at, count * sizeof *first);
  const char *const end = static_cast<char *>(*first) + size;
  const auto end_offset = static_cast<size_t>(end - range_.slab_address(index));
  if (LOAM_RARELY(end_offset > slab.asked_bytes)) touch_part(index, end_offset);
  thread->heads[head].top = first + count - 2;
  return first[count - 1];
}

// One block, past the lists: under the eyes of debug or torture.
void *Heap::take_one(unsigned head) {
  const size_t index = partial_slab(head);
  if (index == kNoSlab) return nullptr;
  const Slab &slab = range_.slabs[index];
  const size_t words = (slab.block_count + 63) / 64;
  const size_t start = torture_.plan.random_slots ? torture_.random() % words : 0;
  for (size_t step = 0; step < words; ++step) {
    const size_t word = (start + step) % words;
    uint64_t bits = ~range_.words(kAllocated, index)[word] & valid_bits(slab, word);
    if (bits == 0) continue;
    if (torture_.plan.random_slots) {
      for (uint64_t skip = torture_.random() % 64; skip > 0; --skip) {
        if ((bits & (bits - 1)) != 0) bits &= bits - 1;
      }
    }
    const size_t at = word * 64 + static_cast<size_t>(__builtin_ctzll(bits));
    char *block = range_.slab_address(index) + at * slab.block_size;
    take_bits(index, word, bits & (~bits + 1));
    count_taken(index, 1);
    return block;
  }
  LOAM_CHECK(slab.allocated == slab.block_count);  // it was on the partial list
  return nullptr;
}

inline void *Heap::take_block(loam_thread *thread, unsigned head) {
  if (!has_cache()) return take_one(head);
  void **&top = thread->heads[head].top;
  return *top != nullptr ? *top-- : refill(thread, head);
}

void Heap::return_block(void *block) {
  const size_t index = range_.slab_index(block);
  const size_t number = range_.block_number(block);
  Slab &slab = range_.slabs[index];
  Pool &pool = pools_[slab.head];
  handed_out_bytes_ -= slab.block_size;
  LOAM_ASSERT(range_.test(kAllocated, number));
  if (slab.kind == Kind::kContainer && range_.test(kYoung, number)) {
    range_.clear(kYoung, number);
    --young_blocks;
  }
  if (torture_.plan.never_reuse) {
    ++pool.retired;
    return;
  }
  range_.clear(kAllocated, number);
  if (slab.allocated == slab.block_count) link_partial(slab, index);
  --pool.allocated;
  if (--slab.allocated == 0) release_slab(index);
}

// Takes `count` blocks of one word back into their slab. What the pool and the heap have handed out
// is the caller's to count. kAnyYoung: they may be containers.
template <bool kAnyYoung>
LOAM_ALWAYS_INLINE void Heap::AtRest::clear_bits(Slab &slab, uint32_t block_count, size_t word,
                                                 uint64_t bits, uint32_t count) const {
  LOAM_ASSERT((allocated[word] & bits) == bits && !heap.watched_);
  LOAM_ASSERT((kAnyYoung && slab.young != kUnlisted) || (young[word] & bits) == 0);
  if (kAnyYoung && slab.young != kUnlisted) {  // else none of them is: spare the memory
    const uint64_t both = young[word] & bits;
    heap.young_blocks -= both == bits ? count : count_bits(both);
    young[word] &= ~bits;
  }
  allocated[word] ^= bits;
  const uint32_t before = slab.allocated;
  slab.allocated = before - count;
  // It was full, or is empty: one comparison, since 0 less 1 is more than any count.
  if (LOAM_RARELY(before - count - 1 >= block_count - count - 1)) {
    refile(heap, word / kWordsPerStretch, before);
  }
}

// Has the lists of slabs follow what a slab has become.
LOAM_NOINLINE void Heap::AtRest::refile(Heap &heap, size_t index, uint32_t before) {
  Slab &slab = heap.range_.slabs[index];
  if (before == slab.block_count) heap.link_partial(slab, index);
  if (slab.allocated == 0) heap.release_slab(index);
}

void Heap::return_slab(size_t index) {
  Slab &slab = range_.slabs[index];
  LOAM_ASSERT(slab.allocated != 0 && !slab.lags && !watched_);
  handed_out_bytes_ -= size_t{slab.allocated} * slab.block_size;
  clear_all_bits(index);
  if (slab.allocated == slab.block_count) link_partial(slab, index);
  pools_[slab.head].allocated -= slab.allocated;
  slab.allocated = 0;
  slab.dirty = true;
  release_slab(index);
}

void Heap::return_word(size_t index, size_t word, uint64_t bits) {
  const ReturnedWord one = {index * kWordsPerStretch + word, bits};
  return_words(&one, 1, false);
}

void Heap::return_words(const ReturnedWord *words, size_t words_count, bool may_lag) {
  const AtRest tables(*this);
  size_t bytes = 0;
  for (const ReturnedWord *at = words; at != words + words_count; ++at) {
    const size_t index = at->word / kWordsPerStretch;
    if (lose(*at)) continue;
    const auto count = static_cast<uint32_t>(count_bits(at->bits));
    Slab &slab = tables.slabs[index];
    bytes += size_t{count} * slab.block_size;
    pools_[slab.head].allocated -= count;
    // A slab that lost an eighth of its blocks singly is likely to lose the others so too. From
    // then on its bits are left as they are: they are in no cache. Where the whole slab goes,
    // nobody will look for them; where much of it stays, that costs more than was gained.
    const bool will_lag =
        may_lag && LOAM_RARELY(++slab.lost > slab.block_count / 8) && slab.allocated > count;
    tables.clear_bits<true>(slab, slab.block_count, at->word, at->bits, count);
    if (LOAM_EXPECT(!will_lag)) continue;
    slab.lags = true;
    slab.lost = 0;
    list_slab(lagging, &Slab::lagging, index);
  }
  handed_out_bytes_ -= bytes;
}

// Blocks of one slab that lie in a row.
inline void Heap::AtRest::clear_row(size_t number, size_t count) const {
  while (count > 0) {
    const size_t first = number % 64;
    const size_t part = count < 64 - first ? count : 64 - first;
    const uint64_t bits = ~uint64_t{0} >> (64 - part) << first;
    Slab &slab = slabs[number / kBlocksPerStretch];
    clear_bits<true>(slab, slab.block_count, number / 64, bits, static_cast<uint32_t>(part));
    number += part;
    count -= part;
  }
}

// Blocks of a list that do not lie beside the next one, one by one; returns where a row begins.
template <bool kAnyYoung>
LOAM_NOINLINE void **Heap::AtRest::clear_scattered(void **at, void **end, size_t block_size,
                                                   uint32_t reciprocal) const {
  const AtRest tables = *this;
  const uintptr_t base = heap.range_.base();
  const auto size = static_cast<intptr_t>(block_size);
  const auto block_count = static_cast<uint32_t>(kSlabBytes / block_size);
  const auto clear_one = [&tables, base, block_count, reciprocal](void *block) {
    const size_t offset = reinterpret_cast<uintptr_t>(block) - base;
    const size_t slab = offset >> kSlabShift;
    const size_t index = block_index(offset & (kSlabBytes - 1), reciprocal);
    tables.clear_bits<kAnyYoung>(tables.slabs[slab], block_count,
                                 slab * kWordsPerStretch + index / 64, Range::bit_of(index), 1);
  };
  while (at != end) {
    const intptr_t step = at + 1 != end ? step_after(at) : 0;
    if (step == size || step == -size) break;
    // A row is looked for at each eighth only.
    if (LOAM_EXPECT(end - at >= 8)) {
      for (size_t i = 0; i < 8; ++i) clear_one(at[i]);
      at += 8;
    } else {
      clear_one(*at++);
    }
  }
  return at;
}

// Takes the blocks back that have waited longest. Blocks that died together often lie in a row:
// those go back by words.
void Heap::return_oldest(loam_thread *thread, unsigned head, size_t count) {
  if (count == 0) return;
  forget_free_young(head);
  Pool &pool = pools_[head];
  void **const first = pool.list + 1;
  void **const end = first + count;
  const AtRest tables(*this);
  const intptr_t size = pool.block_size;
  const uint32_t reciprocal = reciprocal_of(pool.block_size);
  for (void **at = first;;) {
    at = pool.kind == Kind::kContainer
             ? tables.clear_scattered<true>(at, end, pool.block_size, reciprocal)
             : tables.clear_scattered<false>(at, end, pool.block_size, reciprocal);
    if (at == end) break;
    const size_t number = range_.block_number(*at, reciprocal), index = number % kBlocksPerStretch;
    const bool up = step_after(at) > 0;
    const size_t room = up ? kSlabBytes / pool.block_size - index : index + 1;
    const size_t left = static_cast<size_t>(end - at);
    const size_t row = row_length(at, at + (room < left ? room : left), up ? size : -size);
    tables.clear_row(up ? number : number + 1 - row, row);
    at += row;
  }
  pool.allocated -= count;
  handed_out_bytes_ -= count * pool.block_size;
  const size_t left = cached_blocks(thread, head) - count;
  std::memmove(first, end, left * sizeof *first);
  thread->heads[head].top = first + left - 1;
}

void *Heap::allocate_object(loam_thread *thread, unsigned head, size_t size, Kind kind,
                            bool unzeroed) {
  if (locked() || torture_.fails()) {
    ++failures_;
    return nullptr;
  }
  const size_t guarded = debug_ ? size + kGuardBytes : size;
  if (guarded < size) return nullptr;
  void *block;
  size_t bytes;
  if (guarded > LOAM_MAX_BLOCK) {
    block = allocate_large(guarded, kind, !unzeroed);
    if (block == nullptr && reclaim(thread)) block = allocate_large(guarded, kind, !unzeroed);
    bytes = block != nullptr ? Large::of(block)->size() : 0;
    if (block != nullptr && unzeroed) std::memset(block, 0, sizeof(loam_object));
  } else {
    if (head == LOAM_HEAD_NULL || debug_) head = object_head(guarded, kind);
    block = take_block(thread, head);
    if (block == nullptr && reclaim(thread)) block = take_block(thread, head);
    bytes = pools_[head].block_size;
  }
  if (block == nullptr) {
    ++failures_;
    return nullptr;
  }
  if (debug_) guard_new(block, bytes, size, "loam_new");
  return block;
}

void Heap::free_object(loam_thread *thread, loam_object *object) {
  if (object->tag & LOAM_FLAG_LARGE) {
    large_.free(Large::of(object));
    return;
  }
  const uint32_t tag = object->tag;
  object->refcount = object->tag = 0;
  if (LOAM_EXPECT((tag & LOAM_FLAG_OLD) == 0 && push(thread, object))) return;
  if (debug_) guard_poison(object, block_bytes(object), tag);
  return_block(object);
}

void *Heap::allocate_large(size_t size, Kind kind, bool zeroed) {
  Large *large = large_.allocate(size, kind, zeroed, room());
  if (large == nullptr) return nullptr;
  large->cycle_mark = born_marked;
  note_growth();
  return large->block();
}

void *Heap::take_large(size_t size, bool zeroed) {
  void *const block = large_.allocate_raw(size, zeroed, room());
  // The last: it was past the limit once, and perhaps is no more.
  const size_t held = large_.held_bytes();
  const bool may_be_more = limit_bytes_ != 0 && held > large_.near_bytes();
  return held > large_below_peak_ || may_be_more ? note_large(block) : block;
}

void *Heap::take_raw(loam_thread *thread, size_t size, bool zeroed) {
  const unsigned head = raw_head(size < LOAM_MAX_BLOCK ? size : size_t{LOAM_MAX_BLOCK});
  for (;;) {
    void *block = size > LOAM_MAX_BLOCK ? take_large(size, zeroed) : take_block(thread, head);
    if (block != nullptr || !reclaim(thread)) return block;
  }
}

void *Heap::allocate_raw(loam_thread *thread, size_t size) {
  const size_t total = debug_ ? size + kGuardBytes : size;
  void *block = nullptr;
  if (total >= size && !locked() && !torture_.fails()) {
    block = take_raw(thread, total, false);
  }
  if (block == nullptr) {
    ++failures_;
    return nullptr;
  }
  if (debug_) guard_new(block, raw_bytes(block, "loam_malloc"), size, "loam_malloc");
  return block;
}

void *Heap::allocate_zeroed(loam_thread *thread, size_t size) {
  if (size > LOAM_MAX_BLOCK && !debug_) {  // the source may know that its pages are zero
    void *block = !locked() && !torture_.fails() ? take_raw(thread, size, true) : nullptr;
    if (block == nullptr) ++failures_;
    return block;
  }
  void *block = allocate_raw(thread, size);
  if (block != nullptr) std::memset(block, 0, size);
  return block;
}

void Heap::free_raw(loam_thread *thread, void *block) {
  if (block == nullptr) return;
  if (LOAM_RARELY(debug_)) check_raw(block, "loam_free");
  if (!range_.contains(block)) {
    if (LOAM_EXPECT(large_.free_raw(block))) return;
    refuse_unknown(block, "loam_free");
  }
  if (debug_) {
    guard_poison(block, block_bytes(block), 0);
  } else if (torture_.plan.poison) {
    std::memset(block, kPoisonByte, block_bytes(block));
  }
  if (!push(thread, block)) return_block(block);
}

size_t Heap::usable_size(const void *block) const {
  if (block == nullptr) return 0;
  const size_t bytes = raw_bytes(block, "loam_usable_size");
  return debug_ ? guard_size(block, bytes) : bytes;
}

// From large to large. What grows by little is given an eighth more than it asked for, if there is
// room: it will ask again. What doubles has room of its own.
void *Heap::reallocate_large(loam_thread *thread, void *block, size_t size) {
  const size_t before = raw_bytes(block, "loam_realloc");
  // Of the first size if it may be, or else of the other; by a copy only where neither is to be had
  // without.
  const auto attempt = [this, block, before](size_t most, size_t least) {
    const size_t beside = room();  // what is freed makes room too
    const size_t most_bytes = beside > SIZE_MAX - before ? beside : beside + before;
    for (size_t bytes = most;; bytes = least) {
      if (void *const moved = large_.resize_long(block, bytes, most_bytes)) return moved;
      if (bytes == least) break;
    }
    for (size_t bytes = most;; bytes = least) {
      void *const moved = large_.allocate_raw(bytes, false, most_bytes);
      if (moved != nullptr) replace_large(block, before, moved, bytes);
      if (moved != nullptr || bytes == least) return moved;
    }
  };
  void *moved = nullptr;
  if (size <= before) {
    moved = attempt(size, size);
    if (moved == nullptr) return block;
  } else if (!locked() && !torture_.fails()) {
    moved = attempt(size - before < size / 8 ? size + size / 8 : size, size);
    if (moved == nullptr && reclaim(thread)) moved = attempt(size, size);
  }
  if (moved == nullptr) {
    ++failures_;
    return nullptr;
  }
  note_growth();
  return moved;
}

void Heap::replace_large(void *block, size_t bytes, void *moved, size_t moved_bytes) {
  if (bytes > kMediumBytes && moved_bytes > bytes) {
    // What grows step by step is filled from the front, so that it wastes one huge page at most.
    if (large_.has_pages(moved) && large_.blocks_with_pages() * kHugeBytes <=
                                       std::max(counted_bytes() / kWasteShare, kLeastWaste)) {
      os_allow_huge(moved, moved_bytes);
    }
    os_populate(moved, bytes);  // it most likely lies where nothing was touched
  }
  std::memcpy(moved, block, moved_bytes < bytes ? moved_bytes : bytes);
  large_.free_raw(block);
  if (LOAM_RARELY(over_limit())) large_.release_idle();  // it made the room that was taken
}

void *Heap::reallocate_raw(loam_thread *thread, void *block, size_t size) {
  if (block == nullptr) return allocate_raw(thread, size);
  if (debug_) check_raw(block, "loam_realloc");
  const bool large = !range_.contains(block);
  if (!debug_ && !torture_.plan.move_realloc) {
    if (stays_in_place(block, size)) return block;
    if (large && size > LOAM_MAX_BLOCK) return reallocate_large(thread, block, size);
  }
  const size_t bytes = raw_bytes(block, "loam_realloc");
  const size_t usable = debug_ ? guard_size(block, bytes) : bytes;
  void *moved = allocate_raw(thread, size);
  if (moved == nullptr) return nullptr;
  std::memcpy(moved, block, size < usable ? size : usable);
  free_raw(thread, block);
  return moved;
}

}  // namespace loam::alloc
