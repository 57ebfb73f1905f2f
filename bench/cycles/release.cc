// What does it cost per node to drop the last reference to a big structure without cycles?
#include "graph.h"
#include "patterns.h"
#include "report.h"
#include "require.h"

namespace cycles {

namespace {

void release_tree(Heap heap, size_t count, Order order) {
  touch(heap, count);
  for (Age age : {Age::kNew, Age::kSettled}) {
    Node *root = new_tree(heap, count, order, Parents::kNone, age);
    const double ns = timed_ns([=] { heap.drop(root); });
    report(kObjects,
           std::string("release a ") + short_count(count) + " tree by its root, " + name_of(order) +
               (age == Age::kSettled ? ", settled" : ""),
           "ns per node", ns / static_cast<double>(count));
  }
}

// Beside an operation that makes and drops a node, each safepoint frees a slice of the tree.
void drop_tree_in_slices(Heap heap, size_t count, Order order) {
  touch(heap, count);
  Node *root = new_tree(heap, count, order, Parents::kNone, Age::kNew);
  const size_t bytes_before = heap.bytes_in_use();
  const size_t slices = count / kDropBudget + 1;
  Durations durations(4 * slices);  // and memory is given back by slices too
  for (size_t i = 0; i < 4 * slices; ++i) {
    const uint64_t start = thread_ns();
    heap.drop(i == 0 ? root : heap.make());
    heap.safepoint();
    durations.add(thread_ns() - start);
  }
  bench::require(heap.bytes_in_use() < bytes_before / 2, "freeing the tree");
  durations.sort();
  const std::string pattern = "drop a " + short_count(count) + " tree, " +
                              std::to_string(kDropBudget) + " nodes at a time, " + name_of(order);
  report(kObjects, pattern, "ns per node", durations.total_ns() / static_cast<double>(count));
  report(kObjects, pattern + ": longest operation", "µs", durations.longest_us());
}

}  // namespace

void drop_in_slices(Heap heap, const Sizes &sizes) {
  for (Order order : {Order::kAllocation, Order::kRandom}) {
    drop_tree_in_slices(heap, sizes.or_default(10000000), order);
  }
}

void release_chain(Heap heap, const Sizes &sizes) {
  const size_t count = sizes.or_default(3000000);
  touch(heap, count);
  for (Age age : {Age::kNew, Age::kSettled}) {
    Node *head = new_chain(heap, count, age);
    const double ns = timed_ns([=] { heap.drop(head); });
    report(kObjects,
           "release a " + short_count(count) + " chain by its head" +
               (age == Age::kSettled ? ", settled" : ""),
           "ns per node", ns / static_cast<double>(count));
  }
}

void release_ordered(Heap heap, const Sizes &sizes) {
  release_tree(heap, sizes.or_default(5000000), Order::kAllocation);
}

void release_shuffled(Heap heap, const Sizes &sizes) {
  release_tree(heap, sizes.or_default(5000000), Order::kRandom);
}

}  // namespace cycles
