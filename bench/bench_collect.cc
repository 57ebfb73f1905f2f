// What does a full collection cost per node, when all live and when all is garbage?
#include "support.h"

namespace {

using bench::Host;
using bench::Node;
using bench::Order;
using bench::Parents;

constexpr int64_t kMillion = 1000000;

Order order_of(const benchmark::State &state) {
  return state.range(1) == 0 ? Order::kAllocation : Order::kRandom;
}

// A tree whose nodes survived one collection, as those of a running program have.
Node *settled_tree(Host &host, const loam_type *type, size_t count, Order order) {
  loam_collect_disable(host.thread());
  Node *root = bench::new_tree(host, type, count, order, Parents::kLinked);
  bench::require(loam_collect(host.thread()) == 0, "collecting a live tree");
  return root;
}

void live_tree(benchmark::State &state) {
  auto count = static_cast<size_t>(state.range(0));
  Host host;
  Node *root = settled_tree(host, bench::node_type(host), count, order_of(state));
  for (auto _ : state) bench::require(loam_collect(host.thread()) == 0, "collecting a live tree");
  benchmark::DoNotOptimize(root);
  bench::per_operation(state, count);
}

void garbage_tree(benchmark::State &state) {
  auto count = static_cast<size_t>(state.range(0));
  Host host;
  const loam_type *type = bench::node_type(host);
  for (auto _ : state) {
    state.PauseTiming();
    Node *root = settled_tree(host, type, count, order_of(state));
    loam_decref(host.thread(), &root->base);
    state.ResumeTiming();
    bench::require(loam_collect(host.thread()) == count, "collecting a garbage tree");
  }
  bench::per_operation(state, count);
}

void sizes(benchmark::internal::Benchmark *benchmark) {
  benchmark->ArgNames({"nodes", "shuffled"})->Unit(benchmark::kMillisecond);
  for (int64_t shuffled : {0, 1}) benchmark->Args({kMillion, shuffled});
}

void large_sizes(benchmark::internal::Benchmark *benchmark) {
  benchmark->ArgNames({"nodes", "shuffled"})->Unit(benchmark::kMillisecond)->Iterations(1);
  for (int64_t shuffled : {0, 1}) benchmark->Args({10 * kMillion, shuffled});
}

BENCHMARK(live_tree)->Name("collect a live tree")->Apply(sizes);
BENCHMARK(live_tree)->Name("collect a live tree")->Apply(large_sizes);
BENCHMARK(garbage_tree)->Name("collect a garbage tree")->Apply(sizes);
BENCHMARK(garbage_tree)->Name("collect a garbage tree")->Apply(large_sizes);

}  // namespace

int main(int argc, char **argv) { return bench::run(argc, argv); }
