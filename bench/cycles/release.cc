// What does it cost per node to drop the last reference to a big structure without cycles?
#include "graph.h"
#include "patterns.h"
#include "report.h"

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

}  // namespace

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
