// How large a test is, and where its random numbers come from.
//
// Sizes are written as they run in a release build; scaled() divides them by LOAM_TEST_SCALE (set
// by sanitizer builds) and by 100 under Valgrind, so that a suite stays usable where code runs
// slowly.
#ifndef LOAM_TESTS_SUPPORT_SCALE_H
#define LOAM_TESTS_SUPPORT_SCALE_H

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif

#ifndef LOAM_TEST_SCALE
#define LOAM_TEST_SCALE 1
#endif

namespace loam::test {

inline bool under_valgrind() {
#ifdef RUNNING_ON_VALGRIND
  return RUNNING_ON_VALGRIND != 0;
#else
  return false;
#endif
}

// True where memory and time are not those of the plain build: figures about RSS mean nothing
// there.
inline bool instrumented() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
  return true;
#else
  return under_valgrind();
#endif
#else
  return under_valgrind();
#endif
}

// n, or the share of it that this build can bear; at least 1.
inline std::size_t scaled(std::size_t n) {
  std::size_t divisor = std::size_t{LOAM_TEST_SCALE} * (under_valgrind() ? 100 : 1);
  std::size_t share = n / divisor;
  return share > 0 ? share : 1;
}

// The seed of a random test: $LOAM_TEST_SEED, or `fallback`. Print it with INFO, so that a failure
// replays.
inline std::uint64_t seed_or(std::uint64_t fallback) {
  const char *text = std::getenv("LOAM_TEST_SEED");
  return text != nullptr ? std::strtoull(text, nullptr, 0) : fallback;
}

// splitmix64 (Steele, Lea, Flood, 2014): small, good enough, and the same on every machine.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    state_ += 0x9E3779B97F4A7C15u;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }

  std::size_t below(std::size_t bound) { return static_cast<std::size_t>(next() % bound); }

 private:
  std::uint64_t state_;
};

}  // namespace loam::test

#endif  // LOAM_TESTS_SUPPORT_SCALE_H
