// Google Benchmark's figures as rows (report/row.h).
//
// A benchmark is called "<group>: <pattern>". Each of its counters whose name starts with "ns" or
// "bytes" is a row with that name as its unit. Its label, where it has one, is the peer.
#ifndef LOAM_BENCH_ROWS_H
#define LOAM_BENCH_ROWS_H

#include <benchmark/benchmark.h>

#include <string>
#include <utility>
#include <vector>

#include "report/row.h"
#include "require.h"

namespace bench {

// The pointer, which the compiler must have made by now, and knows nothing about.
template <typename T>
inline T *opaque(T *pointer) {
  asm volatile("" : "+r"(pointer) : : "memory");
  return pointer;
}

// A row of time, when one iteration does `operations` of what the unit names.
inline void per_operation(benchmark::State &state, size_t operations, const char *unit) {
  using benchmark::Counter;
  const double total = static_cast<double>(operations) * static_cast<double>(state.iterations());
  // The inverse of a rate per second of 1e9 operations: nanoseconds for one.
  state.counters[unit] = Counter(total / 1e9, Counter::kIsRate | Counter::kInvert);
}

// The console reporter, and the rows behind its table.
class RowReporter : public benchmark::ConsoleReporter {
 public:
  explicit RowReporter(const char *peer) : ConsoleReporter(OO_Tabular), peer_(peer) {}

  void ReportRuns(const std::vector<Run> &runs) override {
    ConsoleReporter::ReportRuns(runs);
    for (const Run &run : runs) {
      if (run.error_occurred) failed_ = true;
      if (run.run_type == Run::RT_Iteration) runs_.push_back(run);
    }
  }

  void Finalize() override {
    ConsoleReporter::Finalize();
    for (const Run &run : runs_) print_rows_of(run);
  }

  bool failed() const { return failed_; }

 private:
  void print_rows_of(const Run &run) const {
    const std::string &name = run.run_name.function_name;
    const size_t colon = name.find(": ");
    require(colon != std::string::npos, ("finding the group of " + name).c_str());
    const std::string peer = run.report_label.empty() ? peer_ : run.report_label;
    for (const auto &[unit, counter] : run.counters) {
      if (unit.rfind("ns", 0) != 0 && unit.rfind("bytes", 0) != 0) continue;
      print_row(name.substr(0, colon).c_str(), name.substr(colon + 2).c_str(), peer.c_str(),
                unit.c_str(), counter.value);
    }
  }

  std::string peer_;
  std::vector<Run> runs_;
  bool failed_ = false;
};

inline int run(int argc, char **argv, const char *peer) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  RowReporter reporter(peer);
  benchmark::RunSpecifiedBenchmarks(&reporter);
  benchmark::Shutdown();
  return reporter.failed() ? 1 : 0;
}

}  // namespace bench

#endif
