// What every benchmark shares: a runtime, the 32-byte tree node, the mimalloc reference, and a main
// that ends in one table: nanoseconds per operation, and their ratio to mimalloc in the same run,
// at the same work or else at mi_malloc + mi_free of 48 bytes.
//
// A benchmark reports through per_operation(); rows without that counter stay out of the table.
#ifndef LOAM_BENCH_SUPPORT_H
#define LOAM_BENCH_SUPPORT_H

#include <benchmark/benchmark.h>
#include <loam/loam.h>
#include <mimalloc.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace bench {

inline void require(bool holds, const char *what) {
  if (holds) return;
  std::fprintf(stderr, "bench: %s failed\n", what);
  std::exit(1);
}

// A runtime for one benchmark, and the types it asks for.
class Host {
 public:
  Host() { require(loam_runtime_create(nullptr, &runtime_) == LOAM_OK, "loam_runtime_create"); }
  ~Host() { loam_runtime_destroy(runtime_); }
  Host(const Host &) = delete;
  Host &operator=(const Host &) = delete;

  loam_runtime *runtime() const { return runtime_; }
  loam_thread *thread() const { return loam_runtime_main_thread(runtime_); }

  const loam_type *type(const char *name, size_t size, const uint16_t *offsets = nullptr,
                        size_t count = 0, uint32_t flags = 0) {
    loam_type_spec spec{};
    spec.struct_size = sizeof spec;
    spec.name = name;
    spec.instance_size = size;
    spec.flags = flags;
    spec.ref_offsets = offsets;
    spec.ref_count = count;
    loam_type *type = nullptr;
    require(loam_type_register(runtime_, &spec, &type) == LOAM_OK, "loam_type_register");
    return type;
  }

 private:
  loam_runtime *runtime_ = nullptr;
};

// The node of every tree, chain and ring here: 32 bytes, header included.
struct Node {
  loam_object base;
  Node *left, *right, *parent;
};
static_assert(sizeof(Node) == 32, "the figures are for a 32-byte node");
inline constexpr uint16_t kNodeOffsets[] = {offsetof(Node, left), offsetof(Node, right),
                                            offsetof(Node, parent)};

inline const loam_type *node_type(Host &host) {
  return host.type("Node", sizeof(Node), kNodeOffsets, 3);
}

inline Node *new_node(loam_thread *thread, const loam_type *type) {
  auto *node = static_cast<Node *>(loam_new(thread, type));
  require(node != nullptr, "loam_new");
  return node;
}

enum class Order { kAllocation, kRandom };

// Nodes in the order in which a structure is to link them. Each holds one reference.
inline std::vector<Node *> new_nodes(Host &host, const loam_type *type, size_t count, Order order) {
  std::vector<Node *> nodes(count);
  for (Node *&node : nodes) node = new_node(host.thread(), type);
  if (order == Order::kRandom) {
    std::mt19937_64 random(12345);
    for (size_t i = count; i > 1; --i) std::swap(nodes[i - 1], nodes[random() % i]);
  }
  return nodes;
}

enum class Parents { kNone, kLinked };

// One binary tree of `count` nodes; the caller holds its root. With parents, all are in cycles.
inline Node *new_tree(Host &host, const loam_type *type, size_t count, Order order,
                      Parents parents) {
  std::vector<Node *> nodes = new_nodes(host, type, count, order);
  for (size_t i = 1; i < count; ++i) {
    Node *parent = nodes[(i - 1) / 2];
    // The reference that new_nodes took moves into the parent's field.
    (i % 2 == 1 ? parent->left : parent->right) = nodes[i];
    if (parents == Parents::kLinked) {
      loam_incref(host.thread(), &parent->base);
      nodes[i]->parent = parent;
    }
  }
  return nodes[0];
}

// Seconds per operation, when one iteration does `operations` of them.
inline void per_operation(benchmark::State &state, size_t operations) {
  using benchmark::Counter;
  double total = static_cast<double>(operations) * static_cast<double>(state.iterations());
  state.counters["per_op"] = Counter(total, Counter::kIsRate | Counter::kInvert);
}

inline constexpr const char *kReferenceName = "mi_malloc+mi_free 48 B";
inline constexpr size_t kReferenceBytes = 48;
inline constexpr size_t kPairs = 1000;  // allocations and frees in one iteration

inline void reference(benchmark::State &state) {
  for (auto _ : state) {
    for (size_t i = 0; i < kPairs; ++i) {
      void *block = mi_malloc(kReferenceBytes);
      benchmark::DoNotOptimize(block);
      mi_free(block);
    }
  }
  per_operation(state, kPairs);
}

// The console reporter, and the table behind it.
class TableReporter : public benchmark::ConsoleReporter {
 public:
  TableReporter() : ConsoleReporter(OO_Tabular) {}

  void ReportRuns(const std::vector<Run> &runs) override {
    ConsoleReporter::ReportRuns(runs);
    for (const Run &run : runs) {
      auto counter = run.counters.find("per_op");
      if (run.error_occurred || counter == run.counters.end()) continue;
      if (run.run_type != Run::RT_Iteration) continue;
      rows_.push_back({run.benchmark_name(), counter->second.value * 1e9});
    }
  }

  void Finalize() override {
    ConsoleReporter::Finalize();
    std::printf("\n%-56s %10s %10s\n", "", "ns per op", "x mimalloc");
    for (const Row &row : rows_) {
      std::printf("%-56s %10.2f", row.name.c_str(), row.ns);
      double peer_ns = peer_of(row);
      if (peer_ns > 0) std::printf(" %10.2f", row.ns / peer_ns);
      std::printf("\n");
    }
  }

 private:
  struct Row {
    std::string name;
    double ns;
  };

  double ns_of(const std::string &name) const {
    for (const Row &row : rows_) {
      if (row.name == name) return row.ns;
    }
    return 0;
  }

  // "work" and "work, variant" are compared with "work, mimalloc" where there is such a row.
  double peer_of(const Row &row) const {
    double same_work_ns = ns_of(row.name.substr(0, row.name.find(", ")) + ", mimalloc");
    return same_work_ns > 0 ? same_work_ns : ns_of(kReferenceName);
  }

  std::vector<Row> rows_;
};

inline int run(int argc, char **argv) {
  benchmark::RegisterBenchmark(kReferenceName, reference);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  TableReporter reporter;
  benchmark::RunSpecifiedBenchmarks(&reporter);
  benchmark::Shutdown();
  return 0;
}

}  // namespace bench

#endif
