#include "allocator/large.h"

#include "allocator/guard.h"
#include "allocator/os_memory.h"

namespace loam::alloc {

// From here on plain blocks have pages of their own. The source would copy them as they grow, and
// would keep those that were freed resident; a program has few of them.
constexpr size_t kPagesBytes = size_t{4} << 20;

size_t large_cost(const base::SystemHeap &source, size_t size) {
  if (size > PTRDIFF_MAX) return SIZE_MAX;
  // A tool that watches finds a write past the end only where blocks are as long as was asked.
  if (source.is_watched()) return size;
  if (size <= StartMap::kLongBytes) return large_class_bytes(large_class_of(size));
  return (size + kLongUnit - 1) / kLongUnit * kLongUnit;
}

namespace {

// Whether the source gives whole classes to whoever asks for a size, and they are these. A build of
// mimalloc that checks for writes past the end gives what was asked for.
bool has_these_classes(const base::SystemHeap &source) {
  size_t before = LOAM_MAX_BLOCK;
  for (unsigned id = 0; id < kLargeClasses; ++id) {
    if (source.good_size(before + 1) != large_class_bytes(id)) return false;
    before = large_class_bytes(id);
  }
  void *const probe = source.allocate(LOAM_MAX_BLOCK + 1);
  const bool is_whole = probe != nullptr && source.usable_size(probe) >= large_class_bytes(0);
  source.free(probe);
  return is_whole;
}

}  // namespace

// Long blocks have powers of two, of which only the first pages of the OS are in use. So they share
// the source's pages of few classes instead of many, each of which would keep some resident; and
// plain ones can grow in place.
void *LargeRegistry::from_source(size_t cost, bool zeroed) {
  if (cost <= StartMap::kLongBytes || cost > kMediumBytes || asks_source_) {
    return zeroed ? system_.allocate_zeroed(cost) : system_.allocate(cost);
  }
  size_t bytes = 2 * StartMap::kLongBytes;
  while (bytes < cost) bytes *= 2;
  if (zeroed && bytes == cost) return system_.allocate_zeroed(cost);
  void *const block = system_.allocate(bytes);
  if (block != nullptr && zeroed) std::memset(block, 0, cost);
  return block;
}

inline void LargeRegistry::link(Large *large, Large *head) {
  Large *const next = head->next;
  large->next = next;
  large->previous = head;
  head->next = large;
  next->previous = large;
}

inline void LargeRegistry::unlink(Large *large) {
  Large *const next = large->next;
  Large *const previous = large->previous;
  next->previous = previous;
  previous->next = next;
}

Large *LargeRegistry::allocate(size_t size, Kind kind, bool zeroed, size_t most_bytes) {
  const size_t cost = size < PTRDIFF_MAX ? large_cost(system_, size + sizeof(Large)) : SIZE_MAX;
  if (cost > PTRDIFF_MAX || cost > most_bytes) return nullptr;
  void *memory = from_source(cost, zeroed);
  if (memory == nullptr) return nullptr;
  if (LOAM_RARELY(!objects_.insert(memory, kObjectCode))) {
    system_.free(memory);
    return nullptr;
  }
  Large *large = static_cast<Large *>(memory);
  *large = Large{};
  large->bytes = cost;
  large->kind = kind;
  large->young = kind == Kind::kContainer;
  large->magic = Large::kMagic;
  link(large, &lists_[kind == Kind::kLeaf ? kLeafList : kYoungList]);
  held_bytes_ += cost;
  gross_bytes_ += cost;
  ++count_;
  containers_ += large->young;
  young_ += large->young;
  return large;
}

void LargeRegistry::free(Large *large) {
  unlink(large);
  objects_.erase(large);
  large->magic = 0;
  held_bytes_ -= large->bytes;
  --count_;
  containers_ -= large->kind == Kind::kContainer;
  young_ -= large->young;
  if (LOAM_RARELY(guarded_)) return free_guarded({large, large->block(), large->size()});
  system_.free(large);
}

// A block that is held, and not in the map yet.
LOAM_NOINLINE void *LargeRegistry::enter(void *block, unsigned code, size_t bytes) {
  if (LOAM_RARELY(!raw_.insert(block, code))) {
    held_bytes_ -= bytes;
    release(block, code, bytes);
    return nullptr;
  }
  gross_bytes_ += bytes;
  ++count_;
  return block;
}

void *LargeRegistry::allocate_raw(size_t size, bool zeroed, size_t most_bytes) {
  if (size > StartMap::kLongBytes || asks_source_) {
    return allocate_uncommon(size, zeroed, most_bytes);
  }
  const unsigned id = large_class_of(size);
  IdleClass &blocks = idle_[id];
  void *block;
  if (blocks.first != nullptr) {
    block = take_idle(blocks);
    if (zeroed) std::memset(block, 0, size);
  } else {
    if (blocks.bytes > most_bytes) return nullptr;
    block = zeroed ? system_.allocate_zeroed(size) : system_.allocate(size);
    if (block == nullptr) return nullptr;
    held_bytes_ += blocks.bytes;
  }
  return enter(block, id + kFirstCode, blocks.bytes);
}

// Long blocks, of which the source may take far more addresses than were asked for; and those of
// which only it knows the size.
void *LargeRegistry::allocate_uncommon(size_t size, bool zeroed, size_t most_bytes) {
  const size_t cost = large_cost(system_, size);
  if (cost > PTRDIFF_MAX || cost > most_bytes) return nullptr;
  const bool has_pages = cost >= kPagesBytes && !asks_source_;
  void *block = has_pages ? os_map(cost) : from_source(cost, zeroed);
  if (block == nullptr) return nullptr;
  pages_count_ += has_pages;
  if (asks_source_) {
    system_.keep_hidden(block);  // a host may end without destroying its runtime
    const size_t bytes = system_.usable_size(block);
    if (bytes > most_bytes) {
      system_.free(block);
      return nullptr;
    }
    held_bytes_ += bytes;
    return enter(block, kAskCode, bytes);
  }
  held_bytes_ += cost;
  block = enter(block, has_pages ? kPagesCode : kLongCode, cost);
  if (block != nullptr) raw_.set_long_bytes(block, cost);
  return block;
}

bool LargeRegistry::free_raw(void *block) {
  const unsigned code = raw_.erase(block);
  if (code == 0) return false;
  if (!guarded_ || code == kPagesCode) {
    leave(block, code);
  } else {
    const size_t bytes = bytes_of(block, code);
    held_bytes_ -= bytes;
    --count_;
    free_guarded({block, block, bytes});
  }
  return true;
}

LOAM_NOINLINE void LargeRegistry::leave_uncommon(void *block, unsigned code) {
  const size_t bytes = bytes_of(block, code);
  held_bytes_ -= bytes;
  release(block, code, bytes);
}

void LargeRegistry::release(void *block, unsigned code, size_t bytes) {
  if (code != kPagesCode) return system_.free(block);
  os_release(block, bytes);
  --pages_count_;
}

void LargeRegistry::open(const base::Report *report, bool debug, bool keeps_idle) {
  for (Large &list : lists_) list.next = list.previous = &list;
  report_ = report;
  guarded_ = debug && !system_.is_watched();
  asks_source_ = system_.is_watched() || !has_these_classes(system_);
  set_keeps_idle(keeps_idle);
}

void LargeRegistry::set_keeps_idle(bool keeps_idle) {
  release_idle();
  for (unsigned id = 0; id < kLargeClasses; ++id) {
    const auto bytes = static_cast<uint32_t>(large_class_bytes(id));
    const uint32_t room = bytes < kMostIdleBytes ? kMostIdleBytes / bytes : 1;
    idle_[id] = {nullptr, keeps_idle && !asks_source_ ? room : 0, bytes};
  }
}

void LargeRegistry::close() {
  for (Large &list : lists_) {
    while (list.next != &list) free(list.next);
  }
  release_idle();
  each_raw([this](void *block) { release(block, raw_.find(block), raw_bytes(block)); });
  objects_.close();
  raw_.close();
  held_bytes_ = count_ = containers_ = young_ = 0;
  for (; quarantine_count_ != 0; --quarantine_count_) {
    system_.free(quarantine_[quarantine_first_++ % kQuarantineBlocks].memory);
  }
  system_.free(quarantine_);
  quarantine_ = nullptr;
}

void *LargeRegistry::resize_long(void *block, size_t size, size_t most_bytes) {
  const unsigned code = raw_.find(block);
  if (code != kLongCode && code != kPagesCode) return nullptr;
  const size_t cost = large_cost(system_, size);
  const size_t bytes = raw_.long_bytes(block);
  if (cost > PTRDIFF_MAX || cost > most_bytes) return nullptr;
  if (code == kLongCode) {
    if (cost < bytes || cost > system_.usable_size(block)) return nullptr;
  } else {
    if (cost < kPagesBytes) return nullptr;
    if (cost > bytes && !raw_.prepare()) return nullptr;  // once moved, it must get in
    // Perhaps a table, which is not filled from the front: then huge pages would waste most of it.
    if (cost / 2 > bytes) os_forbid_huge(block, bytes);
    void *const moved = os_remap(block, bytes, cost);
    if (moved == nullptr) return nullptr;
    raw_.erase(block);
    block = moved;
    LOAM_CHECK(raw_.insert(block, kPagesCode));
  }
  raw_.set_long_bytes(block, cost);
  held_bytes_ += cost - bytes;
  if (cost > bytes) gross_bytes_ += cost - bytes;
  return block;
}

bool LargeRegistry::fits_source(const void *block) const {
  return has_pages(block) || system_.usable_size(block) >= raw_bytes(block);
}

void LargeRegistry::release_idle() {
  for (IdleClass &blocks : idle_) {
    while (blocks.first != nullptr) {
      Idle *const idle = blocks.first;
      blocks.first = idle->next;
      ++blocks.room;
      system_.free(idle);
    }
  }
  held_bytes_ -= idle_bytes_;
  idle_bytes_ = 0;
}

LargeRegistry::Sum LargeRegistry::sum_of_idle() const {
  Sum sum = {};
  for (const IdleClass &blocks : idle_) {
    for (const Idle *at = blocks.first; at != nullptr; at = at->next) {
      ++sum.blocks;
      sum.bytes += blocks.bytes;
    }
  }
  return sum;
}

size_t LargeRegistry::count_prefixes() const {
  size_t count = 0;
  objects_.each([&count](const void *) { ++count; });
  return count;
}

void LargeRegistry::trim() {
  release_idle();
  objects_.trim();
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

void LargeRegistry::make_old(Large *large) {
  young_ -= large->young;
  large->young = false;
  move(large, kOldList);
}

void LargeRegistry::make_all_old() {
  for (Large *large = first(kYoungList); large != end(kYoungList); large = large->next) {
    large->young = false;
    --young_;
  }
  move_all(kYoungList, kOldList);
}

Kind LargeRegistry::kind_of(const void *block) const {
  if (raw_.find(block) != 0) return Kind::kRaw;
  const Large *const large = find(block);
  return large != nullptr ? large->kind : Kind::kNone;
}

}  // namespace loam::alloc
