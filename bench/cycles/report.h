// What a pattern prints: a line for people, and a row for bench_report, for each figure; and points
// of curves.
#ifndef LOAM_BENCH_CYCLES_REPORT_H
#define LOAM_BENCH_CYCLES_REPORT_H

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace cycles {

// The headings that figures come under.
inline constexpr char kObjects[] = "Objects and cycles";
inline constexpr char kHeapSize[] = "Full collection against heap size";
inline constexpr char kSessions[] = "Sessions";
inline constexpr char kLeak[] = "A steady leak of small cycles";
inline constexpr char kCache[] = "A cache of small cycles";
inline constexpr char kPauses[] = "Pauses: the share of operations that take longer";

void report(const char *group, const std::string &pattern, const char *unit, double value);

// A point of the curve that shows how `what` depends on the number of nodes.
void report_at(const char *group, const std::string &what, size_t nodes, const char *unit,
               double value);

// "10M", "250k", "1234".
std::string short_count(size_t count);

uint64_t now_ns();
uint64_t thread_ns();  // stands still while another thread has the processor

// Nanoseconds that `work` takes.
template <typename Work>
double timed_ns(Work work) {
  const uint64_t start = now_ns();
  work();
  return static_cast<double>(now_ns() - start);
}

// How long each of many operations took.
class Durations {
 public:
  // Room for `count`, touched, so that adding takes no page fault.
  explicit Durations(size_t count) : ns_(count, 0), size_(0) {}

  void add(uint64_t ns) { ns_[size_++] = ns; }
  void sort();
  // After sort(): what the given share of the operations stayed within.
  double quantile_us(double share) const;
  double longest_us() const { return quantile_us(1); }
  double total_ns() const;

  // Points of kPauses, in the chart of that name. They go on where no operation is as long, so that
  // every run has the same ones, and a median of them is one.
  void print_curve(const std::string &chart, const char *line) const;

 private:
  std::vector<uint64_t> ns_;
  size_t size_;
};

}  // namespace cycles

#endif
