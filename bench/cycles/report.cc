#include "report.h"

#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>

#include "objects.h"
#include "report/row.h"
#include "require.h"

namespace cycles {

void report(const char *group, const std::string &pattern, const char *unit, double value) {
  std::printf("%-14s %-62s %12.6g %s\n", peer::kName, pattern.c_str(), value, unit);
  bench::print_row(group, pattern.c_str(), peer::kName, unit, value);
}

void report_at(const char *group, const std::string &what, size_t nodes, const char *unit,
               double value) {
  bench::print_point(group, what.c_str(), peer::kName, "", "nodes", static_cast<double>(nodes),
                     unit, value);
}

std::string short_count(size_t count) {
  if (count >= 1000000 && count % 1000000 == 0) return std::to_string(count / 1000000) + "M";
  if (count >= 1000 && count % 1000 == 0) return std::to_string(count / 1000) + "k";
  return std::to_string(count);
}

namespace {

uint64_t read_clock(clockid_t clock) {
  timespec time;
  clock_gettime(clock, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1000000000u + static_cast<uint64_t>(time.tv_nsec);
}

}  // namespace

uint64_t now_ns() { return read_clock(CLOCK_MONOTONIC); }
uint64_t thread_ns() { return read_clock(CLOCK_THREAD_CPUTIME_ID); }

void Durations::sort() {
  ns_.resize(size_);
  bench::require(size_ != 0, "timing an operation");
  std::sort(ns_.begin(), ns_.end());
}

double Durations::quantile_us(double share) const {
  const auto within = static_cast<size_t>(std::ceil(share * static_cast<double>(ns_.size())));
  return static_cast<double>(ns_[std::max<size_t>(within, 1) - 1]) / 1e3;
}

double Durations::total_ns() const {
  return static_cast<double>(std::accumulate(ns_.begin(), ns_.end(), uint64_t{0}));
}

void Durations::print_curve(const std::string &chart, const char *line) const {
  constexpr uint64_t kMostUs = uint64_t{1} << 24;
  for (uint64_t limit_us = 1; limit_us <= kMostUs; limit_us *= 2) {
    const auto first = std::upper_bound(ns_.begin(), ns_.end(), limit_us * 1000);
    bench::print_point(
        kPauses, chart.c_str(), peer::kName, line, "µs", static_cast<double>(limit_us),
        "% of operations",
        static_cast<double>(ns_.end() - first) * 100 / static_cast<double>(ns_.size()));
  }
}

}  // namespace cycles
