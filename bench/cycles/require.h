// What a figure depends on either holds, or there is no figure.
#ifndef LOAM_BENCH_CYCLES_REQUIRE_H
#define LOAM_BENCH_CYCLES_REQUIRE_H

#include <cstdio>
#include <cstdlib>

namespace cycles {

inline void require(bool holds, const char *what) {
  if (holds) return;
  std::fprintf(stderr, "cycles: %s failed\n", what);
  std::exit(1);
}

}  // namespace cycles

#endif
