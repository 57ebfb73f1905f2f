// The patterns, each for a fresh heap in a process of its own. Which exist is listed in main.cc.
#ifndef LOAM_BENCH_CYCLES_PATTERNS_H
#define LOAM_BENCH_CYCLES_PATTERNS_H

#include <cstddef>
#include <initializer_list>
#include <vector>

#include "objects.h"

namespace cycles {

// Sizes that the command line asked for.
struct Sizes {
  size_t nodes = 0;    // of every structure; 0: each pattern's own
  bool full = false;   // the own sizes, with nothing left out to save time
  bool quick = false;  // a tenth of the own sizes

  size_t or_default(size_t own) const {
    if (nodes != 0) return nodes;
    return quick ? own / 10 : own;
  }
  std::vector<size_t> or_defaults(std::initializer_list<size_t> own) const {
    if (nodes != 0) return {nodes};
    std::vector<size_t> sizes;
    for (size_t size : own) sizes.push_back(or_default(size));
    return sizes;
  }
};

// Nodes that one drop frees at the most, in a heap that bounds it.
inline constexpr size_t kDropBudget = 4096;

// heap.cc
void new_and_drop(peer::Heap heap, const Sizes &sizes);
void resident(peer::Heap heap, const Sizes &sizes);
void churn(peer::Heap heap, const Sizes &sizes);
void grow(peer::Heap heap, const Sizes &sizes);
// collect.cc
void collect_ordered(peer::Heap heap, const Sizes &sizes);
void collect_shuffled(peer::Heap heap, const Sizes &sizes);
void collect_young(peer::Heap heap, const Sizes &sizes);
// release.cc
void release_chain(peer::Heap heap, const Sizes &sizes);
void release_ordered(peer::Heap heap, const Sizes &sizes);
void release_shuffled(peer::Heap heap, const Sizes &sizes);
void drop_in_slices(peer::Heap heap, const Sizes &sizes);  // a heap with kDropBudget
// steady.cc
void sessions(peer::Heap heap, const Sizes &sizes);
void leak(peer::Heap heap, const Sizes &sizes);
void cache(peer::Heap heap, const Sizes &sizes);

}  // namespace cycles

#endif
