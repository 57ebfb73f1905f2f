// What does a full collection cost per node, when all live and when all is garbage?
#include <cstdio>

#include "graph.h"
#include "patterns.h"
#include "report.h"
#include "require.h"

namespace cycles {

namespace {

// Its nodes have survived a collection of the whole tree before one is timed, as those of a running
// program have.
void collect_tree(Heap heap, size_t count, Order order) {
  touch(heap, count);
  const size_t bytes_before = heap.bytes_in_use();
  Handles root(heap, 1);
  root[0] = new_tree(heap, count, order, Parents::kLinked, Age::kNew);
  heap.collect();
  const size_t bytes_live = heap.bytes_in_use();
  bench::require(bytes_live > bytes_before, "keeping the tree");

  const std::string what = std::string(", ") + name_of(order) + ", " + short_count(count);
  const auto nodes = static_cast<double>(count);
  const double live_ns = timed_ns([=] { heap.collect(); });
  bench::require(heap.bytes_in_use() + count >= bytes_live, "keeping the tree");
  report(kHeapSize, "all live" + what, "ns per node", live_ns / nodes);

  root.drop(0);
  const double garbage_ns = timed_ns([=] { heap.collect(); });
  const bool freed = heap.bytes_in_use() - bytes_before <= (bytes_live - bytes_before) / 16;
  if (!freed && !peer::kCounts) {
    // Nothing was freed, so that there is no figure.
    std::printf("%-14s all garbage%s: left out, a stray word keeps the tree\n", peer::kName,
                what.c_str());
    return;
  }
  bench::require(freed, "freeing the tree");
  report(kHeapSize, "all garbage" + what, "ns per node", garbage_ns / nodes);
}

}  // namespace

void collect_ordered(Heap heap, const Sizes &sizes) {
  for (size_t count : sizes.or_defaults({1000000, 3000000, 10000000})) {
    collect_tree(heap, count, Order::kAllocation);
  }
}

// CPython needs over a minute for 10 million nodes.
void collect_shuffled(Heap heap, const Sizes &sizes) {
  for (size_t count : sizes.or_defaults({1000000, 3000000})) {
    collect_tree(heap, count, Order::kRandom);
  }
  if (sizes.full && sizes.nodes == 0) collect_tree(heap, 10000000, Order::kRandom);
}

}  // namespace cycles
