// Segments, slabs, the thread's lists in bulk, and the accounts. Blocks one by one: blocks.cc.
#include "allocator/heap.h"

#include <cstring>

#include "allocator/base/check.h"
#include "allocator/base/system_heap.h"
#include "allocator/os_memory.h"

namespace loam::alloc {

bool Heap::open(const HeapConfig &config, const base::Report *report) {
  report_ = report;
  limit_bytes_ = config.limit_bytes;
  budget_bytes_ = limit_bytes_ - limit_bytes_ / 8;
  debug_ = config.debug;
  watched_ = config.debug || config.torture.watch;
  torture_ = TortureState(config.torture);
  large_.open();
  open_pools();
  return range_.reserve(config.range_bytes);
}

void Heap::close() {
  large_.close();
  range_.release();
}

void Heap::attach(loam_thread *thread) {
  thread->slab_heads = range_.heads;
  thread->range_base = range_.base();
  thread->range_bytes = range_.bytes();
  reset_budget(thread);
}

void Heap::open_pools() {
  const struct {
    Kind kind;
    unsigned first_head;
  } kinds[] = {{Kind::kRaw, LOAM_HEADS_RAW},
               {Kind::kLeaf, LOAM_HEADS_LEAF},
               {Kind::kContainer, LOAM_HEADS_CONTAINER}};
  for (Pool &pool : pools_) pool.partial = kNoSlab;
  for (const auto &row : kinds) {
    for (unsigned size = LOAM_MIN_BLOCK; size <= LOAM_MAX_BLOCK; size += LOAM_CLASS_STEP) {
      Pool &pool = pools_[row.first_head + size / LOAM_CLASS_STEP];
      pool.kind = row.kind;
      pool.block_size = size;
    }
  }
}

unsigned Heap::open_private_pool(size_t size, Kind kind, const char *name) {
  const unsigned head = LOAM_HEADS_PRIVATE + private_pools_++;
  pools_[head].kind = kind;
  pools_[head].name = name;
  pools_[head].block_size = static_cast<uint32_t>(round_to_class(size));
  return head;
}

unsigned Heap::head_for(size_t size, Kind kind) const {
  if (size > LOAM_MAX_BLOCK || watched_) return LOAM_HEAD_NULL;
  const unsigned first = kind == Kind::kRaw    ? LOAM_HEADS_RAW
                         : kind == Kind::kLeaf ? LOAM_HEADS_LEAF
                                               : LOAM_HEADS_CONTAINER;
  return first + static_cast<unsigned>(round_to_class(size) / LOAM_CLASS_STEP);
}

// -- Segments and slabs.

bool Heap::commit_segment(size_t segment) {
  if (!may_grow(Range::metadata_bytes_per_segment() + kSlabBytes)) return false;
  if (!range_.commit_segment(segment)) return false;
  range_.segments[segment].committed = true;
  range_.segments[segment].free_slabs = ~uint64_t{0};
  if (segment >= segment_limit_) segment_limit_ = segment + 1;
  ++segments_committed_;
  ++spare_segments_;
  return true;
}

// Lowest addresses first, so that a heap that shrinks empties its last segments.
size_t Heap::free_slab_in_segments() {
  for (size_t segment = segment_hint_; segment < range_.segment_count(); ++segment) {
    Segment &entry = range_.segments[segment];
    if (!entry.committed) {
      // A committed segment further up is better than a new one.
      size_t other = segment + 1;
      while (other < segment_limit_ && range_.segments[other].free_slabs == 0) ++other;
      const bool found = other < segment_limit_;
      if (!found && !commit_segment(segment)) return kNoSlab;
      if (found) segment = other;
    }
    const uint64_t free = range_.segments[segment].free_slabs;
    if (free == 0) {
      if (segment == segment_hint_) ++segment_hint_;
      continue;
    }
    return segment * kSlabsPerSegment + static_cast<size_t>(__builtin_ctzll(free));
  }
  return kNoSlab;
}

size_t Heap::take_slab(unsigned head) {
  if (!may_grow(kSlabBytes)) return kNoSlab;
  const size_t index = free_slab_in_segments();
  if (index == kNoSlab) return kNoSlab;
  Segment &segment = range_.segments[index / kSlabsPerSegment];
  if (segment.free_slabs == ~uint64_t{0}) --spare_segments_;
  segment.free_slabs &= ~Range::bit_of(index);
  Pool &pool = pools_[head];
  Slab &slab = range_.slabs[index];
  if (slab.dirty && (pool.kind != Kind::kRaw || debug_)) {
    if (debug_) check_released(index);
    std::memset(range_.slab_address(index), 0, kSlabBytes);
    slab.dirty = false;
  }
  slab.head = static_cast<uint16_t>(head);
  slab.kind = pool.kind;
  slab.block_size = pool.block_size;
  slab.block_count = static_cast<uint32_t>(kSlabBytes / pool.block_size);
  slab.allocated = 0;
  range_.heads[index] = static_cast<uint16_t>(head);
  range_.reciprocals[index] = reciprocal_of(pool.block_size);
  range_.tracked[index] = pool.kind == Kind::kContainer ? range_.reciprocals[index] : 0;
  link_partial(slab, index);
  ++pool.slabs;
  ++slabs_in_use_;
  note_growth();
  return index;
}

void Heap::release_slab(size_t index) {
  Slab &slab = range_.slabs[index];
  LOAM_ASSERT(slab.allocated == 0);
  unlink_partial(slab, index);
  --pools_[slab.head].slabs;
  --slabs_in_use_;
  const bool was_raw = slab.kind == Kind::kRaw;
  slab.head = LOAM_HEAD_NULL;
  slab.kind = Kind::kNone;
  slab.dirty = slab.dirty || was_raw || debug_;  // object blocks come back zero
  slab.resident = true;
  range_.heads[index] = LOAM_HEAD_NULL;
  range_.tracked[index] = 0;
  const size_t segment = index / kSlabsPerSegment;
  Segment &entry = range_.segments[segment];
  entry.free_slabs |= Range::bit_of(index);
  if (segment < segment_hint_) segment_hint_ = segment;
  if (entry.free_slabs != ~uint64_t{0}) return;
  // debug: so that late uses are diagnosed, and do not fault
  if (spare_segments_ == 0 || debug_ || segments_held_) {
    ++spare_segments_;
    return;
  }
  decommit_segment(segment);
}

void Heap::hold_segments() { segments_held_ = true; }

void Heap::release_segments() {
  segments_held_ = false;
  for (size_t segment = segment_limit_; segment-- > 0 && spare_segments_ > 1;) {
    const Segment &entry = range_.segments[segment];
    if (!entry.committed || entry.free_slabs != ~uint64_t{0}) continue;
    decommit_segment(segment);
    --spare_segments_;
  }
}

void Heap::decommit_segment(size_t segment) {
  for (size_t at = 0; at < kSlabsPerSegment; ++at) {
    const size_t index = segment * kSlabsPerSegment + at;
    Slab &slab = range_.slabs[index];
    if (slab.dirty && debug_) check_released(index);
    slab.dirty = slab.resident = false;
  }
  range_.decommit_segment(segment);
  range_.segments[segment] = Segment{};
  --segments_committed_;
}

void Heap::link_partial(Slab &slab, size_t index) {
  uint32_t &first = pools_[slab.head].partial;
  slab.next = first;
  slab.prev = kNoSlab;
  if (first != kNoSlab) range_.slabs[first].prev = static_cast<uint32_t>(index);
  first = static_cast<uint32_t>(index);
}

void Heap::unlink_partial(Slab &slab, size_t index) {
  uint32_t &first = pools_[slab.head].partial;
  if (slab.prev != kNoSlab) {
    range_.slabs[slab.prev].next = slab.next;
  } else {
    LOAM_ASSERT(first == index);
    first = slab.next;
  }
  if (slab.next != kNoSlab) range_.slabs[slab.next].prev = slab.prev;
  (void)index;
}

void Heap::list_slab(SlabList &list, SlabLink Slab::*link, size_t slab) {
  SlabLink &entry = range_.slabs[slab].*link;
  if (entry != kUnlisted) return;
  entry = list.first;
  list.first = static_cast<SlabLink>(slab) + 2;
}

size_t Heap::unlist_slab(SlabList &list, SlabLink Slab::*link) {
  const size_t slab = listed(list.first);
  if (slab == kNoSlab) return kNoSlab;
  list.first = range_.slabs[slab].*link;
  range_.slabs[slab].*link = kUnlisted;
  return slab;
}

// -- The thread's lists in bulk.

void Heap::reset_budget(loam_thread *thread) {
  thread->free_budget = has_cache() ? kFreeBudget : 0;
}

void Heap::forget_free_young() {
  free_young_blocks = 0;
  std::memset(free_young_by_head, 0, sizeof free_young_by_head);
}

void Heap::flush(loam_thread *thread) {
  forget_free_young();
  for (void *&head : thread->heads) {
    loam_block *block = static_cast<loam_block *>(head);
    head = nullptr;
    while (block != nullptr) {
      loam_block *next = block->next;
      block->next = nullptr;
      return_block(block);
      block = next;
    }
  }
}

// At the limit: idle blocks on the lists may hold the slabs that are wanted. True: try again.
bool Heap::reclaim(loam_thread *thread) {
  if (limit_bytes_ == 0 || !has_cache()) return false;
  const size_t before = slabs_in_use_;
  flush(thread);
  return slabs_in_use_ != before;
}

// Called every kFreeBudget frees: bounds what lies idle on the lists.
void Heap::rebalance(loam_thread *thread) {
  reset_budget(thread);
  const size_t hundredth = handed_out_bytes_ / 100;
  const size_t bound = hundredth > kCacheBytes ? hundredth : kCacheBytes;
  size_t total = 0, lists = 0;
  for (unsigned head = 1; head < LOAM_HEAD_COUNT; ++head) {
    if (thread->heads[head] == nullptr) continue;
    total += cached_blocks(thread, head) * pools_[head].block_size;
    ++lists;
  }
  if (total <= bound) return;
  for (unsigned head = 1; head < LOAM_HEAD_COUNT; ++head) {
    if (thread->heads[head] != nullptr) shorten_list(thread, head, bound / lists);
  }
}

// Recently freed blocks stand first, and are warm: they stay.
void Heap::shorten_list(loam_thread *thread, unsigned head, size_t keep_bytes) {
  loam_block *block = static_cast<loam_block *>(thread->heads[head]);
  for (size_t kept = pools_[head].block_size; kept < keep_bytes && block->next != nullptr;
       kept += pools_[head].block_size) {
    block = block->next;
  }
  loam_block *rest = block->next;
  if (rest == nullptr) return;
  block->next = nullptr;
  free_young_blocks -= free_young_by_head[head];
  free_young_by_head[head] = 0;
  while (rest != nullptr) {
    loam_block *next = rest->next;
    rest->next = nullptr;
    return_block(rest);
    rest = next;
  }
}

void Heap::set_locked(loam_thread *thread, bool locked) {
  if (locked) flush(thread);
  locked_ = locked;
  reset_budget(thread);
}

size_t Heap::cached_blocks(const loam_thread *thread, unsigned head) const {
  size_t blocks = 0;
  const loam_block *block = static_cast<const loam_block *>(thread->heads[head]);
  for (; block != nullptr; block = block->next) ++blocks;
  return blocks;
}

// -- Accounts.

size_t Heap::metadata_bytes() const {
  return segments_committed_ * Range::metadata_bytes_per_segment() + own_bytes_;
}

size_t Heap::counted_bytes() const {
  return slabs_in_use_ * kSlabBytes + metadata_bytes() + large_.bytes() + external_bytes_;
}

bool Heap::may_grow(size_t bytes) const {
  if (limit_bytes_ == 0) return true;
  const size_t used = counted_bytes();
  return used <= budget_bytes_ && bytes <= budget_bytes_ - used;
}

void Heap::note_growth() {
  const size_t counted = counted_bytes();
  LOAM_ASSERT(limit_bytes_ == 0 || external_bytes_ != 0 || counted <= limit_bytes_);
  if (counted > peak_bytes_) peak_bytes_ = counted;
}

size_t Heap::in_use_bytes(const loam_thread *thread) const {
  size_t cached = 0;
  for (unsigned head = 1; head < LOAM_HEAD_COUNT; ++head) {
    cached += cached_blocks(thread, head) * pools_[head].block_size;
  }
  return handed_out_bytes() - cached;
}

size_t Heap::free_bytes(const loam_thread *thread) const {
  const size_t used = in_use_bytes(thread);
  if (limit_bytes_ == 0) {
    return segments_committed_ * kSegmentBytes - (used - large_.bytes() - external_bytes_);
  }
  const size_t gone = used + metadata_bytes();
  return gone < budget_bytes_ ? budget_bytes_ - gone : 0;
}

void Heap::add_external(ptrdiff_t bytes) {
  if (bytes >= 0) {
    const size_t sum = external_bytes_ + static_cast<size_t>(bytes);
    external_bytes_ = sum > PTRDIFF_MAX ? size_t{PTRDIFF_MAX} : sum;
  } else {
    const size_t less = size_t{0} - static_cast<size_t>(bytes);
    external_bytes_ -= less < external_bytes_ ? less : external_bytes_;
  }
  note_growth();
}

void *Heap::allocate_metadata(size_t bytes) { return reallocate_metadata(nullptr, bytes); }

void *Heap::reallocate_metadata(void *block, size_t bytes) {
  const size_t before = block != nullptr ? base::system_usable_size(block) : 0;
  if (torture_.fails() || (bytes > before && !may_grow(bytes - before))) {
    ++failures_;
    return nullptr;
  }
  char *moved = static_cast<char *>(base::system_realloc(block, bytes));
  if (moved == nullptr) {
    ++failures_;
    return nullptr;
  }
  const size_t after = base::system_usable_size(moved);
  if (after > before) std::memset(moved + before, 0, after - before);
  own_bytes_ += after - before;
  note_growth();
  return moved;
}

void Heap::free_metadata(void *block) {
  if (block == nullptr) return;
  own_bytes_ -= base::system_usable_size(block);
  base::system_free(block);
}

size_t Heap::trim(loam_thread *thread) {
  const size_t segments_before = segments_committed_;
  flush(thread);
  size_t bytes = (segments_before - segments_committed_) * kSegmentBytes;
  for (size_t segment = 0; segment < segment_limit_; ++segment) {
    Segment &entry = range_.segments[segment];
    if (!entry.committed) continue;
    if (entry.free_slabs == ~uint64_t{0}) {
      decommit_segment(segment);
      --spare_segments_;
      bytes += kSegmentBytes;
      continue;
    }
    for (uint64_t free = entry.free_slabs; free != 0; free &= free - 1) {
      const size_t index = segment * kSlabsPerSegment + static_cast<size_t>(__builtin_ctzll(free));
      if (!range_.slabs[index].resident) continue;
      if (debug_) check_released(index);
      os_discard(range_.slab_address(index), kSlabBytes);
      range_.slabs[index].dirty = range_.slabs[index].resident = false;
      bytes += kSlabBytes;
    }
  }
  base::system_trim();
  return bytes;
}

}  // namespace loam::alloc
