// Assertions in two tiers. LOAM_CHECK is always compiled; LOAM_ASSERT is for invariants on paths
// where a check would cost, and is live in debug and sanitizer builds. Both name the invariant they
// check by its tag, so that a failure points at DESIGN.md.
#pragma once

namespace loam::base {

// Prints the failed condition and aborts.
[[noreturn]] void check_failed(const char *file, int line, const char *condition);

#define LOAM_CHECK(condition)         \
  (__builtin_expect(!!(condition), 1) \
       ? (void)0                      \
       : ::loam::base::check_failed(__FILE__, __LINE__, #condition))

#if LOAM_DEBUG_ASSERTS
#define LOAM_ASSERT(condition) LOAM_CHECK(condition)
#else
#define LOAM_ASSERT(condition) ((void)sizeof(!(condition)))
#endif

#define LOAM_EXPECT(condition) __builtin_expect(!!(condition), 1)
#define LOAM_RARELY(condition) __builtin_expect(!!(condition), 0)
#define LOAM_NOINLINE __attribute__((noinline))
#define LOAM_INLINED __attribute__((always_inline))  // of a lambda
#define LOAM_ALWAYS_INLINE LOAM_INLINED inline

}  // namespace loam::base
