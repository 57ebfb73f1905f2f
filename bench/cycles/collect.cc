// What does a full collection cost per node, when all live and when all is garbage?
#include <cstdio>

#include "graph.h"
#include "patterns.h"
#include "report.h"
#include "require.h"

namespace cycles {

namespace {

void report_collection(const char *what, Order order, size_t count, double ns) {
  const std::string pattern = std::string(what) + ", " + name_of(order);
  const double ns_per_node = ns / static_cast<double>(count);
  report(kHeapSize, pattern + ", " + short_count(count), "ns per node", ns_per_node);
  report_at(kHeapSize, pattern, count, "ns per node", ns_per_node);
}

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

  const double live_ns = timed_ns([=] { heap.collect(); });
  bench::require(heap.bytes_in_use() + count >= bytes_live, "keeping the tree");
  report_collection("all live", order, count, live_ns);

  root.drop(0);
  const double garbage_ns = timed_ns([=] { heap.collect(); });
  const bool freed = heap.bytes_in_use() - bytes_before <= (bytes_live - bytes_before) / 16;
  if (!freed && !peer::kCounts) {
    // Nothing was freed, so that there is no figure.
    std::printf("%-14s all garbage, %s, %s: left out, a stray word keeps the tree\n", peer::kName,
                name_of(order), short_count(count).c_str());
    return;
  }
  bench::require(freed, "freeing the tree");
  report_collection("all garbage", order, count, garbage_ns);
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

// One node of a slab of Loam's is young: what a young collection comes to lies in as many places.
// The first one may have to wait for pages of tables.
void collect_young(Heap heap, const Sizes &sizes) {
  constexpr size_t kApart = 2048, kCollections = 10;
  const size_t young = (sizes.or_default(10000 * kApart) + kApart - 1) / kApart;
  Handles nodes(heap, young * kApart);
  for (size_t i = 0; i < nodes.size(); ++i) nodes[i] = heap.make();
  heap.collect();  // they are old now
  const auto replace_and_collect = [&] {
    for (size_t i = 0; i < nodes.size(); i += kApart) nodes.drop(i);
    for (size_t i = 0; i < nodes.size(); i += kApart) nodes[i] = heap.make();
    return timed_ns([=] { heap.collect_young(); });
  };
  const double first_ns = replace_and_collect();
  double ns = 0;
  for (size_t i = 1; i < kCollections; ++i) ns += replace_and_collect() / (kCollections - 1);
  const std::string pattern =
      "young collection, an object in each of " + short_count(young) + " slabs";
  report(kObjects, pattern, "ns per object", ns / static_cast<double>(young));
  report(kObjects, pattern + ": the first", "ns per object", first_ns / static_cast<double>(young));
}

}  // namespace cycles
