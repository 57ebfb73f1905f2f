// What does it cost per node to drop the last reference to a big structure without cycles?
#include "support.h"

namespace {

using bench::Host;
using bench::Node;
using bench::Order;
using bench::Parents;

constexpr size_t kChainNodes = 3000000;
constexpr size_t kTreeNodes = 5000000;

Node *new_chain(Host &host, const loam_type *type, size_t count) {
  Node *head = nullptr;
  for (size_t i = 0; i < count; ++i) {
    Node *node = bench::new_node(host.thread(), type);
    node->left = head;  // takes over the reference to the head
    head = node;
  }
  return head;
}

void release_chain(benchmark::State &state) {
  Host host;
  const loam_type *type = bench::node_type(host);
  loam_collect_disable(host.thread());
  for (auto _ : state) {
    state.PauseTiming();
    Node *head = new_chain(host, type, kChainNodes);
    state.ResumeTiming();
    loam_decref(host.thread(), &head->base);
  }
  bench::per_operation(state, kChainNodes, "ns per node");
}

void release_tree(benchmark::State &state, Order order) {
  Host host;
  const loam_type *type = bench::node_type(host);
  loam_collect_disable(host.thread());
  for (auto _ : state) {
    state.PauseTiming();
    Node *root = bench::new_tree(host, type, kTreeNodes, order, Parents::kNone);
    state.ResumeTiming();
    loam_decref(host.thread(), &root->base);
  }
  bench::per_operation(state, kTreeNodes, "ns per node");
}

BENCHMARK(release_chain)->Name("Objects: release a 3M chain by its head")->Iterations(1);
BENCHMARK_CAPTURE(release_tree, ordered, Order::kAllocation)
    ->Name("Objects: release a 5M tree by its root, linked in order")
    ->Iterations(1);
BENCHMARK_CAPTURE(release_tree, shuffled, Order::kRandom)
    ->Name("Objects: release a 5M tree by its root, linked at random")
    ->Iterations(1);

}  // namespace

int main(int argc, char **argv) { return bench::run(argc, argv); }
