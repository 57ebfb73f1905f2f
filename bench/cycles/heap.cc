// What do nodes cost to make, to keep, and to drop?
#include "graph.h"
#include "patterns.h"
#include "report.h"
#include "require.h"
#include "resident.h"

namespace cycles {

namespace {

// The compiler must believe that the node is looked at.
void use(Node *node) { asm volatile("" : : "r"(node) : "memory"); }

}  // namespace

void new_and_drop(Heap heap, const Sizes &sizes) {
  const size_t count = sizes.or_default(20000000);
  heap.start_automatic();
  const double ns = timed_ns([=] {
    for (size_t i = 0; i < count; ++i) {
      Node *node = heap.make();
      use(node);
      heap.drop(node);
    }
  });
  report(kObjects, "new + drop, acyclic", "ns", ns / static_cast<double>(count));
}

void resident(Heap heap, const Sizes &sizes) {
  const size_t count = sizes.or_default(10000000);
  // The first node brings what a heap needs anyway.
  Handles roots(heap, 2);
  roots[0] = heap.make();
  const size_t before = bench::resident_bytes();
  roots[1] = new_tree(heap, count, Order::kAllocation, Parents::kLinked, Age::kNew);
  const size_t after = bench::resident_bytes();
  bench::require(after > before, "growing with the nodes");
  report(kObjects, "resident, " + short_count(count) + " nodes", "bytes per node",
         static_cast<double>(after - before) / static_cast<double>(count));
}

void churn(Heap heap, const Sizes &sizes) {
  const size_t count = sizes.or_default(10000000);
  heap.start_automatic();
  const double ns = timed_ns([=] {
    for (size_t i = 0; i < count / 2; ++i) heap.drop(new_ring(heap, 2));
  });
  report(kObjects, "make and drop a two-object cycle, automatic collection", "ns per object",
         ns / static_cast<double>(count / 2 * 2));
}

void grow(Heap heap, const Sizes &sizes) {
  const size_t count = sizes.or_default(10000000);
  touch(heap, count);
  Handles nodes(heap, count);
  heap.start_automatic();
  const double ns = timed_ns([&] {
    nodes[0] = heap.make();
    for (size_t i = 1; i < count; ++i) {
      Node *node = heap.make();
      Node *parent = nodes[(i - 1) / 2];
      (i % 2 == 1 ? parent->left : parent->right) = node;
      node->parent = heap.hold(parent);
      nodes[i] = node;
    }
  });
  report(kObjects, "grow to " + short_count(count) + " without garbage, automatic collection",
         "ns per node", ns / static_cast<double>(count));
}

}  // namespace cycles
