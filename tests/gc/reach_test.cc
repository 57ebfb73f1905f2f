// A full collection that starts from the roots of the last one (gc/reach.cc), in heaps linked in
// all the orders that make it choose its way: upwards, downwards, at random, and upwards but for a
// part that sends it back at each step.
#include <algorithm>
#include <random>
#include <vector>

#include "support/host.h"

using namespace loam::test;

namespace {

constexpr size_t kNodes = 20000;  // several times what is looked at before a way is chosen

// The nodes in the order of their addresses.
std::vector<Triple *> make_nodes(Host &host) {
  std::vector<Triple *> nodes;
  for (size_t i = 0; i < kNodes; ++i) nodes.push_back(host.triple());
  std::sort(nodes.begin(), nodes.end());
  return nodes;
}

// A binary tree with links to the parents, over the nodes in the order given; only its root is
// held afterwards.
Triple *link_tree(Host &host, const std::vector<Triple *> &nodes) {
  for (size_t i = 1; i < nodes.size(); ++i) {
    Triple *parent = nodes[(i - 1) / 2];
    host.set(nodes[i]->refs[2], parent);
    parent->refs[i % 2] = as_object(nodes[i]);  // our reference moves there
  }
  return nodes[0];
}

// Twice live, the second time from memory, and then as garbage; `extra` more objects hang from it.
void check_life(Host &host, Triple *root, size_t extra = 0) {
  CHECK(host.collect() == 0);
  CHECK(host.collect() == 0);
  CHECK(host.verify());
  CHECK(loam_refcount(as_object(root)) != 0);
  host.drop(root);
  CHECK(host.collect() == kNodes + extra);
}

}  // namespace

TEST_CASE("a heap linked upwards from its last object") {
  Host host;
  std::vector<Triple *> nodes = make_nodes(host);
  std::rotate(nodes.begin(), nodes.end() - 1, nodes.end());
  check_life(host, link_tree(host, nodes));
}

TEST_CASE("a heap linked downwards") {
  Host host;
  std::vector<Triple *> nodes = make_nodes(host);
  std::reverse(nodes.begin(), nodes.end());
  check_life(host, link_tree(host, nodes));
}

TEST_CASE("a heap linked at random") {
  Host host;
  std::vector<Triple *> nodes = make_nodes(host);
  std::shuffle(nodes.begin(), nodes.end(), std::mt19937(3));
  check_life(host, link_tree(host, nodes));
}

TEST_CASE("a heap linked upwards, with a way that leads up and down a hundred times") {
  Host host;
  std::vector<Triple *> nodes = make_nodes(host);
  constexpr size_t kTurns = 100;
  // The last in the order of the tree are leaves, and the way goes on from the very last.
  std::vector<Triple *> ends(nodes.begin(), nodes.begin() + kTurns);
  std::vector<Triple *> tree(nodes.begin() + kTurns, nodes.end() - kTurns);
  Triple *root = link_tree(host, tree);
  Triple *at = tree.back();
  for (size_t turn = 0; turn < kTurns; ++turn) {
    Triple *high = nodes[kNodes - kTurns + turn];
    for (Triple *next : {ends[turn], high}) {
      at->refs[0] = as_object(next);
      host.set(next->refs[2], at);
      at = next;
    }
  }
  check_life(host, root);
}

TEST_CASE("a heap linked upwards through large objects") {
  Host host;
  std::vector<Triple *> nodes = make_nodes(host);
  constexpr size_t kLarge = 50;
  std::vector<Triple *> tree(nodes.begin() + kLarge, nodes.end());
  Triple *root = link_tree(host, tree);
  Triple *at = tree.back();
  for (size_t i = 0; i < kLarge; ++i) {  // each small one is reached through a large one alone
    Sized *large = host.sized(100);
    at->refs[0] = as_object(large);
    large->refs[99] = as_object(nodes[i]);
    host.set(nodes[i]->refs[2], large);
    at = nodes[i];
  }
  check_life(host, root, kLarge);
}

TEST_CASE("a remembered root that nothing holds any more keeps nothing") {
  Host host;
  Triple *kept = host.triple();
  std::vector<Triple *> nodes = make_nodes(host);
  Triple *root = link_tree(host, nodes);
  CHECK(host.collect() == 0);
  host.drop(root);
  CHECK(host.collect() == kNodes);
  host.drop(kept);
}
