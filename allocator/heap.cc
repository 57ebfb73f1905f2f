// Segments, slabs, the thread's lists in bulk, and the accounts. Blocks one by one: blocks.cc.
#include "allocator/heap.h"

#include <algorithm>
#include <cstring>

#include "allocator/base/check.h"
#include "allocator/os_memory.h"

namespace loam::alloc {

static_assert(offsetof(loam_thread, heads) == 0, "an offset of a head is its index, scaled");
static_assert(LOAM_HEAD_COUNT * sizeof(loam_list) <= UINT16_MAX + 1, "and fits loam_slab_pool");

bool Heap::open(const HeapConfig &config, const base::Report *report) {
  report_ = report;
  limit_bytes_ = config.limit_bytes;
  budget_bytes_ = limit_bytes_ - limit_bytes_ / 8;
  debug_ = config.debug;
  watched_ = config.debug || config.torture.watch;
  torture_ = TortureState(config.torture);
  large_.open(report, config.debug, !watched_);
  open_pools();
  return range_.reserve(config.range_bytes);
}

void Heap::close() {
  large_.close();
  range_.release();
}

void Heap::attach(loam_thread *thread) {
  thread->slab_pools = range_.pools;
  thread->range_base = range_.base();
  thread->range_bytes = range_.bytes();
  close_lists(thread);
}

void Heap::open_pools() {
  const struct {
    Kind kind;
    unsigned first_head;
  } kinds[] = {{Kind::kRaw, LOAM_HEADS_RAW},
               {Kind::kLeaf, LOAM_HEADS_LEAF},
               {Kind::kContainer, LOAM_HEADS_CONTAINER}};
  for (Pool &pool : pools_) pool.partial = kNoSlab;
  pools_[raw_head(1)].kind = Kind::kRaw;
  pools_[raw_head(1)].block_size = LOAM_MIN_BLOCK;
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
  return object_head(size, kind);
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

// Neither in use nor resident is any slab that shares a huge page with this one.
bool Heap::is_untouched(size_t index) const {
  constexpr uint64_t kAll = (uint64_t{1} << kSlabsPerHuge) - 1;
  const size_t first = index / kSlabsPerHuge * kSlabsPerHuge;
  const Segment &segment = range_.segments[index / kSlabsPerSegment];
  if ((segment.free_slabs >> first % kSlabsPerSegment & kAll) != kAll) return false;
  for (size_t slab = first; slab < first + kSlabsPerHuge; ++slab) {
    if (range_.slabs[slab].resident) return false;
  }
  return true;
}

// Has a free slab backed by memory before it is used; returns its asked_bytes.
uint32_t Heap::touch_slab(size_t index, const Pool &pool) {
  if (is_untouched(index) && touch_huge(index)) return kSlabBytes;
  // Not before the pool has a few: a small host must stay small.
  if (pool.slabs < kPopulateFrom) return 0;
  const uint64_t start_ns = os_monotonic_ns();
  if (os_populate(range_.slab_address(index), kSlabBytes)) {
    paging_.note_slab(os_monotonic_ns() - start_ns);
  }
  return kSlabBytes;
}

// Has a slab backed as far as its blocks are handed out.
LOAM_NOINLINE void Heap::touch_part(size_t index, size_t end) {
  Slab &slab = range_.slabs[index];
  const size_t first = slab.asked_bytes;
  slab.asked_bytes = static_cast<uint32_t>(end);
  // Its pool may never use more than a few blocks.
  if (pools_[slab.head].slabs == 1 && first == 0) return;
  os_populate(range_.slab_address(index) + first, end - first);
}

// Has all slabs of an untouched huge page backed by it, if one may be had.
bool Heap::touch_huge(size_t index) {
  const size_t first = index / kSlabsPerHuge * kSlabsPerHuge;
  if (!wants_huge()) {
    forbid_huge(index);
    return false;
  }
  const uint64_t start_ns = os_thread_ns();
  if (!os_populate_huge(range_.slab_address(first), kHugeBytes)) {
    paging_.note_refused();
    range_.huge_of(index) = false;
    return false;
  }
  paging_.note_huge(os_thread_ns() - start_ns);
  range_.huge_of(index) = true;
  for (size_t slab = first; slab < first + kSlabsPerHuge; ++slab) {
    range_.slabs[slab].resident = true;
  }
  return true;
}

bool Heap::wants_huge() const { return segments_committed_ >= kHugeFrom && paging_.wants_huge(); }

// Whether the pages of so many counts cost more than a huge one.
bool Heap::would_fill_huge_counts(size_t first) const {
  const size_t end = std::min(first + Range::kSlabsPerHugeCounts, slab_limit());
  size_t slabs = 0;
  for (; first < end; ++first) slabs += range_.tracked[first] != 0;
  return slabs >= Range::kSlabsPerHugeCounts / 2;
}

size_t Heap::back_counts(size_t first, size_t end) {
  constexpr size_t kAtOnce = Range::kSlabsPerHugeCounts;
  const size_t huge_end = first / kAtOnce * kAtOnce + kAtOnce;
  if (first % kAtOnce == 0 && would_fill_huge_counts(first) && wants_huge()) {
    range_.discard_counts_at(first);  // small pages of young collections
    const uint64_t start_ns = os_thread_ns();
    if (range_.populate_huge_counts(first)) {
      paging_.note_huge(os_thread_ns() - start_ns);
      return huge_end;
    }
    paging_.note_refused();
  }
  end = std::min(end, huge_end);
  range_.populate_counts(first, end);
  return end;
}

void Heap::forbid_huge(size_t index) {
  if (!range_.huge_of(index)) return;
  range_.huge_of(index) = false;
  os_forbid_huge(range_.slab_address(index / kSlabsPerHuge * kSlabsPerHuge), kHugeBytes);
}

size_t Heap::take_slab(unsigned head) {
  if (!may_grow(kSlabBytes)) return kNoSlab;
  const size_t index = free_slab_in_segments();
  if (index == kNoSlab) return kNoSlab;
  Segment &segment = range_.segments[index / kSlabsPerSegment];
  Pool &pool = pools_[head];
  Slab &slab = range_.slabs[index];
  slab.asked_bytes = slab.resident ? uint32_t{kSlabBytes} : touch_slab(index, pool);
  if (segment.is_idle()) --spare_segments_;
  segment.free_slabs &= ~Range::bit_of(index);
  segment.has_objects = segment.has_objects || pool.kind != Kind::kRaw;
  if (slab.dirty && (pool.kind != Kind::kRaw || debug_)) {
    if (debug_) check_released(index);
    std::memset(range_.slab_address(index), 0, kSlabBytes);
    slab.dirty = false;
  }
  slab.head = static_cast<uint16_t>(head);
  slab.kind = pool.kind;
  slab.block_size = static_cast<uint16_t>(pool.block_size);
  slab.block_count = static_cast<uint16_t>(kSlabBytes / pool.block_size);
  slab.allocated = 0;
  range_.pools[index] = {static_cast<uint16_t>(head * sizeof(loam_list)),
                         static_cast<uint16_t>(pool.block_size)};
  range_.reciprocals[index] = reciprocal_of(pool.block_size);
  range_.tracked[index] = pool.kind == Kind::kContainer ? range_.reciprocals[index] : 0;
  segment.is_dense = segment.is_dense || !leaves_half_stretch(range_.tracked[index]);
  // The cycle had those backed that were there when it started, and comes to this one too.
  if (born_marked && pool.kind == Kind::kContainer && gives_back_tables()) {
    range_.touch_counts(index);
  }
  link_partial(slab, index);
  ++pool.slabs;
  ++slabs_in_use_;
  note_growth();
  return index;
}

void Heap::release_slab(size_t index) {
  Slab &slab = range_.slabs[index];
  LOAM_ASSERT(slab.allocated == 0);
  slab.lags = false;
  slab.lost = 0;
  unlink_partial(slab, index);
  --pools_[slab.head].slabs;
  --slabs_in_use_;
  const bool was_raw = slab.kind == Kind::kRaw;
  const bool was_tracked = slab.kind == Kind::kContainer;
  slab.head = LOAM_HEAD_NULL;
  slab.kind = Kind::kNone;
  slab.dirty = slab.dirty || was_raw || debug_;  // object blocks come back zero
  slab.resident = true;
  range_.pools[index] = {};
  range_.tracked[index] = 0;
  if (born_marked && was_tracked) range_.clear_hints(index);
  const size_t segment = index / kSlabsPerSegment;
  Segment &entry = range_.segments[segment];
  entry.free_slabs |= Range::bit_of(index);
  if (segment < segment_hint_) segment_hint_ = segment;
  if (!entry.is_idle()) return;
  ++spare_segments_;
  if (segment_holds_ == 0) give_back_segments(SIZE_MAX);
}

void Heap::hold_segments() { ++segment_holds_; }

void Heap::release_segments() {
  if (--segment_holds_ == 0) give_back_segments(SIZE_MAX);
}

// In runs of neighbours: a call that gives back few pages costs as much as one for many.
void Heap::give_back_segments(size_t most) {
  for (size_t end = segment_limit_; end != 0 && most != 0 && has_idle_segments();) {
    size_t first = end;
    while (first != 0 && range_.segments[first - 1].is_idle() && most != 0 && has_idle_segments()) {
      decommit_segment(--first);
      --most;
    }
    if (first != end) range_.give_back_segments(first, end);
    end = first == end ? end - 1 : first;
  }
}

// An idle one. Its memory is yet to be given back.
void Heap::decommit_segment(size_t segment) {
  size_t resident = 0;
  for (size_t at = 0; at < kSlabsPerSegment; ++at) {
    const size_t index = segment * kSlabsPerSegment + at;
    Slab &slab = range_.slabs[index];
    if (slab.dirty && debug_) check_released(index);
    resident += slab.resident;
    slab.dirty = slab.resident = false;
  }
  paging_.note_returned(resident);
  range_.segments[segment].committed = false;
  range_.segments[segment].free_slabs = 0;
  --segments_committed_;
  --spare_segments_;
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

bool Heap::first_bits(SlabList &list, SlabLink Slab::*link, Bitmap bitmap, size_t *out_number) {
  for (size_t slab; (slab = first_listed(list)) != kNoSlab; unlist_slab(list, link)) {
    const Slab &entry = range_.slabs[slab];
    const size_t blocks = entry.kind != Kind::kNone ? entry.block_count : 0;
    for (size_t at = 0; at < blocks; at += 64) {
      *out_number = slab * kBlocksPerStretch + at;
      if (range_.bitmaps[bitmap][*out_number / 64] != 0) return true;
    }
  }
  return false;
}

// -- The thread's lists in bulk.

// All of them, which must be empty. From here on each has a large part again. A closed list is full
// as well, and LOAM_HEAD_NULL's is never opened: the common death relies on it (gc/death.h).
void Heap::close_lists(loam_thread *thread) {
  for (loam_list &list : thread->heads) list = {range_.lists, range_.lists};
  open_lists_ = 0;
  list_parts_ = kFewLists;
}

// Gives a list room for blocks; the more lists there are, the less has each. False under the heap
// lock, in a watched runtime, and where the limit leaves none for the list itself.
bool Heap::open_list(loam_thread *thread, unsigned head) {
  if (!has_cache()) return false;
  Pool &pool = pools_[head];
  if (pool.list == nullptr) {
    const size_t slots = 1 + list_capacity(pool, kFewLists);
    if (!may_grow(slots * sizeof(void *))) return false;
    own_bytes_ += slots * sizeof(void *);
    note_growth();
    pool.list = range_.lists + list_slots_;
    list_slots_ += slots;
  }
  if (++open_lists_ > list_parts_) {
    list_parts_ *= 2;
    for (unsigned at = 1; at < list_end(); ++at) limit_list(thread, at);
  }
  thread->heads[head] = {pool.list, pool.list + list_capacity(pool, list_parts_)};
  return true;
}

void Heap::limit_list(loam_thread *thread, unsigned head) {
  if (!is_open(thread, head)) return;
  const Pool &pool = pools_[head];
  const size_t capacity = list_capacity(pool, list_parts_), blocks = cached_blocks(thread, head);
  if (blocks > capacity) return_oldest(thread, head, blocks - capacity);
  thread->heads[head].limit = pool.list + capacity;
}

// Where a push finds no room. False: the list takes no block.
LOAM_NOINLINE bool Heap::push_full(loam_thread *thread, unsigned head, void *block) {
  if (is_open(thread, head)) {
    return_oldest(thread, head, (cached_blocks(thread, head) + 1) / 2);
  } else if (LOAM_RARELY(head == LOAM_HEAD_NULL)) {
    refuse_unknown(block, "loam_free");  // its slab is not in use
  } else if (!open_list(thread, head)) {
    return false;
  }
  *++thread->heads[head].top = block;
  return true;
}

void Heap::flush(loam_thread *thread) {
  for (unsigned head = 1; head < list_end(); ++head) {
    return_oldest(thread, head, cached_blocks(thread, head));
  }
  close_lists(thread);
  forget_free_young();
  large_.release_idle();
}

// At the limit: idle blocks may hold what is wanted. True: try again.
bool Heap::reclaim(loam_thread *thread) {
  if (limit_bytes_ == 0 || !has_cache()) return false;
  const size_t before = counted_bytes();
  flush(thread);
  return counted_bytes() != before;
}

void Heap::lock(loam_thread *thread) {
  if (locks_++ != 0) return;
  flush(thread);
  large_.set_keeps_idle(false);
  bound_large();
}

bool Heap::unlock() {
  if (locks_ == 0 || --locks_ != 0) return false;
  large_.set_keeps_idle(!watched_);
  bound_large();
  return true;
}

void Heap::end_locks() {
  if (!locked()) return;
  locks_ = 1;
  unlock();
}

void Heap::forget_free_young(unsigned head) {
  free_young_blocks -= free_young_by_head[head];
  free_young_by_head[head] = 0;
}

void Heap::forget_free_young() {
  free_young_blocks = 0;
  std::memset(free_young_by_head, 0, sizeof free_young_by_head);
}

// -- Accounts.

LOAM_NOINLINE size_t Heap::room_under_limit() const {
  const size_t used = counted_bytes();
  return used < budget_bytes_ ? budget_bytes_ - used : 0;
}

// What is counted grew.
void Heap::note_growth() {
  const size_t counted = counted_bytes();
  LOAM_ASSERT(limit_bytes_ == 0 || external_bytes_ != 0 || counted <= limit_bytes_);
  if (counted > peak_bytes_) peak_bytes_ = counted;
  large_below_peak_ = large_.held_bytes() + (peak_bytes_ - counted);
  bound_large();
}

LOAM_NOINLINE void *Heap::note_large(void *block) {
  note_growth();
  return block;
}

size_t Heap::most_large() const {
  if (!has_cache() || over_limit()) return 0;
  const size_t held = large_.held_bytes(), more = room();
  return std::min(more > SIZE_MAX - held ? SIZE_MAX : held + more, large_watch_);
}

void Heap::bound_large() { large_.set_near_bytes(most_large()); }

void Heap::watch_large_from(size_t held_bytes) {
  large_watch_ = held_bytes;
  bound_large();
}

size_t Heap::in_use_bytes(const loam_thread *thread) const {
  size_t cached = 0;
  for (unsigned head = 1; head < list_end(); ++head) {
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
    own_gross_bytes_ += static_cast<size_t>(bytes);
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
  const size_t before = block != nullptr ? system_.usable_size(block) : 0;
  if (torture_.fails() || (bytes > before && !may_grow(bytes - before))) {
    ++failures_;
    return nullptr;
  }
  char *moved = static_cast<char *>(system_.reallocate(block, bytes));
  if (moved == nullptr) {
    ++failures_;
    return nullptr;
  }
  const size_t after = system_.usable_size(moved);
  if (after > before) std::memset(moved + before, 0, after - before);
  own_bytes_ += after - before;
  note_growth();
  return moved;
}

void Heap::free_metadata(void *block) {
  if (block == nullptr) return;
  own_bytes_ -= system_.usable_size(block);
  system_.free(block);
}

size_t Heap::trim(loam_thread *thread) {
  const size_t segments_before = segments_committed_;
  flush(thread);
  size_t bytes = (segments_before - segments_committed_) * kSegmentBytes;
  for (size_t segment = 0; segment < segment_limit_; ++segment) {
    const Segment &entry = range_.segments[segment];
    if (!entry.committed) continue;
    if (entry.is_idle()) {
      decommit_segment(segment);
      range_.give_back_segments(segment, segment + 1);
      bytes += kSegmentBytes;
      continue;
    }
    for (uint64_t free = entry.free_slabs; free != 0; free &= free - 1) {
      const size_t index = segment * kSlabsPerSegment + static_cast<size_t>(__builtin_ctzll(free));
      if (!range_.slabs[index].resident) continue;
      if (debug_) check_released(index);
      forbid_huge(index);  // or the OS would fill the hole in time
      os_discard(range_.slab_address(index), kSlabBytes);
      range_.slabs[index].dirty = range_.slabs[index].resident = false;
      bytes += kSlabBytes;
    }
  }
  large_.trim();
  return bytes;
}

}  // namespace loam::alloc
