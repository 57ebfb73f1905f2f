// Blocks one by one: out of a slab, back into it, and the raw calls.
#include <cstring>

#include "allocator/base/check.h"
#include "allocator/guard.h"
#include "allocator/heap.h"
#include "allocator/returns.h"

namespace loam::alloc {

namespace {

// One in so many blocks of a list that goes back is asked whether it starts a row.
constexpr size_t kRowLook = 8;

// The bits of `word` that stand for blocks which fit the slab.
uint64_t valid_bits(const Slab &slab, size_t word) {
  const size_t first = word * 64;
  if (first + 64 <= slab.block_count) return ~uint64_t{0};
  return first >= slab.block_count ? 0 : (uint64_t{1} << (slab.block_count - first)) - 1;
}

// Appends blocks of a word, those that `bits` names and `wanted` of them at most, to the list that
// ends in *tail; returns the bits of those it took.
uint64_t thread_bits(loam_block **&tail, size_t &wanted, char *base, size_t size, uint64_t bits) {
  const uint64_t past = bits + (bits & (~bits + 1));  // the first run, carried over its end
  if ((past & bits) == 0) {                           // and there is no other, as in a fresh slab
    const auto first = static_cast<size_t>(__builtin_ctzll(bits));
    const size_t run = (past != 0 ? static_cast<size_t>(__builtin_ctzll(past)) : 64) - first;
    const size_t count = run < wanted ? run : wanted;
    char *at = base + first * size;
    for (char *const end = at + count * size; at != end; at += size) {
      loam_block *block = reinterpret_cast<loam_block *>(at);
      *tail = block;
      tail = &block->next;
    }
    wanted -= count;
    return ~uint64_t{0} >> (64 - count) << first;
  }
  uint64_t rest = bits;
  for (; rest != 0 && wanted > 0; rest &= rest - 1, --wanted) {
    const auto index = static_cast<size_t>(__builtin_ctzll(rest));
    loam_block *block = reinterpret_cast<loam_block *>(base + index * size);
    *tail = block;
    tail = &block->next;
  }
  return bits & ~rest;
}

// Pushes a block on its pool's list, as loam_free does; false when the budget is spent.
bool push_block(loam_thread *thread, uint16_t pool, loam_block *block) {
  thread->free_budget -= pool >> LOAM_POOL_STEPS_SHIFT;
  if (thread->free_budget < 0) return false;
  void *&head = thread->heads[pool & LOAM_POOL_HEAD_MASK];
  block->next = static_cast<loam_block *>(head);
  head = block;
  return true;
}

// Follows a list from `block` on over at most `most` blocks, each `step` bytes from the one before;
// returns how many there were. The address of the next one is guessed and the link only compared
// with it, so that the processor need not wait for one load before it starts another.
template <bool kIsRaw>
size_t follow_row(loam_block *&block, intptr_t step, size_t most) {
  const auto start = reinterpret_cast<intptr_t>(block);
  const intptr_t end = start + step * static_cast<intptr_t>(most);
  intptr_t guess = start;
  loam_block *next = block;
  do {
    asm("" : "+r"(guess));  // or the compiler goes on with the link, since both are equal
    loam_block *at = reinterpret_cast<loam_block *>(guess);
    next = at->next;
    if (!kIsRaw) at->next = nullptr;
    guess += step;
  } while (reinterpret_cast<intptr_t>(next) == guess && guess != end);
  block = next;
  return static_cast<size_t>((guess - start) / step);
}

// Without a call for a single bit: not every machine that we compile for counts them.
size_t count_bits(uint64_t bits) {
  return (bits & (bits - 1)) == 0 ? bits != 0 : static_cast<size_t>(__builtin_popcountll(bits));
}

}  // namespace

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

inline void Heap::count_taken(size_t index, uint32_t count) {
  Slab &slab = range_.slabs[index];
  if (slab.kind == Kind::kContainer) {
    list_slab(young, &Slab::young, index);
    young_blocks += count;
  }
  taken_blocks += count;
  slab.allocated += count;
  pools_[slab.head].allocated += count;
  handed_out_bytes_ += size_t{count} * slab.block_size;
  gross_bytes += size_t{count} * slab.block_size;
  if (slab.allocated == slab.block_count) unlink_partial(slab, index);
}

// Fills the thread's list from one slab in address order, and pops its first block.
LOAM_NOINLINE void *Heap::refill(loam_thread *thread, unsigned head) {
  const size_t index = partial_slab(head);
  if (index == kNoSlab) return nullptr;
  forget_free_young(head);
  const Slab &slab = range_.slabs[index];
  char *const base = range_.slab_address(index);
  const size_t size = slab.block_size;
  loam_block *first = nullptr;
  loam_block **tail = &first;
  const size_t most = kRefillBytes / size;
  size_t wanted = most, word = 0;
  const uint64_t *const words = range_.words(kAllocated, index);
  while (words[word] == ~uint64_t{0}) ++word;  // one has a free block
  for (; word * 64 < slab.block_count && wanted > 0; ++word) {
    const uint64_t bits = ~words[word] & valid_bits(slab, word);
    if (bits == 0) continue;
    take_bits(index, word, thread_bits(tail, wanted, base + word * 64 * size, size, bits));
  }
  count_taken(index, static_cast<uint32_t>(most - wanted));
  *tail = nullptr;
  thread->heads[head] = first->next;
  first->next = nullptr;
  if (thread->free_budget > 0) {
    thread->free_budget -= static_cast<int32_t>(kRefillBytes / LOAM_CLASS_STEP);
  }
  return first;
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

void *Heap::take_block(loam_thread *thread, unsigned head) {
  if (!has_cache()) return take_one(head);
  loam_block *block = static_cast<loam_block *>(thread->heads[head]);
  if (block == nullptr) return refill(thread, head);
  thread->heads[head] = block->next;
  block->next = nullptr;
  return block;
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
// is the caller's to count.
inline void Heap::clear_bits(size_t word, uint64_t bits, uint32_t count) {
  const size_t index = word / kWordsPerStretch;
  Slab &slab = range_.slabs[index];
  uint64_t &allocated_bits = range_.bitmaps[kAllocated][word];
  LOAM_ASSERT((allocated_bits & bits) == bits && !watched_);
  LOAM_ASSERT(slab.young != kUnlisted || (range_.bitmaps[kYoung][word] & bits) == 0);
  if (slab.young != kUnlisted) {  // else none of them is: spare the memory
    uint64_t &young_bits = range_.bitmaps[kYoung][word];
    const uint64_t both = young_bits & bits;
    young_blocks -= both == bits ? count : count_bits(both);
    young_bits &= ~bits;
  }
  allocated_bits &= ~bits;
  if (slab.allocated == slab.block_count) link_partial(slab, index);
  slab.allocated -= count;
  if (slab.allocated == 0) release_slab(index);
}

void Heap::return_slab(size_t index) {
  Slab &slab = range_.slabs[index];
  LOAM_ASSERT(slab.allocated != 0 && !watched_);
  handed_out_bytes_ -= size_t{slab.allocated} * slab.block_size;
  for (size_t word = 0; word * 64 < slab.block_count; ++word) {
    if (slab.kind == Kind::kContainer) {
      uint64_t &young_bits = range_.words(kYoung, index)[word];
      young_blocks -= count_bits(young_bits);
      young_bits = 0;
    }
    range_.words(kAllocated, index)[word] = 0;
  }
  if (slab.allocated == slab.block_count) link_partial(slab, index);
  pools_[slab.head].allocated -= slab.allocated;
  slab.allocated = 0;
  slab.dirty = true;
  release_slab(index);
}

void Heap::return_word(size_t index, size_t word, uint64_t bits) {
  const ReturnedWord one = {index * kWordsPerStretch + word, bits};
  return_words(&one, 1);
}

void Heap::return_words(const ReturnedWord *words, size_t words_count) {
  size_t bytes = 0;
  for (const ReturnedWord *at = words; at != words + words_count; ++at) {
    const auto count = static_cast<uint32_t>(count_bits(at->bits));
    const Slab &slab = range_.slabs[at->word / kWordsPerStretch];
    bytes += size_t{count} * slab.block_size;
    pools_[slab.head].allocated -= count;
    clear_bits(at->word, at->bits, count);
  }
  handed_out_bytes_ -= bytes;
}

void Heap::prefetch_words(const ReturnedWord *words, size_t count) const {
  const Slab *const slabs = range_.slabs;
  const uint64_t *const allocated = range_.bitmaps[kAllocated];
  const uint64_t *const young = range_.bitmaps[kYoung];
  for (size_t i = 0; i < count; ++i) {
    __builtin_prefetch(slabs + words[i].word / kWordsPerStretch, 1);
    __builtin_prefetch(allocated + words[i].word, 1);
    __builtin_prefetch(young + words[i].word, 1);
    asm volatile("");  // or GCC 12 takes this function for one without effect
  }
}

LOAM_NOINLINE void Returns::turn() {
  heap_.prefetch_words(words_[half_], filled_);
  half_ ^= 1;
  heap_.return_words(words_[half_], prefetched_);
  prefetched_ = filled_;
  filled_ = 0;
}

LOAM_NOINLINE void Returns::finish_slow() {
  const ReturnedWord last = {word_, bits_};
  bits_ = 0;
  if ((filled_ | prefetched_) != 0) {
    heap_.return_words(words_[half_ ^ 1], prefetched_);
    heap_.return_words(words_[half_], filled_);
    filled_ = prefetched_ = 0;
  }
  heap_.return_words(&last, 1);
}

// Takes back the first blocks of a list, and returns the rest. Blocks that died together often lie
// in a row: those go back by words. Not each block is asked, since where only some lie in rows, the
// processor cannot foretell the answer.
loam_block *Heap::return_list(loam_block *block, unsigned head, size_t most_blocks) {
  if (block == nullptr) return nullptr;
  const bool is_raw = pools_[head].kind == Kind::kRaw;
  const uintptr_t base = range_.base();
  const intptr_t size = pools_[head].block_size;
  const uint32_t reciprocal = reciprocal_of(pools_[head].block_size);
  size_t left = most_blocks;
  for (size_t singles = 0; block != nullptr && left > 0;) {
    const size_t offset = reinterpret_cast<uintptr_t>(block) - base;
    const size_t index = block_index(offset & (kSlabBytes - 1), reciprocal);
    const size_t first = (offset >> kSlabShift) * kBlocksPerStretch;
    loam_block *const next = block->next;
    if (singles == 0) {
      const auto step = static_cast<intptr_t>(reinterpret_cast<uintptr_t>(next) -
                                              reinterpret_cast<uintptr_t>(block));
      if (step == size || step == -size) {
        const size_t room = step > 0 ? kSlabBytes / static_cast<size_t>(size) - index : index + 1;
        const size_t most = room < left ? room : left;
        const size_t row =
            is_raw ? follow_row<true>(block, step, most) : follow_row<false>(block, step, most);
        clear_row(first + (step > 0 ? index : index + 1 - row), row);
        left -= row;
        if (row < kRowLook) singles = kRowLook;
        continue;
      }
      singles = kRowLook;
    }
    --singles;
    if (!is_raw) block->next = nullptr;
    clear_bits((first + index) / 64, Range::bit_of(index), 1);
    block = next;
    --left;
  }
  pools_[head].allocated -= most_blocks - left;
  handed_out_bytes_ -= (most_blocks - left) * pools_[head].block_size;
  return block;
}

// The same for blocks of one slab that lie in a row.
void Heap::clear_row(size_t number, size_t count) {
  while (count > 0) {
    const size_t first = number % 64;
    const size_t part = count < 64 - first ? count : 64 - first;
    clear_bits(number / 64, ~uint64_t{0} >> (64 - part) << first, static_cast<uint32_t>(part));
    number += part;
    count -= part;
  }
}

void *Heap::allocate_object(loam_thread *thread, unsigned head, size_t size, Kind kind,
                            bool unzeroed) {
  if (locked_ || torture_.fails()) {
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
    if (head == LOAM_HEAD_NULL || debug_) {
      head = (kind == Kind::kLeaf ? unsigned{LOAM_HEADS_LEAF} : unsigned{LOAM_HEADS_CONTAINER}) +
             static_cast<unsigned>(round_to_class(guarded) / LOAM_CLASS_STEP);
    }
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
  loam_block *block = reinterpret_cast<loam_block *>(object);
  block->header = 0;
  const bool is_young = (tag & LOAM_FLAG_OLD) == 0;
  if (LOAM_EXPECT(is_young && push_block(thread, range_.pools[range_.slab_index(block)], block))) {
    return;
  }
  if (debug_) guard_poison(block, block_bytes(block), tag);
  return_block(block);
  if (thread->free_budget < 0) rebalance(thread);
}

void *Heap::allocate_large(size_t size, Kind kind, bool zeroed) {
  Large *large = large_.allocate(size, kind, zeroed, room());
  if (large == nullptr) return nullptr;
  large->cycle_mark = born_marked;
  gross_bytes += large->bytes;
  note_growth();
  return large->block();
}

void *Heap::take_raw(loam_thread *thread, size_t size, bool zeroed) {
  const size_t step = round_to_class(size < LOAM_MAX_BLOCK ? size : size_t{LOAM_MAX_BLOCK});
  const unsigned head = LOAM_HEADS_RAW + static_cast<unsigned>(step / LOAM_CLASS_STEP);
  for (;;) {
    void *block =
        size > LOAM_MAX_BLOCK ? allocate_large_raw(size, zeroed) : take_block(thread, head);
    if (block != nullptr || !reclaim(thread)) return block;
  }
}

void *Heap::allocate_raw(loam_thread *thread, size_t size) {
  const size_t total = debug_ ? size + kGuardBytes : size;
  void *block = nullptr;
  if (total >= size && !locked_ && !torture_.fails()) {
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
  if (size > LOAM_MAX_BLOCK && !debug_) {  // fresh pages need no second pass
    void *block = !locked_ && !torture_.fails() ? take_raw(thread, size, true) : nullptr;
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
  return_block(block);
  if (thread->free_budget < 0) rebalance(thread);
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
  const auto attempt = [this, block, before](size_t bytes) {
    const size_t beside = room();  // what is freed makes room too
    const size_t most_bytes = beside > SIZE_MAX - before ? beside : beside + before;
    if (large_.grow_long(block, bytes, most_bytes)) return block;
    return large_.allocate_raw(bytes, false, most_bytes);
  };
  void *moved = nullptr;
  if (size <= before) {
    moved = attempt(size);
    if (moved == nullptr) return block;
  } else if (!locked_ && !torture_.fails()) {
    if (size - before < size / 8) moved = attempt(size + size / 8);
    if (moved == nullptr) moved = attempt(size);
    if (moved == nullptr && reclaim(thread)) moved = attempt(size);
  }
  if (moved == nullptr) {
    ++failures_;
    return nullptr;
  }
  if (moved != block) {
    std::memcpy(moved, block, size < before ? size : before);
    large_.free_raw(block);
    if (LOAM_RARELY(over_limit())) large_.release_idle();  // it made the room that was taken
  }
  note_growth();
  return moved;
}

// From one list to another, as loam_malloc and loam_free would do it; nullptr when a list does not
// serve.
inline void *Heap::move_small(loam_thread *thread, void *block, size_t size) {
  const uint16_t pool = range_.pools[range_.slab_index(block)];
  const size_t steps = round_to_class(size) / LOAM_CLASS_STEP;
  const size_t old_steps = pool >> LOAM_POOL_STEPS_SHIFT;
  void *&head = thread->heads[LOAM_HEADS_RAW + steps];
  loam_block *const moved = static_cast<loam_block *>(head);
  if (moved == nullptr || thread->free_budget < static_cast<int32_t>(old_steps)) return nullptr;
  head = moved->next;
  thread->free_budget += static_cast<int32_t>(steps);
  std::memcpy(moved, block, (steps < old_steps ? steps : old_steps) * LOAM_CLASS_STEP);
  push_block(thread, pool, static_cast<loam_block *>(block));
  return moved;
}

void *Heap::reallocate_raw(loam_thread *thread, void *block, size_t size) {
  if (block == nullptr) return allocate_raw(thread, size);
  if (debug_) check_raw(block, "loam_realloc");
  const bool large = !range_.contains(block);
  if (!debug_ && !torture_.plan.move_realloc) {
    if (stays_in_place(block, size)) return block;
    if (large && size > LOAM_MAX_BLOCK) return reallocate_large(thread, block, size);
    if (!large && size <= LOAM_MAX_BLOCK && !watched_) {
      void *moved = move_small(thread, block, size);
      if (LOAM_EXPECT(moved != nullptr)) return moved;
    }
  }
  const size_t bytes = raw_bytes(block, "loam_realloc");
  const size_t usable = debug_ ? guard_size(block, bytes) : bytes;
  void *moved = allocate_raw(thread, size);
  if (moved == nullptr) return nullptr;
  std::memcpy(moved, block, size < usable ? size : usable);
  loam_block *const gone = static_cast<loam_block *>(block);
  if (large || !push_block(thread, range_.pools[range_.slab_index(gone)], gone)) {
    free_raw(thread, block);
  }
  return moved;
}

}  // namespace loam::alloc
