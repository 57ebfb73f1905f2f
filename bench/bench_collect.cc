// What does a full collection cost per node, when all live and when all is garbage?
#include <string>

#include "support.h"

namespace {

using bench::Host;
using bench::Node;
using bench::Order;
using bench::Parents;

// A tree whose nodes survived one collection, as those of a running program have.
Node *settled_tree(Host &host, const loam_type *type, size_t count, Order order) {
  loam_collect_disable(host.thread());
  Node *root = bench::new_tree(host, type, count, order, Parents::kLinked);
  bench::require(loam_collect(host.thread()) == 0, "collecting a live tree");
  return root;
}

void live_tree(benchmark::State &state, size_t count, Order order) {
  Host host;
  Node *root = settled_tree(host, bench::node_type(host), count, order);
  for (auto _ : state) bench::require(loam_collect(host.thread()) == 0, "collecting a live tree");
  benchmark::DoNotOptimize(root);
  bench::per_operation(state, count, "ns per node");
}

void garbage_tree(benchmark::State &state, size_t count, Order order) {
  Host host;
  const loam_type *type = bench::node_type(host);
  for (auto _ : state) {
    state.PauseTiming();
    Node *root = settled_tree(host, type, count, order);
    loam_decref(host.thread(), &root->base);
    state.ResumeTiming();
    bench::require(loam_collect(host.thread()) == count, "collecting a garbage tree");
  }
  bench::per_operation(state, count, "ns per node");
}

struct Work {
  const char *name;
  void (*run)(benchmark::State &, size_t, Order);
};

void register_all() {
  for (const Work &work : {Work{"live", live_tree}, Work{"garbage", garbage_tree}}) {
    for (size_t millions : {1u, 10u}) {
      for (Order order : {Order::kAllocation, Order::kRandom}) {
        const std::string name = std::string("Collector: a ") + work.name + " tree of " +
                                 std::to_string(millions) + "M nodes, linked " +
                                 (order == Order::kRandom ? "at random" : "in order");
        benchmark::RegisterBenchmark(name.c_str(), work.run, millions * 1000000, order)
            ->Iterations(1);
      }
    }
  }
}

}  // namespace

int main(int argc, char **argv) {
  register_all();
  return bench::run(argc, argv);
}
