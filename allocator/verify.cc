// The heap's verifier: walks everything, changes nothing.
#include "allocator/base/byte_masks.h"
#include "allocator/guard.h"
#include "allocator/heap.h"

namespace loam::alloc {

namespace {

size_t count_bits(const uint64_t *words) {
  size_t bits = 0;
  for (size_t word = 0; word < kWordsPerStretch; ++word) {
    bits += static_cast<size_t>(__builtin_popcountll(words[word]));
  }
  return bits;
}

}  // namespace

size_t Heap::verify(const loam_thread *thread, unsigned level) const {
  size_t findings = 0;
  size_t slabs = 0, handed_out = 0, pool_slabs = 0, young_bits = 0;
  size_t allocated[LOAM_HEAD_COUNT] = {}, with_room[LOAM_HEAD_COUNT] = {};
  for (size_t index = 0; index < slab_limit(); ++index) {
    const Slab &slab = range_.slabs[index];
    if (slab.kind == Kind::kNone) {
      if (level >= 1) findings += verify_idle(index);
      continue;
    }
    ++slabs;
    allocated[slab.head] += slab.allocated;
    with_room[slab.head] += slab.allocated != slab.block_count;
    if (level < 1) continue;
    findings += verify_slab(index);
    young_bits += count_bits(range_.words(kYoung, index));
  }
  if (level >= 1 && young_bits != young_blocks) {
    report_->message("[A-3] %zu young blocks are counted, %zu bits are set", young_blocks,
                     young_bits);
    ++findings;
  }
  for (unsigned head = 0; head < LOAM_HEAD_COUNT; ++head) {
    const Pool &pool = pools_[head];
    pool_slabs += pool.slabs;
    handed_out += (pool.allocated - pool.retired) * pool.block_size;
    if (allocated[head] != pool.allocated) {
      report_->message("[A-5] pool %u counts %zu blocks, its slabs %zu", head, pool.allocated,
                       allocated[head]);
      ++findings;
    }
  }
  if (slabs != slabs_in_use_ || pool_slabs != slabs_in_use_ || handed_out != handed_out_bytes_) {
    report_->message("[A-9] %zu slabs and %zu bytes are counted, %zu and %zu are in use",
                     slabs_in_use_, handed_out_bytes_, slabs, handed_out);
    ++findings;
  }
  if (large_.near_bytes() > most_large()) {
    report_->message("[A-14] large blocks may hold %zu bytes before a call looks, not %zu",
                     most_large(), large_.near_bytes());
    ++findings;
  }
  if (counted_bytes() > peak_bytes_) {
    report_->message("[A-9] %zu bytes are counted, %zu at the peak", counted_bytes(), peak_bytes_);
    ++findings;
  }
  findings += verify_large();
  return level >= 1 ? findings + verify_lists(thread, with_room) : findings;
}

namespace {

// Plain memory, whose bytes and blocks are added to the sums.
size_t verify_raw(const LargeRegistry &large, const base::Report &report, bool debug, size_t *bytes,
                  size_t *count) {
  const void *overrun = nullptr, *overlong = nullptr;
  large.each_raw([&](const void *block) {
    *bytes += large.raw_bytes(block);
    ++*count;
    if (!large.fits_source(block)) overlong = block;
    if (debug && !guard_intact(block, large.raw_bytes(block))) overrun = block;
  });
  if (overlong != nullptr) {
    report.message("[A-10] large block %p has fewer bytes than it counts", overlong);
  }
  if (overrun != nullptr) report.message("large block %p was written past its end", overrun);
  return (overlong != nullptr) + (overrun != nullptr);
}

}  // namespace

//
size_t Heap::verify_large() const {
  size_t findings = 0;
  size_t large_bytes = 0, large_count = 0, containers = 0, young = 0, found = 0;
  for (unsigned list = 0; list < LargeRegistry::kLists; ++list) {
    const auto id = static_cast<LargeRegistry::List>(list);
    for (const Large *large = large_.first(id); large != large_.end(id); large = large->next) {
      large_bytes += large->bytes;
      ++large_count;
      containers += large->kind == Kind::kContainer;
      young += large->young;
      found += large_.find(large + 1) == large;
      const bool sound =
          large->magic == Large::kMagic && (!debug_ || guard_intact(large + 1, large->size()));
      if (!sound) {
        report_->message("large block %p was written past an end",
                         static_cast<const void *>(large + 1));
        return findings + 1;
      }
    }
  }
  if (found != large_count || large_.count_prefixes() != large_count) {
    report_->message("[A-10] %zu large objects are on lists, of which %zu are among %zu in the map",
                     large_count, found, large_.count_prefixes());
    ++findings;
  }
  findings += verify_raw(large_, *report_, debug_, &large_bytes, &large_count);
  if (const void *touched = debug_ ? large_.touched() : nullptr) {
    report_->message("block %p was written after it was freed", touched);
    ++findings;
  }
  const size_t idle_bytes = large_.sum_of_idle().bytes;
  if (idle_bytes != large_.idle_bytes()) {
    report_->message("[A-10] %zu bytes of large blocks are said to wait, %zu do",
                     large_.idle_bytes(), idle_bytes);
    ++findings;
  }
  if (large_bytes != large_.bytes() || large_count != large_.count()) {
    report_->message("[A-10] %zu large bytes are counted, %zu are in use", large_.bytes(),
                     large_bytes);
    ++findings;
  }
  if (containers != large_.containers() || young != large_.young()) {
    report_->message(
        "[A-10] %zu large containers are counted, %zu of them young; there are %zu, %zu",
        large_.containers(), large_.young(), containers, young);
    ++findings;
  }
  return findings;
}

// Whether nothing is left of blocks in the tables. How long a cycle's marks may stay is for the
// collector to say.
bool Heap::tables_are_clean(size_t index) const {
  for (unsigned bitmap = 0; bitmap < kBitmaps; ++bitmap) {
    if (bitmap == kCycleMark || bitmap == kCycleGrey) continue;
    if (!base::all_zero(range_.words(static_cast<Bitmap>(bitmap), index), kBitmapBytesPerSlab)) {
      return false;
    }
  }
  const size_t first = index * kBlocksPerStretch;
  return base::all_zero(range_.counts + first, kBlocksPerStretch) &&
         base::all_zero(range_.dense_refcounts + first, kBlocksPerStretch) &&
         base::all_zero(range_.overflow_counts + first, kBlocksPerStretch * sizeof(uint32_t));
}

// A slab without a pool.
size_t Heap::verify_idle(size_t index) const {
  const Segment &segment = range_.segments[index / kSlabsPerSegment];
  if (segment.accessible && !tables_are_clean(index)) {
    const char *tag = segment.committed ? "[A-7]" : "[A-2]";
    report_->message("%s slab %zu has no pool, and its tables are not zero", tag, index);
    return 1;
  }
  if (!segment.committed) return 0;
  if ((segment.free_slabs & Range::bit_of(index)) == 0) {
    report_->message("[A-7] slab %zu has no pool, and is not free", index);
    return 1;
  }
  if (range_.huge_of(index) && !range_.slabs[index].resident && !is_untouched(index)) {
    report_->message("[A-11] slab %zu is a hole in a huge page", index);
    return 1;
  }
  const void *touched = debug_ && range_.slabs[index].dirty ? touched_block(index) : nullptr;
  if (touched == nullptr) return 0;
  report_->message("block %p was written after it was freed", touched);
  return 1;
}

size_t Heap::verify_slab(size_t index) const {
  size_t findings = 0;
  const Slab &slab = range_.slabs[index];
  const uint64_t *bits = range_.words(kAllocated, index);
  if ((range_.segments[index / kSlabsPerSegment].free_slabs & Range::bit_of(index)) != 0) {
    report_->message("[A-7] slab %zu has a pool, and is free", index);
    ++findings;
  }
  if (slab.allocated == 0) {
    report_->message("[A-7] slab %zu has a pool, and no block", index);
    ++findings;
  }
  if (slab.lags) {
    report_->message("[A-13] slab %zu lags", index);
    ++findings;
  }
  if (count_bits(bits) != slab.allocated) {
    report_->message("[A-3] slab %zu counts %u blocks, its bits %zu", index, slab.allocated,
                     count_bits(bits));
    ++findings;
  }
  for (size_t at = 0; at < slab.block_count; ++at) {
    const char *block = range_.slab_address(index) + at * slab.block_size;
    const bool taken = (bits[at / 64] >> (at % 64)) & 1;
    bool sound = true;
    if (debug_) {
      const bool in_use = taken && (slab.kind == Kind::kRaw ||
                                    reinterpret_cast<const loam_object *>(block)->tag != 0);
      const bool retired = torture_.plan.never_reuse && guard_untouched(block, slab.block_size);
      sound = in_use ? guard_intact(block, slab.block_size) || retired
                     : guard_untouched(block, slab.block_size);
    } else if (slab.kind != Kind::kRaw && !taken) {
      sound = base::all_zero(block, slab.block_size);
    }
    if (!sound) {
      report_->message("[A-6] block %p of slab %zu was written past its end or after it was freed",
                       static_cast<const void *>(block), index);
      ++findings;
    }
  }
  return findings;
}

// `with_room`: slabs of each pool that have a free block.
size_t Heap::verify_lists(const loam_thread *thread, const size_t *with_room) const {
  size_t findings = 0, room = 0;
  for (unsigned head = 0; head < LOAM_HEAD_COUNT; ++head) {
    size_t on_partial = 0;
    for (uint32_t at = pools_[head].partial; at != kNoSlab; at = range_.slabs[at].next) {
      const Slab &slab = range_.slabs[at];
      if (slab.head != head || slab.allocated == slab.block_count ||
          ++on_partial > pools_[head].slabs) {
        report_->message("[A-4] the partial list of pool %u holds slab %u wrongly", head, at);
        ++findings;
        break;
      }
    }
    if (on_partial < with_room[head]) {
      report_->message("[A-4] the partial list of pool %u lacks slabs with a free block", head);
      ++findings;
    }
    findings += verify_list(thread, head);
    if (!is_open(thread, head)) continue;
    room += list_capacity(pools_[head], list_parts_) * pools_[head].block_size;
  }
  if (room > kCacheBytes) {
    report_->message("[A-8] the thread's lists have room for %zu bytes", room);
    ++findings;
  }
  return findings;
}

size_t Heap::verify_list(const loam_thread *thread, unsigned head) const {
  const loam_list &list = thread->heads[head];
  const Pool &pool = pools_[head];
  if (!is_open(thread, head)) {
    if (list.top == range_.lists && *list.top == nullptr) return 0;
    report_->message("[A-8] the list of pool %u is closed, and not empty", head);
    return 1;
  }
  const size_t capacity = list_capacity(pool, list_parts_);
  if (*pool.list != nullptr || list.limit != pool.list + capacity || list.top > list.limit ||
      list.top < pool.list || head == LOAM_HEAD_NULL) {
    report_->message("[A-8] the list of pool %u has lost its bounds", head);
    return 1;
  }
  for (void *const *at = list.top; at != pool.list; --at) {
    const bool ours =
        range_.contains(*at) && slab_of(*at).head == head && range_.is_handed_out(*at);
    const bool young =
        pool.kind != Kind::kContainer || (ours && range_.test(kYoung, range_.block_number(*at)));
    const bool clean = pool.kind == Kind::kRaw || (ours && base::all_zero(*at, pool.block_size));
    if (ours && young && clean) continue;
    report_->message("[A-8] block %p on the list of pool %u is not a free block of it", *at, head);
    return 1;
  }
  return 0;
}

}  // namespace loam::alloc
