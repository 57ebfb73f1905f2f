// What does it cost to make an object and drop it?
#include "no_inline.h"
#include "support.h"

namespace {

using bench::Host;
using bench::kPairs;

constexpr size_t kBatch = 10000;

void new_drop(benchmark::State &state, Host &host, const loam_type *type) {
  loam_thread *thread = host.thread();
  for (auto _ : state) {
    for (size_t i = 0; i < kPairs; ++i) {
      auto *object = static_cast<loam_object *>(loam_new(thread, type));
      benchmark::DoNotOptimize(object);
      loam_decref(thread, object);
    }
  }
  bench::per_operation(state, kPairs);
}

void leaf(benchmark::State &state) {
  Host host;
  new_drop(state, host, host.type("leaf", static_cast<size_t>(state.range(0))));
}

void leaf_no_inline(benchmark::State &state) {
  Host host;
  const loam_type *type = host.type("leaf", static_cast<size_t>(state.range(0)));
  for (auto _ : state) bench::new_drop_no_inline(host.thread(), type, kPairs);
  bench::per_operation(state, kPairs);
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
  for (auto _ : state) bench::new_drop_no_inline(host.thread(), type, kPairs);
  bench::per_operation(state, kPairs);
}

void batch(benchmark::State &state) {
  Host host;
  const loam_type *type = host.type("leaf", static_cast<size_t>(state.range(0)));
  std::vector<loam_object *> objects(kBatch);
  for (auto _ : state) {
    for (loam_object *&object : objects) {
      object = static_cast<loam_object *>(loam_new(host.thread(), type));
    }
    for (loam_object *object : objects) loam_decref(host.thread(), object);
  }
  bench::per_operation(state, kBatch);
}

BENCHMARK(leaf)->Name("new+drop leaf")->Arg(16)->Arg(48);
BENCHMARK(leaf_no_inline)->Name("new+drop leaf, LOAM_NO_INLINE")->Arg(16)->Arg(48);
BENCHMARK(private_pool)->Name("new+drop leaf of a private pool");
BENCHMARK(acyclic)->Name("new+drop acyclic node");
BENCHMARK(container)->Name("new+drop container");
BENCHMARK(container_no_inline)->Name("new+drop container, LOAM_NO_INLINE");
BENCHMARK(batch)->Name("10,000 leaves, then drop all")->Arg(48);

}  // namespace

int main(int argc, char **argv) { return bench::run(argc, argv); }
