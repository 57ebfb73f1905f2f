// A small directed graph, for tests that try all of them.
#ifndef LOAM_TESTS_SUPPORT_DIGRAPH_H
#define LOAM_TESTS_SUPPORT_DIGRAPH_H

#include <cstdint>

namespace loam::test {

// Its edges are a matrix of bits: from * nodes + to. Sets of nodes are bits too.
struct Digraph {
  unsigned nodes;
  std::uint32_t edges;

  bool edge(unsigned from, unsigned to) const { return (edges >> (from * nodes + to) & 1) != 0; }

  unsigned reached_from(unsigned roots) const {
    const unsigned row = (1u << nodes) - 1;
    unsigned seen = roots, before;
    do {
      before = seen;
      for (unsigned from = 0; from < nodes; ++from) {
        if ((seen >> from & 1) != 0) seen |= edges >> from * nodes & row;
      }
    } while (seen != before);
    return seen;
  }
};

}  // namespace loam::test

#endif  // LOAM_TESTS_SUPPORT_DIGRAPH_H
