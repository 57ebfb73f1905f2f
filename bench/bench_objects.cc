// What does it cost to make an object and drop it?
#include <vector>

#include "no_inline.h"
#include "support.h"

namespace {

using bench::Host;

constexpr size_t kBatch = 10000;

void new_drop(benchmark::State &state, Host &host, const loam_type *type) {
  loam_thread *thread = host.thread();
  for (auto _ : state) {
    auto *object = static_cast<loam_object *>(loam_new(thread, type));
    loam_decref(thread, bench::opaque(object));
  }
  bench::per_operation(state, 1, "ns per object");
}

void leaf(benchmark::State &state, size_t bytes) {
  Host host;
  new_drop(state, host, host.type("leaf", bytes));
}

void leaf_no_inline(benchmark::State &state, size_t bytes) {
  Host host;
  const loam_type *type = host.type("leaf", bytes);
  bench::new_drop_no_inline(state, host.thread(), type);
  state.SetLabel("loam-calls");
  bench::per_operation(state, 1, "ns per object");
}

void acyclic(benchmark::State &state) {
  Host host;
  new_drop(state, host,
           host.type("acyclic", sizeof(bench::Node), bench::kNodeOffsets, 3, LOAM_TYPE_ACYCLIC));
}

void private_pool(benchmark::State &state) {
  Host host;
  new_drop(state, host, host.type("private", 16, nullptr, 0, LOAM_TYPE_PRIVATE_POOL));
}

void container(benchmark::State &state) {
  Host host;
  new_drop(state, host, bench::node_type(host));
}

void container_no_inline(benchmark::State &state) {
  Host host;
  const loam_type *type = bench::node_type(host);
  bench::new_drop_no_inline(state, host.thread(), type);
  state.SetLabel("loam-calls");
  bench::per_operation(state, 1, "ns per object");
}

void batch(benchmark::State &state) {
  Host host;
  const loam_type *type = host.type("leaf", 48);
  std::vector<loam_object *> objects(kBatch);
  for (auto _ : state) {
    for (loam_object *&object : objects) {
      object = static_cast<loam_object *>(loam_new(host.thread(), type));
    }
    for (loam_object *object : objects) loam_decref(host.thread(), object);
  }
  bench::per_operation(state, kBatch, "ns per object");
}

BENCHMARK_CAPTURE(leaf, 16, 16)->Name("Objects: new and drop a leaf of 16 B");
BENCHMARK_CAPTURE(leaf_no_inline, 16, 16)->Name("Objects: new and drop a leaf of 16 B");
BENCHMARK_CAPTURE(leaf, 48, 48)->Name("Objects: new and drop a leaf of 48 B");
BENCHMARK_CAPTURE(leaf_no_inline, 48, 48)->Name("Objects: new and drop a leaf of 48 B");
BENCHMARK(private_pool)->Name("Objects: new and drop a leaf of a private pool, 16 B");
BENCHMARK(acyclic)->Name("Objects: new and drop an acyclic node of 32 B");
BENCHMARK(container)->Name("Objects: new and drop a node of 32 B");
BENCHMARK(container_no_inline)->Name("Objects: new and drop a node of 32 B");
BENCHMARK(batch)->Name("Objects: 10,000 leaves of 48 B, then drop all");

}  // namespace

int main(int argc, char **argv) { return bench::run(argc, argv); }
