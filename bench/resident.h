// Resident memory of this process.
#ifndef LOAM_BENCH_RESIDENT_H
#define LOAM_BENCH_RESIDENT_H

#include <cstddef>
#include <cstdio>

#include "require.h"

namespace bench {

// smaps_rollup, because the kernel's quick figures lag by some pages for each core that the process
// ran on.
inline size_t resident_bytes() {
  std::FILE *file = std::fopen("/proc/self/smaps_rollup", "r");
  require(file != nullptr, "reading /proc/self/smaps_rollup");
  char line[256];
  size_t kilobytes = 0;
  while (std::fgets(line, sizeof line, file) != nullptr) {
    if (std::sscanf(line, "Rss: %zu kB", &kilobytes) == 1) break;
  }
  std::fclose(file);
  require(kilobytes != 0, "finding Rss");
  return kilobytes * 1024;
}

// What the process grew by, for each of `count`.
inline double growth_per(size_t before_bytes, size_t count) {
  const double growth = static_cast<double>(resident_bytes()) - static_cast<double>(before_bytes);
  return growth / static_cast<double>(count);
}

}  // namespace bench

#endif
