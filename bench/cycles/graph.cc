#include "graph.h"

#include <utility>

#include "warm.h"

namespace cycles {

namespace {

// Read and written page by page, so that the first use of a handle is no page fault.
void touch_pages(Node **slots, size_t count) {
  for (size_t i = 0; i < count; ++i) const_cast<Node *volatile &>(slots[i]) = nullptr;
}

// Settled nodes need no second look: a heap without edges is collected quickly by everyone.
void make_all(Heap heap, Handles *nodes, Age age) {
  for (size_t i = 0; i < nodes->size(); ++i) (*nodes)[i] = heap.make();
  if (age == Age::kSettled) heap.collect();
}

void shuffle(Handles *nodes) {
  Random random;
  for (size_t i = nodes->size(); i > 1; --i) {
    std::swap((*nodes)[i - 1], (*nodes)[random.below(i)]);
  }
}

}  // namespace

Handles::Handles(Heap heap, size_t count)
    : heap_(heap), slots_(heap.new_handles(count)), size_(count) {
  touch_pages(slots_, count);
}

void touch(Heap heap, size_t count) {
  constexpr size_t kMostBytes = 96;  // of a node of any peer, and its handle
  bench::warm_memory(count * kMostBytes);
  {
    Handles nodes(heap, count);
    make_all(heap, &nodes, Age::kNew);
    for (size_t i = 0; i < count; ++i) nodes.drop(i);
  }
  heap.collect();
}

Node *new_tree(Heap heap, size_t count, Order order, Parents parents, Age age) {
  Handles nodes(heap, count);
  make_all(heap, &nodes, age);
  if (order == Order::kRandom) shuffle(&nodes);
  for (size_t i = 1; i < count; ++i) {
    Node *parent = nodes[(i - 1) / 2];
    (i % 2 == 1 ? parent->left : parent->right) = nodes[i];
    if (parents == Parents::kLinked) nodes[i]->parent = heap.hold(parent);
  }
  return nodes[0];
}

Node *new_chain(Heap heap, size_t count, Age age) {
  Handles nodes(heap, count);
  make_all(heap, &nodes, age);
  for (size_t i = 1; i < count; ++i) nodes[i - 1]->left = nodes[i];
  return nodes[0];
}

}  // namespace cycles
