// Blocks one by one: out of a slab, back into it, and the raw calls.
#include <cstring>

#include "allocator/base/check.h"
#include "allocator/guard.h"
#include "allocator/heap.h"
#include "allocator/returns.h"

namespace loam::alloc {

namespace {

// The bits of `word` that stand for blocks which fit the slab.
uint64_t valid_bits(const Slab &slab, size_t word) {
  const size_t first = word * 64;
  if (first + 64 <= slab.block_count) return ~uint64_t{0};
  return first >= slab.block_count ? 0 : (uint64_t{1} << (slab.block_count - first)) - 1;
}

// At most `count` of the lowest bits of `bits`.
uint64_t lowest_bits(uint64_t bits, size_t count) {
  if (count >= 64) return bits;
  uint64_t excess = bits;
  for (; excess != 0 && count > 0; --count) excess &= excess - 1;
  return bits & ~excess;
}

// Appends the blocks that `bits` names to the list that ends in *tail; returns its new tail. They
// are taken in runs: a word of a fresh slab is one.
loam_block **thread_bits(loam_block **tail, char *base, size_t size, uint64_t bits) {
  while (bits != 0) {
    const uint64_t carry = bits + (bits & (~bits + 1));  // the first run, carried over its end
    char *at = base + static_cast<size_t>(__builtin_ctzll(bits)) * size;
    char *const end = base + (carry != 0 ? static_cast<size_t>(__builtin_ctzll(carry)) : 64) * size;
    for (; at != end; at += size) {
      loam_block *block = reinterpret_cast<loam_block *>(at);
      *tail = block;
      tail = &block->next;
    }
    bits &= carry;
  }
  return tail;
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

// Without a call for a single bit: not every machine that we compile for counts them.
size_t count_bits(uint64_t bits) {
  return (bits & (bits - 1)) == 0 ? bits != 0 : static_cast<size_t>(__builtin_popcountll(bits));
}

}  // namespace

size_t Heap::partial_slab(unsigned head) {
  const uint32_t first = pools_[head].partial;
  return first != kNoSlab ? size_t{first} : take_slab(head);
}

// Marks `wanted` free blocks of one word as handed out.
void Heap::take_bits(size_t index, size_t word, uint64_t wanted) {
  Slab &slab = range_.slabs[index];
  Pool &pool = pools_[slab.head];
  const auto count = static_cast<uint32_t>(__builtin_popcountll(wanted));
  LOAM_ASSERT((range_.words(kAllocated, index)[word] & wanted) == 0);
  range_.words(kAllocated, index)[word] |= wanted;
  if (slab.kind == Kind::kContainer) {
    range_.words(kYoung, index)[word] |= wanted;
    list_slab(young, &Slab::young, index);
    young_blocks += count;
    if (born_marked) range_.words(kCycleMark, index)[word] |= wanted;
  }
  taken_blocks += count;
  slab.allocated += count;
  pool.allocated += count;
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
  size_t wanted = kRefillBytes / size;
  for (size_t word = 0; word * 64 < slab.block_count && wanted > 0; ++word) {
    uint64_t bits = ~range_.words(kAllocated, index)[word] & valid_bits(slab, word);
    if (bits == 0) continue;
    bits = lowest_bits(bits, wanted);
    wanted -= static_cast<size_t>(__builtin_popcountll(bits));
    take_bits(index, word, bits);
    tail = thread_bits(tail, base + word * 64 * size, size, bits);
  }
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
// together: those of one word go back in one step.
loam_block *Heap::return_list(loam_block *block, unsigned head, size_t most_blocks) {
  if (block == nullptr) return nullptr;
  Pool &pool = pools_[head];
  const bool is_raw = pool.kind == Kind::kRaw;
  const uintptr_t base = range_.base();
  const uint32_t reciprocal = reciprocal_of(pool.block_size);
  size_t word = range_.block_number(block) / 64, left = most_blocks;
  uint64_t bits = 0;
  uint32_t count = 0;
  for (loam_block *next; block != nullptr && left > 0; block = next, --left) {
    next = block->next;
    if (!is_raw) block->next = nullptr;
    const size_t offset = reinterpret_cast<uintptr_t>(block) - base;
    const size_t number = (offset >> kSlabShift) * kBlocksPerStretch +
                          block_index(offset & (kSlabBytes - 1), reciprocal);
    if (number / 64 != word) {
      clear_bits(word, bits, count);
      word = number / 64;
      bits = count = 0;
    }
    bits |= Range::bit_of(number);
    ++count;
  }
  clear_bits(word, bits, count);
  pool.allocated -= most_blocks - left;
  handed_out_bytes_ -= (most_blocks - left) * pool.block_size;
  return block;
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
  const size_t cost = large_.cost(size);
  if (!may_grow(cost)) return nullptr;
  Large *large = large_.allocate(cost, kind, zeroed);
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
        size > LOAM_MAX_BLOCK ? allocate_large(size, Kind::kRaw, zeroed) : take_block(thread, head);
    if (block != nullptr || !reclaim(thread)) return block;
  }
}

void *Heap::allocate_raw(loam_thread *thread, size_t size) {
  if (size > LOAM_MAX_BLOCK && has_cache()) {
    void *block = allocate_large(size, Kind::kRaw, false);
    if (LOAM_EXPECT(block != nullptr)) return block;
  }
  const size_t total = debug_ ? size + kGuardBytes : size;
  void *block = nullptr;
  if (total >= size && !locked_ && !torture_.fails()) {
    block = take_raw(thread, total, false);
  }
  if (block == nullptr) {
    ++failures_;
    return nullptr;
  }
  if (debug_) guard_new(block, block_or_large_bytes(block), size, "loam_malloc");
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
  if (!range_.contains(block)) return large_.free(Large::of(block));
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
  const size_t bytes = block_or_large_bytes(block);
  return debug_ ? guard_size(block, bytes) : bytes;
}

// From large to large. What grows is given an eighth more than it asked for, if there is room: it
// will ask again.
void *Heap::reallocate_large(loam_thread *thread, void *block, size_t size) {
  Large *const old = Large::of(block);
  if (size <= old->size() && size >= old->size() / 2) return block;
  Large *moved = nullptr;
  if (size > old->size() && !locked_ && !torture_.fails()) {
    const size_t roomy = large_.cost(size + size / 8);
    const size_t exact = large_.cost(size);
    if (may_grow(roomy - old->bytes)) moved = large_.reallocate(old, roomy);
    if (moved == nullptr &&
        (may_grow(exact - old->bytes) || (reclaim(thread) && may_grow(exact - old->bytes)))) {
      moved = large_.reallocate(old, exact);
    }
  } else if (size <= old->size()) {
    moved = large_.reallocate(old, large_.cost(size));
  }
  if (moved == nullptr) {
    if (size <= old->size()) return block;
    ++failures_;
    return nullptr;
  }
  note_growth();
  return moved->block();
}

void *Heap::reallocate_raw(loam_thread *thread, void *block, size_t size) {
  if (block == nullptr) return allocate_raw(thread, size);
  if (debug_) check_raw(block, "loam_realloc");
  const size_t usable = usable_size(block);
  const bool large = !range_.contains(block);
  const bool stays = !debug_ && !torture_.plan.move_realloc;
  if (stays && !large && size <= LOAM_MAX_BLOCK && round_to_class(size) == usable) return block;
  if (stays && large && size > LOAM_MAX_BLOCK) return reallocate_large(thread, block, size);
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
