// What every benchmark of Loam itself shares: a runtime, and the 32-byte tree node.
#ifndef LOAM_BENCH_SUPPORT_H
#define LOAM_BENCH_SUPPORT_H

#include <benchmark/benchmark.h>
#include <loam/loam.h>

#include <cstddef>
#include <cstdint>

#include "rows.h"

namespace bench {

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

// A node of a tree: 32 bytes, header included.
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

inline int run(int argc, char **argv) { return run(argc, argv, "loam"); }

}  // namespace bench

#endif
