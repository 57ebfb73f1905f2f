#include "allocator/large.h"

#include "allocator/guard.h"

namespace loam::alloc {

void LargeRegistry::open(const base::Report *report, bool debug) {
  for (Large &list : lists_) list.next = list.previous = &list;
  quarantine_.next = quarantine_.previous = &quarantine_;
  report_ = report;
  guarded_ = debug && !system_.is_watched();
}

void LargeRegistry::close() {
  for (Large &list : lists_) {
    while (list.next != &list) free(list.next);
  }
  while (quarantine_.next != &quarantine_) {
    Large *large = quarantine_.next;
    unlink(large);
    system_.free(large);
  }
}

// The block is off its list, and not counted any more.
void LargeRegistry::free_guarded(Large *large) {
  if (large->bytes > kQuarantineBytes) return system_.free(large);
  guard_poison(large->block(), large->size(), 0);
  link(large, &quarantine_);
  quarantined_bytes_ += large->bytes;
  while (quarantined_bytes_ > kQuarantineBytes) {
    Large *oldest = quarantine_.previous;
    if (!guard_untouched(oldest->block(), oldest->size())) {
      report_->fatal("block %p was written after it was freed", oldest->block());
    }
    unlink(oldest);
    quarantined_bytes_ -= oldest->bytes;
    system_.free(oldest);
  }
}

const Large *LargeRegistry::touched() const {
  for (const Large *large = quarantine_.next; large != &quarantine_; large = large->next) {
    if (!guard_untouched(large + 1, large->size())) return large;
  }
  return nullptr;
}

Large *LargeRegistry::reallocate(Large *large, size_t cost) {
  if (cost > PTRDIFF_MAX) return nullptr;
  Large *moved = static_cast<Large *>(system_.reallocate(large, cost));
  if (moved == nullptr) return nullptr;
  moved->next->previous = moved;  // they still point to where it was
  moved->previous->next = moved;
  bytes_ += cost - moved->bytes;
  moved->bytes = cost;
  return moved;
}

void LargeRegistry::move(Large *large, List list) {
  unlink(large);
  link(large, &lists_[list]);
}

void LargeRegistry::move_all(List from, List to) {
  Large &source = lists_[from];
  if (source.next == &source) return;
  Large &target = lists_[to];
  source.previous->next = target.next;
  target.next->previous = source.previous;
  target.next = source.next;
  source.next->previous = &target;
  source.next = source.previous = &source;
}

bool LargeRegistry::contains(const void *block) const {
  for (const Large &list : lists_) {
    for (const Large *large = list.next; large != &list; large = large->next) {
      if (large + 1 == block) return true;
    }
  }
  return false;
}

}  // namespace loam::alloc
