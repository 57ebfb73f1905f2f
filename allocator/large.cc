#include "allocator/large.h"

#include "allocator/guard.h"

namespace loam::alloc {

void LargeRegistry::open(const base::Report *report, bool debug, bool keeps_idle) {
  for (Large &list : lists_) list.next = list.previous = &list;
  report_ = report;
  guarded_ = debug && !system_.is_watched();
  keeps_idle_ = keeps_idle && !system_.is_watched();
}

void LargeRegistry::close() {
  for (Large &list : lists_) {
    while (list.next != &list) free(list.next);
  }
  release_idle();
  each_raw([this](void *block) { system_.free(block); });
  raw_.close();
  bytes_ = count_ = 0;
  for (; quarantine_count_ != 0; --quarantine_count_) {
    system_.free(quarantine_[quarantine_first_++ % kQuarantineBlocks].memory);
  }
  system_.free(quarantine_);
  quarantine_ = nullptr;
}

void LargeRegistry::release_idle() {
  for (Idle *&first : idle_) {
    while (first != nullptr) {
      Idle *const idle = first;
      first = idle->next;
      system_.free(idle);
    }
  }
  idle_bytes_ = 0;
}

bool LargeRegistry::idle_is_sound() const {
  size_t bytes = 0;
  for (const Idle *idle : idle_) {
    for (; idle != nullptr; idle = idle->next) bytes += idle->bytes;
  }
  return bytes == idle_bytes_;
}

void LargeRegistry::trim() {
  release_idle();
  raw_.trim();
  system_.trim();
}

// The block is in the registry no more, nor counted. Where there is no memory to remember it by, it
// goes at once.
void LargeRegistry::free_guarded(const Freed &freed) {
  if (quarantine_ == nullptr) {
    quarantine_ = static_cast<Freed *>(system_.allocate(kQuarantineBlocks * sizeof(Freed)));
  }
  if (quarantine_ == nullptr || freed.size > kQuarantineBytes) return system_.free(freed.memory);
  guard_poison(freed.block, freed.size, 0);
  if (quarantine_count_ == kQuarantineBlocks) release_oldest();
  quarantine_[(quarantine_first_ + quarantine_count_++) % kQuarantineBlocks] = freed;
  quarantined_bytes_ += freed.size;
  while (quarantined_bytes_ > kQuarantineBytes) release_oldest();
}

void LargeRegistry::release_oldest() {
  const Freed &oldest = quarantine_[quarantine_first_++ % kQuarantineBlocks];
  if (!guard_untouched(oldest.block, oldest.size)) {
    report_->fatal("block %p was written after it was freed", oldest.block);
  }
  quarantined_bytes_ -= oldest.size;
  --quarantine_count_;
  system_.free(oldest.memory);
}

const void *LargeRegistry::touched() const {
  for (size_t i = 0; i < quarantine_count_; ++i) {
    const Freed &freed = quarantine_[(quarantine_first_ + i) % kQuarantineBlocks];
    if (!guard_untouched(freed.block, freed.size)) return freed.block;
  }
  return nullptr;
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

Kind LargeRegistry::kind_of(const void *block) const {
  if (raw_.contains(block)) return Kind::kRaw;
  for (const Large &list : lists_) {
    for (const Large *large = list.next; large != &list; large = large->next) {
      if (large + 1 == block) return large->kind;
    }
  }
  return Kind::kNone;
}

}  // namespace loam::alloc
