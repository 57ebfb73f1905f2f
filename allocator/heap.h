// The heap: pools of small blocks in the range, large blocks beside it, one limit over both. It
// knows blocks, never objects.
//
//   loam_thread.heads[i] --> free blocks of pool i, popped and pushed inline
//          ^ refill          | return_oldest, return_word
//   pool i --> partial slabs --> kAllocated bits
//          ^ take_slab       | release_slab
//   segments of the range, committed and given back by 4 MiB
//
// A block on a thread list has its kAllocated bit set, and in a container pool kYoung;
//       in an object pool it is zero.
// counted_bytes() == slabs in use, metadata, large blocks (those that wait too) and external
//       bytes; it passes the limit only by external bytes.
//
// Thread safety: the owning runtime's thread.
#pragma once

#include <loam/layout.h>

#include <cstddef>
#include <cstdint>

#include "allocator/base/check.h"
#include "allocator/base/report.h"
#include "allocator/base/system_heap.h"
#include "allocator/large.h"
#include "allocator/paging.h"
#include "allocator/range.h"
#include "allocator/torture.h"

namespace loam::alloc {

struct ReturnedWord;  // returns.h

struct HeapConfig {
  size_t range_bytes;
  size_t limit_bytes;  // 0: none
  bool debug;          // guard bytes, poison, checks of every free
  Torture torture;
};

class Heap {
 public:
  bool open(const HeapConfig &config, const base::Report *report);
  void close();  // gives everything back, blocks in use included
  void attach(loam_thread *thread);

  // -- Raw blocks. nullptr when the limit, memory, the lock or torture says so.
  void *allocate_raw(loam_thread *thread, size_t size);
  // Fewer steps for more than 256 bytes, where has_cache(); fewest within, of a large class.
  void *take_large(size_t size, bool zeroed);
  void *take_large_near(size_t size);
  void *allocate_zeroed(loam_thread *thread, size_t size);
  void *reallocate_raw(loam_thread *thread, void *block, size_t size);
  bool stays_in_place(const void *block, size_t size) const;  // but under debug and torture
  // Most of what stays, and what goes from list to list; else nullptr. Not for a heap that is
  // watched().
  void *resize_near(loam_thread *thread, void *block, size_t size);
  void free_raw(loam_thread *thread, void *block);
  size_t usable_size(const void *block) const;

  // -- Object blocks: header 0, zero behind it (a large one too, unless `unzeroed`). size includes
  // the header.
  void *allocate_object(loam_thread *thread, unsigned head, size_t size, Kind kind, bool unzeroed);
  // The payload of a small block must be zero already. Clears every table bit of the block, and
  // takes it back.
  void free_object(loam_thread *thread, loam_object *object);
  // Takes back blocks of one word of a slab that are zero, header included.
  void return_word(size_t slab, size_t word, uint64_t bits);
  // All blocks of a slab, which need not be zero: it is dirty then.
  void return_slab(size_t slab);
  void return_words(const ReturnedWord *words, size_t count, bool may_lag);  // of one slab or many
  bool lose(const ReturnedWord &word);
  void catch_up(loam_thread *thread);  // no slab lags any more
  void prefetch_words(const ReturnedWord *words, size_t count) const;  // what that will touch
  // While held (nests), segments that empty stay; then all but the few that are kept go back.
  void hold_segments();
  void release_segments();
  void give_back_segments(size_t most);
  bool has_idle_segments() const {  // more than are kept; debug: all are, to diagnose late uses
    const size_t kept = segments_committed_ / kIdleShare;
    return !debug_ && spare_segments_ > (kept > 1 ? kept : 1);
  }
  // In a heap of some size the collector gives its tables back when it is through with them.
  bool gives_back_tables() const { return segment_limit_ >= kTablesFrom; }
  // Has the counts of slabs backed, all zero: from `first` up to `end`, or by a huge page. Returns
  // where it stopped.
  size_t back_counts(size_t first, size_t end);
  size_t block_bytes(const void *block) const { return slab_of(block).block_size; }  // guard too
  bool has_private_head() const { return LOAM_HEADS_PRIVATE + private_pools_ < LOAM_HEAD_COUNT; }
  unsigned open_private_pool(size_t size, Kind kind, const char *name);  // which takes that head
  // The head that objects of `size` bytes pop; LOAM_HEAD_NULL when they must take the slow path.
  unsigned head_for(size_t size, Kind kind) const;

  // -- The cache: a thread's lists; the heap lock, and what else closes them.
  void flush(loam_thread *thread);  // every cached block back to its slab
  void lock(loam_thread *thread);   // nests
  bool unlock();                    // true: that was the last
  void end_locks();                 // however many there are
  bool locked() const { return locks_ != 0; }
  bool has_cache() const { return !locked() && !watched_; }
  bool watched() const { return watched_; }  // debug or torture: every call takes the slow path

  // -- Accounting, in bytes.
  size_t in_use_bytes(const loam_thread *thread) const;  // looks at each of the thread's lists
  // Left under the limit, free blocks of slabs in use included; without one, committed and unused.
  size_t free_bytes(const loam_thread *thread) const;
  size_t handed_out_bytes() const { return handed_out_bytes_ + large_.bytes() + external_bytes_; }
  uint64_t gross_bytes() const {  // handed out so far, whatever came back
    return own_gross_bytes_ + large_.gross_bytes();
  }
  size_t counted_bytes() const;
  size_t peak_bytes() const { return peak_bytes_; }
  size_t metadata_bytes() const;
  size_t external_bytes() const { return external_bytes_; }
  bool over_limit() const { return limit_bytes_ != 0 && counted_bytes() > budget_bytes_; }
  void add_external(ptrdiff_t bytes);
  void watch_large_from(size_t held_bytes);  // from there on the collector wants to hear of each
  size_t large_watch() const { return large_watch_; }
  size_t limit_bytes() const { return limit_bytes_; }
  uint64_t failures() const { return failures_; }

  // -- The runtime's own structures, counted as metadata.
  void *allocate_metadata(size_t bytes);  // zeroed
  void *reallocate_metadata(void *block, size_t bytes);
  void free_metadata(void *block);

  size_t trim(loam_thread *thread);
  // Finds to broken: reports each finding, returns how many.
  // level 0: the sums; 1: every slab, bit and list.
  size_t verify(const loam_thread *thread, unsigned level) const;

  // -- Debug mode (debug.cc). Damage is told to the fatal handler, after the name of `function`.
  bool debug() const { return debug_; }
  // A raw block in use, and nothing written past its end.
  void check_raw(const void *block, const char *function) const;
  // What is wrong with a pointer to an object in use, or to memory in use; nullptr: nothing.
  const char *fault_of(const void *block, bool is_object) const;
  bool object_is_intact(const loam_object *object) const;  // nothing written past its end
  // The tag of the object that died at an address, as long as nothing took its place; else 0.
  uint32_t tag_of_freed(const loam_object *object) const;

  Range &range() { return range_; }
  const Range &range() const { return range_; }
  LargeRegistry &large() { return large_; }
  const LargeRegistry &large() const { return large_; }
  const Pool &pool(unsigned head) const { return pools_[head]; }
  size_t segment_limit() const { return segment_limit_; }  // none from here on was ever committed
  size_t slab_limit() const { return segment_limit_ * kSlabsPerSegment; }
  size_t slabs_in_use() const { return slabs_in_use_; }
  size_t segments_committed() const { return segments_committed_; }
  const base::Report &report() const { return *report_; }
  size_t cached_blocks(const loam_thread *thread, unsigned head) const {
    if (!is_open(thread, head)) return 0;
    return static_cast<size_t>(thread->heads[head].top - pools_[head].list);
  }

  // The slabs in which bits of the table of the same name may be set.
  struct SlabList {
    SlabLink first = kLastListed;
    bool empty() const { return first == kLastListed; }
  };
  SlabList young, pending, deferred, grey, condemned, emergency, cycle_grey, suspects, lagging;
  void list_slab(SlabList &list, SlabLink Slab::*link, size_t slab);
  size_t unlist_slab(SlabList &list, SlabLink Slab::*link);  // kNoSlab when the list is empty
  // The first word with bits set of a table over a listed slab, by the number of its first block;
  // slabs without any leave the list. False: there is none.
  bool first_bits(SlabList &list, SlabLink Slab::*link, Bitmap bitmap, size_t *out_number);
  // for (size_t slab = first_listed(list); slab != kNoSlab; slab = next_listed(slab, link))
  static size_t first_listed(const SlabList &list) { return listed(list.first); }
  size_t next_listed(size_t slab, SlabLink Slab::*link) const {
    return listed(range_.slabs[slab].*link);
  }

  bool born_marked = false;   // blocks of containers that are handed out get a kCycleMark bit
  uint64_t taken_blocks = 0;  // from slabs, by lists or one by one, since the beginning
  size_t young_blocks = 0;    // kYoung bits set
  size_t young_slabs = 0;     // that came on the list since the collector emptied it
  bool judges_young = false;  // the collector will count the edges to those that come on it
  // Of those, free ones that were on a list when the collector last counted, and are unused since.
  size_t free_young_blocks = 0;
  uint32_t free_young_by_head[LOAM_HEAD_COUNT] = {};
  size_t young_objects() const { return young_blocks - free_young_blocks + large_.young(); }
  void forget_free_young();
  void forget_free_young(unsigned head);  // its list is empty, or is about to be shortened

 private:
  static size_t listed(SlabLink link) { return link == kLastListed ? size_t{kNoSlab} : link - 2; }
  Slab &slab_of(const void *block) const { return range_.slabs[range_.slab_index(block)]; }
  void open_pools();
  void *take_block(loam_thread *thread, unsigned head);
  void *refill(loam_thread *thread, unsigned head);
  void *reallocate_large(loam_thread *thread, void *block, size_t size);
  void replace_large(void *block, size_t bytes, void *moved, size_t moved_bytes);
  void *take_raw(loam_thread *thread, size_t size, bool zeroed);
  bool reclaim(loam_thread *thread);
  void *take_one(unsigned head);
  void take_bits(size_t slab, size_t word, uint64_t wanted);
  void count_taken(size_t slab, uint32_t count);
  void list_young(size_t slab);
  size_t partial_slab(unsigned head);
  size_t take_slab(unsigned head);
  uint32_t touch_slab(size_t slab, const Pool &pool);
  void touch_part(size_t slab, size_t end);
  bool is_untouched(size_t slab) const;
  bool wants_huge() const;
  bool touch_huge(size_t slab);
  bool would_fill_huge_counts(size_t first) const;
  void forbid_huge(size_t slab);
  void release_slab(size_t slab);
  size_t free_slab_in_segments();
  bool commit_segment(size_t segment);
  void decommit_segment(size_t segment);
  void return_block(void *block);
  void lose_all(size_t slab);
  void clear_all_bits(size_t slab);
  void catch_up(size_t slab);
  unsigned list_end() const { return LOAM_HEADS_PRIVATE + private_pools_; }
  bool is_open(const loam_thread *thread, unsigned head) const {
    return thread->heads[head].limit != range_.lists;
  }
  static size_t list_capacity(const Pool &pool, unsigned parts);  // blocks
  bool open_list(loam_thread *thread, unsigned head);
  void limit_list(loam_thread *thread, unsigned head);
  void close_lists(loam_thread *thread);
  void return_oldest(loam_thread *thread, unsigned head, size_t count);
  // Has a block wait on its list, as loam_free does; false when it has to go back at once.
  bool push(loam_thread *thread, void *block);
  bool push_full(loam_thread *thread, unsigned head, void *block);
  struct AtRest;
  void link_partial(Slab &slab, size_t index);
  void unlink_partial(Slab &slab, size_t index);
  size_t room() const;  // that the limit leaves
  size_t room_under_limit() const;
  bool may_grow(size_t bytes) const { return bytes <= room(); }
  void note_growth();
  void *note_large(void *block);
  size_t most_large() const;  // that may be held before a call has to look
  void bound_large();
  void *allocate_large(size_t size, Kind kind, bool zeroed);
  size_t raw_bytes(const void *block, const char *function) const;
  [[noreturn]] void refuse_unknown(const void *block, const char *function) const;
  void guard_new(void *block, size_t bytes, size_t size, const char *function);
  const void *touched_block(size_t slab) const;
  void check_released(size_t slab) const;
  bool tables_are_clean(size_t slab) const;
  size_t verify_idle(size_t slab) const;
  size_t verify_slab(size_t slab) const;
  size_t verify_large() const;
  size_t verify_lists(const loam_thread *thread, const size_t *with_room) const;
  size_t verify_list(const loam_thread *thread, unsigned head) const;

  // A pool that holds this many slabs has the pages of a new one touched at once.
  static constexpr size_t kPopulateFrom = 8;
  // A heap of so many segments may have huge pages; of so many, gives its tables back.
  static constexpr size_t kHugeFrom = 5, kTablesFrom = 8;
  // What huge pages of large blocks may waste: a 20th of the heap, or of a small one a little more.
  static constexpr size_t kWasteShare = 20, kLeastWaste = 3 * kHugeBytes;
  // All lists of a thread together may hold this, and each an equal part: of as many as are open,
  // up to a power of two, but of so many at least.
  static constexpr size_t kCacheBytes = size_t{192} << 10;
  static constexpr unsigned kFewLists = 16;
  static_assert(kCacheBytes / LOAM_HEAD_COUNT >= LOAM_MAX_BLOCK, "each has room for a block");
  // One segment in so many may be without a slab in use, and one always may.
  static constexpr size_t kIdleShare = 16;

  base::SystemHeap system_;
  Range range_;
  Paging paging_;
  LargeRegistry large_;
  Pool pools_[LOAM_HEAD_COUNT] = {};
  unsigned private_pools_ = 0;
  unsigned open_lists_ = 0;
  unsigned list_parts_ = kFewLists;
  size_t list_slots_ = 1;  // used, of range_.lists; the first is an empty list
  size_t segment_limit_ = 0;
  size_t segment_hint_ = 0;  // no segment before this one has a free slab
  size_t segments_committed_ = 0;
  size_t spare_segments_ = 0;  // committed, and without a slab in use
  size_t slabs_in_use_ = 0;
  size_t handed_out_bytes_ = 0;
  uint64_t own_gross_bytes_ = 0;  // of small blocks, and external ones
  size_t external_bytes_ = 0;
  size_t own_bytes_ = 0;  // allocate_metadata, and the slots of lists
  size_t limit_bytes_ = 0;
  size_t budget_bytes_ = 0;  // the limit, less the eighth kept back for the collector's tables
  size_t peak_bytes_ = 0;
  size_t large_below_peak_ = 0;  // large blocks may hold this before the peak is looked at again
  size_t large_watch_ = SIZE_MAX;
  uint64_t failures_ = 0;
  unsigned locks_ = 0;
  unsigned segment_holds_ = 0;
  bool watched_ = false, debug_ = false;
  TortureState torture_;
  const base::Report *report_ = nullptr;
};

}  // namespace loam::alloc

#include "allocator/heap_inline.h"
