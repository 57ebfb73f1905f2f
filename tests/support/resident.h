// How much memory and how many addresses this process has.
#ifndef LOAM_TESTS_SUPPORT_RESIDENT_H
#define LOAM_TESTS_SUPPORT_RESIDENT_H

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>

namespace loam::test {

// smaps_rollup, because the kernel's quick figure lags by some pages for each core that the process
// ran on. Signed: what is compared may have shrunk.
inline std::ptrdiff_t resident_bytes() {
  std::FILE *file = std::fopen("/proc/self/smaps_rollup", "r");
  REQUIRE(file != nullptr);
  char line[256];
  long kilobytes = 0;
  while (kilobytes == 0 && std::fgets(line, sizeof line, file) != nullptr) {
    std::sscanf(line, "Rss: %ld kB", &kilobytes);
  }
  std::fclose(file);
  REQUIRE(kilobytes != 0);
  return std::ptrdiff_t{kilobytes} * 1024;
}

// 0: the system does not tell. No doctest, so that it may be called on a small stack.
inline std::size_t address_bytes() {
  std::FILE *file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr) return 0;
  std::size_t pages = 0;
  const int fields = std::fscanf(file, "%zu", &pages);
  std::fclose(file);
  return fields == 1 ? pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE)) : 0;
}

}  // namespace loam::test

#endif  // LOAM_TESTS_SUPPORT_RESIDENT_H
