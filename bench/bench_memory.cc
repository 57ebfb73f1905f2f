// How much memory does a 32-byte node take, and a fresh runtime?
#include <memory>
#include <vector>

#include "resident.h"
#include "support.h"

namespace {

using bench::Host;
using bench::Node;

constexpr size_t kNodes = 10000000;
constexpr size_t kRuntimes = 32;

void node(benchmark::State &state) {
  for (auto _ : state) {
    const size_t before_bytes = bench::resident_bytes();
    Host host;
    const loam_type *type = bench::node_type(host);
    loam_collect_disable(host.thread());
    Node *head = nullptr;
    for (size_t i = 0; i < kNodes; ++i) {
      Node *next = bench::new_node(host.thread(), type);
      next->left = head;  // takes over the reference to the head
      head = next;
    }
    state.counters["bytes per node"] = bench::growth_per(before_bytes, kNodes);
    bench::require(loam_collect(host.thread()) == 0, "collecting a live chain");
    state.counters["after a collection"] = bench::growth_per(before_bytes, kNodes);
    loam_stats stats{};
    bench::require(loam_stats_get(host.runtime(), &stats) == LOAM_OK, "loam_stats_get");
    state.counters["metadata %"] = 100.0 * static_cast<double>(stats.metadata_bytes) /
                                   static_cast<double>(stats.counted_bytes);
    benchmark::DoNotOptimize(head);
  }
}

void fresh_runtime(benchmark::State &state) {
  { Host warm; }  // code pages and mimalloc's first segment belong to no runtime
  for (auto _ : state) {
    const size_t before_bytes = bench::resident_bytes();
    std::vector<std::unique_ptr<Host>> hosts;
    for (size_t i = 0; i < kRuntimes; ++i) hosts.push_back(std::make_unique<Host>());
    state.counters["bytes"] = bench::growth_per(before_bytes, kRuntimes);
  }
}

BENCHMARK(node)->Name("Objects: 10M nodes of 32 B")->Iterations(1)->Unit(benchmark::kMillisecond);
BENCHMARK(fresh_runtime)
    ->Name("Objects: a fresh runtime")
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);

}  // namespace

int main(int argc, char **argv) { return bench::run(argc, argv); }
