// The roots that cycles found to lead to much of the heap, so that the next one marks first what
// they lead to: hints, as if the host had registered them. One that a later cycle looked at again,
// and found to be a root still, most likely stays one: what is none any more costs a second start.
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
  void forget() { *this = KnownRoots(); }
  // Keeps those that are roots still: is_root(Root &), which notes their edges of today.
  template <typename IsRoot>
  void confirm(IsRoot &&is_root) {
    confirmed_ = 0;
    for (size_t i = 0; i < count_; ++i) {
      if (is_root(roots_[i])) roots_[confirmed_++] = roots_[i];
    }
    count_ = confirmed_;
    candidates_ = 0;
    crowded_ = false;
  }
  // Behind them stand those that one slab is found to have.
  void add_candidate(const Root &root) {
    const size_t at = count_ + candidates_;
    const auto is_it = [&root](const Root &known) { return known.object == root.object; };
    if (std::any_of(roots_, roots_ + at, is_it)) return;
    crowded_ = at == kMost;
    if (!crowded_) roots_[count_ + candidates_++] = root;
  }
  void settle(bool lead_to_much) {
    if (lead_to_much && !crowded_) count_ += candidates_;
    candidates_ = 0;
    crowded_ = false;
  }
  template <typename Visit>  // visit(const Root &)
  void each_confirmed(Visit &&visit) const {
    std::for_each(roots_, roots_ + confirmed_, visit);
  }

 private:
  static constexpr size_t kMost = 8;
  Root roots_[kMost];
  size_t count_ = 0, confirmed_ = 0, candidates_ = 0;
  bool crowded_ = false;  // more candidates than there is room for: each leads to little
};

}  // namespace loam::gc
