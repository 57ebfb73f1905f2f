// What does an object cost that only the collector can free, collections included?
#include "support.h"

namespace {

using bench::Host;
using bench::Node;

constexpr size_t kCycles = 1000;
constexpr size_t kLive = 1000000;

void make_cycle(loam_thread *thread, const loam_type *type) {
  Node *first = bench::new_node(thread, type);
  Node *second = bench::new_node(thread, type);
  first->left = second;  // takes over the reference from loam_new
  loam_incref(thread, &first->base);
  second->left = first;
  loam_decref(thread, &first->base);
}

void churn(benchmark::State &state) {
  Host host;
  const loam_type *type = bench::node_type(host);
  for (auto _ : state) {
    for (size_t i = 0; i < kCycles; ++i) make_cycle(host.thread(), type);
  }
  bench::per_operation(state, 2 * kCycles, "ns per object");
}

// The same beside a heap that stays: a young collection must not pay for it.
void churn_beside_live(benchmark::State &state) {
  Host host;
  const loam_type *type = bench::node_type(host);
  Node *root =
      bench::new_tree(host, type, kLive, bench::Order::kAllocation, bench::Parents::kLinked);
  loam_collect(host.thread());
  for (auto _ : state) {
    for (size_t i = 0; i < kCycles; ++i) make_cycle(host.thread(), type);
  }
  benchmark::DoNotOptimize(root);
  bench::per_operation(state, 2 * kCycles, "ns per object");
}

BENCHMARK(churn)->Name("Collector: make and drop a two-object cycle");
BENCHMARK(churn_beside_live)
    ->Name("Collector: make and drop a two-object cycle beside 1M live nodes");

}  // namespace

int main(int argc, char **argv) { return bench::run(argc, argv); }
