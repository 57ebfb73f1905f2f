// How much memory and how many addresses this process has.
#ifndef LOAM_TESTS_SUPPORT_RESIDENT_H
#define LOAM_TESTS_SUPPORT_RESIDENT_H

#include <unistd.h>

#include <cstddef>
#include <cstdio>

#include "bench/resident.h"

namespace loam::test {

// Signed: what is compared may have shrunk.
inline std::ptrdiff_t resident_bytes() {
  return static_cast<std::ptrdiff_t>(bench::resident_bytes());
}

// 0: the system does not tell.
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
