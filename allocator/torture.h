// Deliberate hardship: which allocation fails, which free slot is taken. Consulted on slow paths
// only; a runtime under torture has no fast ones.
#pragma once

#include <cstdint>

namespace loam::alloc {

struct Torture {
  uint64_t fail_at = 0;      // fail the nth allocation; 0: off
  uint64_t fail_count = 0;   // how many from there on; 0: all
  uint64_t fail_one_in = 0;  // at random; 0: off
  uint64_t seed = 0;
  bool poison = false;
  bool never_reuse = false;
  bool random_slots = false;
  bool move_realloc = false;
  // True when the heap must see every call, also because the collector's part of the torture needs
  // it.
  bool watch = false;
};

class TortureState {
 public:
  TortureState() = default;
  explicit TortureState(const Torture &torture) : plan(torture), random_(torture.seed | 1) {}

  // Counts one allocation, and says whether it must fail.
  bool fails() {
    if (plan.fail_at == 0 && plan.fail_one_in == 0) return false;
    ++allocations_;
    if (plan.fail_one_in != 0 && random() % plan.fail_one_in == 0) return true;
    if (plan.fail_at == 0 || allocations_ < plan.fail_at) return false;
    return plan.fail_count == 0 || allocations_ - plan.fail_at < plan.fail_count;
  }

  uint64_t random() {  // xorshift64 (Marsaglia, "Xorshift RNGs", 2003)
    random_ ^= random_ << 13;
    random_ ^= random_ >> 7;
    random_ ^= random_ << 17;
    return random_;
  }

  Torture plan;

 private:
  uint64_t random_ = 1;
  uint64_t allocations_ = 0;
};

}  // namespace loam::alloc
