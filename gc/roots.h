// The roots that cycles found to lead to much of the heap, so that the next one marks first what
// they lead to: hints, as if the host had registered them. One that a later cycle looked at again,
// and found to be a root still, most likely stays one: what is none any more costs a second start.
//
//   | confirmed: hints | found since | candidates: of the slab that RESCUE looked at last |
//
// They may be gone: whoever takes one looks it up in the tables first.
//
// Thread safety: the owning runtime's thread.
#pragma once

#include <loam/layout.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace loam::gc {

struct Root {
  loam_object *object;
  uint32_t inner;  // edges from members
};

class KnownRoots {
 public:
  void forget_confirmed() {
    std::copy(roots_ + confirmed_, roots_ + count_, roots_);
    count_ -= confirmed_;
    confirmed_ = 0;
  }
  // Keeps those that are roots still: is_root(Root &), which notes their edges of today.
  template <typename IsRoot>
  void confirm(IsRoot &&is_root) {
    confirmed_ = 0;
    for (size_t i = 0; i < count_; ++i) {
      if (is_root(roots_[i])) roots_[confirmed_++] = roots_[i];
    }
    count_ = confirmed_;
    settle(false);
  }
  // A root of the slab that is looked at. hinted: most known ones were hints, and lead to no more
  // than is marked.
  void add_candidate(const Root &root, bool hinted) {
    const auto is_it = [&root](const Root &known) { return known.object == root.object; };
    if (std::any_of(roots_, roots_ + count_, is_it)) {
      doubtful_ = doubtful_ || !hinted;
    } else if (count_ + candidates_ == kMost) {
      doubtful_ = true;
    } else {
      roots_[count_ + candidates_++] = root;
    }
  }
  // The candidates lead to much, or not.
  void settle(bool lead_to_much) {
    if (lead_to_much && !doubtful_) count_ += candidates_;
    candidates_ = 0;
    doubtful_ = false;
  }
  template <typename Visit>  // visit(const Root &)
  void each_confirmed(Visit &&visit) const {
    std::for_each(roots_, roots_ + confirmed_, visit);
  }

 private:
  static constexpr size_t kMost = 8;
  Root roots_[kMost];
  size_t count_ = 0, confirmed_ = 0, candidates_ = 0;
  bool doubtful_ = false;  // too many candidates, or a known one may be what leads to much
};

}  // namespace loam::gc
