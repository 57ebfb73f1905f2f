// The structures that the patterns make, of counted references throughout: what is stored in a
// field is a reference that moved there, or one more.
#ifndef LOAM_BENCH_CYCLES_GRAPH_H
#define LOAM_BENCH_CYCLES_GRAPH_H

#include <cstddef>
#include <cstdint>

#include "objects.h"

namespace cycles {

using peer::Heap;
using peer::Node;

// References from outside the heap, all NULL at first.
class Handles {
 public:
  Handles(Heap heap, size_t count);
  ~Handles() { heap_.free_handles(slots_); }
  Handles(const Handles &) = delete;
  Handles &operator=(const Handles &) = delete;

  Node *&operator[](size_t index) { return slots_[index]; }
  size_t size() const { return size_; }

  void drop(size_t index) {
    heap_.drop(slots_[index]);
    slots_[index] = nullptr;
  }

 private:
  Heap heap_;
  Node **slots_;
  size_t size_;
};

// The same numbers in each run: splitmix64 (Steele, Lea and Flood 2014).
class Random {
 public:
  uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  size_t below(size_t limit) { return next() % limit; }

 private:
  uint64_t state_ = 12345;
};

enum class Order { kAllocation, kRandom };  // in which nodes are linked
enum class Parents { kNone, kLinked };      // with them, every node is in a cycle
enum class Age { kNew, kSettled };  // settled: survived a collection before they were linked

inline const char *name_of(Order order) {
  return order == Order::kAllocation ? "ordered" : "shuffled";
}

// Lets the heap grow to `count` nodes and drops them, so that what is timed afterwards does not pay
// for memory that the machine never touched.
void touch(Heap heap, size_t count);

// One binary tree in heap order; the caller holds its root.
Node *new_tree(Heap heap, size_t count, Order order, Parents parents, Age age);

// Nodes linked through `left`, allocated from head to tail; the caller holds the head.
Node *new_chain(Heap heap, size_t count, Age age);

// Each node holds the next, the last the first, which the caller holds too.
inline Node *new_ring(Heap heap, size_t count) {
  Node *first = heap.make();
  Node *last = first;
  for (size_t i = 1; i < count; ++i) {
    Node *node = heap.make();
    last->left = node;
    last = node;
  }
  last->left = heap.hold(first);
  return first;
}

}  // namespace cycles

#endif
