// Which pages are to back memory that is about to be used for the first time: small ones, or one
// huge one. It decides, and touches nothing: durations are reported to it.
//
//   small ── warm slabs, less those that cold ones cost, reach the patience ──▶ huge
//            or as much was given back to the OS
//         ◀── a huge page was slow: patience x kRaise ─────────────────────────
//             the OS had none: patience = kMostPatience
//
// A guest's memory is cold until its host has backed it. A cold huge page takes milliseconds, forty
// times what a warm one does. Only the duration of a touch tells cold from warm, and small pages
// tell it too: so huge ones are asked for after a number of slabs whose small pages were warm. One
// that was slow after all ends that, and raises the number. While a heap grows by n slabs through
// memory that is cold for huge pages only, at most log4(n) touches are slow.
//
// What was given back the OS hands out first, and it is warm, unless it lay idle for seconds. So as
// many slabs as that was may have huge pages at once, until one of them is slow.
//
// Thread safety: the owning runtime's thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "allocator/slab.h"

namespace loam::alloc {

class Paging {
 public:
  bool wants_huge() const { return warm_slabs_ >= patience_ || returned_slabs_ >= kSlabsPerHuge; }

  // The small pages of a slab were touched, and it took that long. The thread may have been
  // preempted meanwhile, so that a single one proves nothing.
  void note_slab(uint64_t ns) {
    spend_returned(1);
    if (ns < fastest_ns_) fastest_ns_ = ns;
    if (ns > kColdSlabNs || ns > fastest_ns_ * kColdFactor) {
      warm_slabs_ -= warm_slabs_ < kColdCost ? warm_slabs_ : kColdCost;
    } else if (warm_slabs_ < patience_) {
      ++warm_slabs_;
    }
  }
  // A huge page was touched, and the thread ran for that long.
  void note_huge(uint64_t ns) {
    spend_returned(ns > kSlowHugeNs ? SIZE_MAX : kSlabsPerHuge);
    if (ns > kSlowHugeNs) {
      warm_slabs_ = 0;
      if (patience_ < kMostPatience) patience_ *= kRaise;
    } else if (patience_ > kLeastPatience) {
      patience_ /= kRaise;
      warm_slabs_ = patience_;
    }
  }
  // The OS had no huge page.
  void note_refused() {
    warm_slabs_ = returned_slabs_ = 0;
    patience_ = kMostPatience;
  }
  // Resident slabs were given back to the OS.
  void note_returned(size_t slabs) { returned_slabs_ += slabs; }

  static constexpr size_t kLeastPatience = 16;  // slabs: 1 MiB
  static constexpr size_t kMostPatience = kLeastPatience << 10;
  static constexpr size_t kRaise = 4;
  static constexpr size_t kColdCost = 16;  // slabs
  // Warm slabs take 5 to 40 us, and no two of a machine differ by more than the factor.
  static constexpr uint64_t kColdSlabNs = 100000;
  static constexpr uint64_t kColdFactor = 3;
  static constexpr uint64_t kSlowHugeNs = 1000000;

 private:
  void spend_returned(size_t slabs) {
    returned_slabs_ -= returned_slabs_ < slabs ? returned_slabs_ : slabs;
  }

  uint64_t fastest_ns_ = kColdSlabNs;
  size_t warm_slabs_ = 0;  // at most patience_
  size_t patience_ = kLeastPatience;
  size_t returned_slabs_ = 0;
};

}  // namespace loam::alloc
