// What a figure depends on either holds, or there is no figure.
#ifndef LOAM_BENCH_REQUIRE_H
#define LOAM_BENCH_REQUIRE_H

#include <cstdio>
#include <cstdlib>

namespace bench {

inline void require(bool holds, const char *what) {
  if (holds) return;
  std::fprintf(stderr, "bench: %s failed\n", what);
  std::exit(1);
}

}  // namespace bench

#endif
