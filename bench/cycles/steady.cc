// What do operations cost, and how long can one take, in a heap that stays as it is?
#include <algorithm>

#include "graph.h"
#include "patterns.h"
#include "report.h"
#include "require.h"

namespace cycles {

namespace {

constexpr size_t kRingNodes = 250;
constexpr size_t kBytesEvery = 64;  // operations between two looks at the bytes in use

double ratio(size_t value, size_t base) {
  return static_cast<double>(value) / static_cast<double>(base);
}

// Rings of nodes held from outside, replaced at random; each replaced one is garbage that counts
// alone would leak.
class Rings {
 public:
  Rings(Heap heap, size_t rings, size_t ring_nodes)
      : heap_(heap),
        ring_nodes_(ring_nodes),
        bytes_before_(heap.bytes_in_use()),
        handles_(heap, rings) {
    for (size_t i = 0; i < rings; ++i) handles_[i] = new_ring(heap_, ring_nodes_);
  }

  void replace_one() {
    const size_t index = random_.below(handles_.size());
    heap_.drop(handles_[index]);
    handles_[index] = new_ring(heap_, ring_nodes_);
  }

  // Each replacement timed. Between them the bytes in use are looked at.
  Durations replace(size_t operations) {
    Durations durations(operations);
    for (size_t i = 0; i < operations; ++i) {
      const uint64_t start = now_ns();
      replace_one();
      durations.add(now_ns() - start);
      if (i % kBytesEvery == 0) peak_bytes_ = std::max(peak_bytes_, bytes());
    }
    durations.sort();
    return durations;
  }

  size_t bytes() const { return heap_.bytes_in_use() - bytes_before_; }
  size_t peak_bytes() const { return peak_bytes_; }

 private:
  Heap heap_;
  size_t ring_nodes_;
  size_t bytes_before_;
  Handles handles_;
  Random random_;
  size_t peak_bytes_ = 0;
};

// `how` names the circumstances, where they are not the usual ones.
void report_durations(const char *group, const std::string &pattern, const char *how,
                      const Durations &durations) {
  const std::string figure = *how == '\0' ? pattern : pattern + ", " + how;
  for (double percent : {50.0, 99.0, 99.9}) {
    char name[16];
    std::snprintf(name, sizeof name, ": p%g", percent);
    report(group, figure + name, "µs", durations.quantile_us(percent / 100));
  }
  report(group, figure + ": longest operation", "µs", durations.longest_us());
  durations.print_curve(pattern, how);
}

// `untimed` operations come first, so that the heap is in its steady state.
void replace_rings(Heap heap, const char *group, const std::string &pattern, size_t rings,
                   size_t ring_nodes, size_t untimed, size_t operations) {
  touch(heap, 2 * rings * ring_nodes);
  Rings held(heap, rings, ring_nodes);
  const size_t live_bytes = held.bytes();
  heap.collect();
  heap.start_automatic();
  held.replace(untimed);
  const Durations durations = held.replace(operations);
  report(group, pattern, "ns per node",
         durations.total_ns() / static_cast<double>(operations * ring_nodes));
  report_durations(group, pattern, "", durations);
  std::printf("bytes in use: %s\n", peer::kBytesInUse);
  report(group, pattern + ": peak / live", "bytes per live byte",
         ratio(held.peak_bytes(), live_bytes));

  heap.stop_automatic();
  heap.collect();
  report_durations(group, pattern, "collection off", held.replace(operations));
}

}  // namespace

void sessions(Heap heap, const Sizes &sizes) {
  const size_t rings = std::max<size_t>(sizes.or_default(5000000) / kRingNodes, 2);
  replace_rings(heap, kSessions, "sessions of " + short_count(rings * kRingNodes), rings,
                kRingNodes, rings, 3 * rings);
}

// Two million replacements of ten take CPython a minute.
void cache(Heap heap, const Sizes &sizes) {
  const size_t entries = sizes.or_default(sizes.full ? 10000000 : 1000000);
  const size_t operations = std::min<size_t>(entries, 2000000);
  replace_rings(heap, kCache, "cache of " + short_count(entries), entries, 2, operations,
                operations);
}

namespace {

void report_leak(const char *what, size_t live, const char *unit, double value) {
  const std::string pattern = "a cycle per 100 operations";
  report(kLeak, pattern + ", " + short_count(live) + " live" + what, unit, value);
  report_at(kLeak, pattern + what, live, unit, value);
}

}  // namespace

void leak(Heap heap, const Sizes &sizes) {
  constexpr size_t kBatch = 100;
  const size_t batches = std::min<size_t>(sizes.or_default(100000), 100000);
  for (size_t live : sizes.or_defaults({10000, 100000, 1000000, 10000000})) {
    touch(heap, live);
    Handles root(heap, 1);
    root[0] = new_tree(heap, live, Order::kAllocation, Parents::kLinked, Age::kNew);
    heap.collect();
    heap.start_automatic();
    Durations durations(batches);
    for (size_t i = 0; i < batches; ++i) {
      const uint64_t start = now_ns();
      for (size_t j = 0; j < kBatch; ++j) heap.drop(heap.make());
      heap.drop(new_ring(heap, 2));
      durations.add(now_ns() - start);
    }
    heap.stop_automatic();
    durations.sort();
    report_leak("", live, "ns per operation",
                durations.total_ns() / static_cast<double>(batches * kBatch));
    report_leak(": p99.9 of 100 operations", live, "µs", durations.quantile_us(0.999));
    report_leak(": longest 100 operations", live, "µs", durations.longest_us());
    root.drop(0);
    heap.collect();
  }
}

}  // namespace cycles
