#include "gc/weak.h"

namespace loam::gc {

namespace {

constexpr size_t kFirstBuckets = 64;

// Fibonacci hashing (Knuth, TAOCP 6.4) of the address.
size_t hash_of(const loam_object *object) {
  return static_cast<size_t>((reinterpret_cast<uintptr_t>(object) >> 3) * 0x9E3779B97F4A7C15u >>
                             32);
}

bool dead_or_condemned(const loam_object *object) {
  constexpr uint32_t kGone = LOAM_FLAG_CONDEMNED | LOAM_FLAG_FINALIZING;
  return object->refcount == 0 || (object->tag & kGone) != 0;
}

}  // namespace

void WeakTable::close() { heap_.free_metadata(buckets_); }

WeakTable::Bucket &WeakTable::bucket(const loam_object *object) const {
  return buckets_[hash_of(object) & mask_];
}

loam_weak *WeakTable::create(loam_thread *thread, loam_object *target, loam_object *owner,
                             loam_weak_fn callback, void *context) {
  if (count_ >= mask_) grow();
  if (buckets_ == nullptr) return nullptr;
  void *memory = heap_.allocate_raw(thread, sizeof(loam_weak));
  if (memory == nullptr) return nullptr;
  loam_weak *weak = static_cast<loam_weak *>(memory);
  *weak = loam_weak{target, owner, callback, context, nullptr, nullptr, nullptr, nullptr, false};
  link_target(weak);
  target->tag |= LOAM_FLAG_WEAK;
  if (owner != nullptr) {
    link_owner(weak);
    owner->tag |= LOAM_FLAG_WEAK;
  }
  ++count_;
  return weak;
}

// When memory ran out the chains grow longer instead.
void WeakTable::grow() {
  const size_t size = buckets_ == nullptr ? kFirstBuckets : (mask_ + 1) * 2;
  Bucket *larger = static_cast<Bucket *>(heap_.allocate_metadata(size * sizeof(Bucket)));
  if (larger == nullptr) return;
  Bucket *old = buckets_;
  const size_t old_size = old == nullptr ? 0 : mask_ + 1;
  buckets_ = larger;
  mask_ = size - 1;
  for (size_t i = 0; i < old_size; ++i) {
    for (loam_weak *weak = old[i].targets; weak != nullptr;) {
      loam_weak *next = weak->next;
      link_target(weak);
      weak = next;
    }
    for (loam_weak *weak = old[i].owners; weak != nullptr;) {
      loam_weak *next = weak->next_owned;
      link_owner(weak);
      weak = next;
    }
  }
  heap_.free_metadata(old);
}

void WeakTable::link_target(loam_weak *weak) {
  loam_weak *&first = bucket(weak->target).targets;
  weak->previous = nullptr;
  weak->next = first;
  if (first != nullptr) first->previous = weak;
  first = weak;
}

void WeakTable::unlink_target(loam_weak *weak) {
  (weak->previous != nullptr ? weak->previous->next : bucket(weak->target).targets) = weak->next;
  if (weak->next != nullptr) weak->next->previous = weak->previous;
}

void WeakTable::link_owner(loam_weak *weak) {
  loam_weak *&first = bucket(weak->owner).owners;
  weak->previous_owned = nullptr;
  weak->next_owned = first;
  if (first != nullptr) first->previous_owned = weak;
  first = weak;
}

void WeakTable::unlink_owner(loam_weak *weak) {
  (weak->previous_owned != nullptr ? weak->previous_owned->next_owned
                                   : bucket(weak->owner).owners) = weak->next_owned;
  if (weak->next_owned != nullptr) weak->next_owned->previous_owned = weak->previous_owned;
}

void WeakTable::enqueue(loam_weak *weak) {
  weak->queued = true;
  weak->next = nullptr;
  weak->previous = queue_end_;
  (queue_end_ != nullptr ? queue_end_->next : queue_) = weak;
  queue_end_ = weak;
}

void WeakTable::dequeue(loam_weak *weak) {
  weak->queued = false;
  (weak->previous != nullptr ? weak->previous->next : queue_) = weak->next;
  (weak->next != nullptr ? weak->next->previous : queue_end_) = weak->previous;
}

void WeakTable::forget(loam_object *object, bool as_owner) {
  for (loam_weak *weak = bucket(object).targets; weak != nullptr;) {
    loam_weak *next = weak->next;
    if (weak->target == object) {
      unlink_target(weak);
      weak->target = nullptr;
      if (weak->callback != nullptr) enqueue(weak);
    }
    weak = next;
  }
  bool owns = false;
  for (loam_weak *weak = bucket(object).owners; weak != nullptr;) {
    loam_weak *next = weak->next_owned;
    if (weak->owner == object && as_owner) {
      unlink_owner(weak);
      weak->owner = nullptr;
      weak->callback = nullptr;
      if (weak->queued) dequeue(weak);
    }
    owns = owns || weak->owner == object;
    weak = next;
  }
  if (!owns) object->tag &= ~uint32_t{LOAM_FLAG_WEAK};  // [G-2]
}

loam_weak *WeakTable::next_callback() {
  while (queue_ != nullptr) {
    loam_weak *weak = queue_;
    dequeue(weak);
    if (weak->owner == nullptr || !dead_or_condemned(weak->owner)) return weak;
  }
  return nullptr;
}

void WeakTable::destroy(loam_thread *thread, loam_weak *weak) {
  if (weak->queued) dequeue(weak);
  if (weak->target != nullptr) unlink_target(weak);
  if (weak->owner != nullptr) unlink_owner(weak);
  --count_;
  heap_.free_raw(thread, weak);
}

}  // namespace loam::gc
