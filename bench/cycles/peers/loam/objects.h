// Objects as Loam manages them: counted, cycles found by its collector.
//
// What every peers/*/objects.h provides, in namespace peer:
//   Node     three references, of which the patterns store and move counted pointers themselves
//   Heap     passed by value, so that what it holds stays in registers:
//     open                      0, or how many nodes one drop frees at the most, where kBounds
//     make, hold, drop          a node and one reference to it; one more; one less
//     safepoint                 what waits is freed in part
//     collect, collect_young    a full collection, now; one of what was made since the last one
//     start_automatic, stop_automatic   a heap opens with automatic collection off
//     bytes_in_use              by nodes, garbage included; kBytesInUse says how it is known
//     new_handles, free_handles an array of references to nodes outside the heap, all NULL
//   kCounts  whether dropping the last reference frees a node at once; without counts, a word that
//            looks like a reference may keep what is garbage
//   kBounds  whether what a drop frees can be bounded
#ifndef LOAM_BENCH_CYCLES_PEER_OBJECTS_H
#define LOAM_BENCH_CYCLES_PEER_OBJECTS_H

#include <loam/loam.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "require.h"

namespace peer {

inline constexpr char kName[] = "loam";
inline constexpr char kBytesInUse[] = "loam_mem_alloc";
inline constexpr bool kCounts = true;
inline constexpr bool kBounds = true;

struct Node {
  loam_object base;
  Node *left, *right, *parent;
};
static_assert(sizeof(Node) == 32, "the figures are for a 32-byte node");

class Heap {
 public:
  // $LOAM_OPTIONS apply, so that thresholds can be tried without a rebuild.
  static Heap open(size_t drop_budget) {
    loam_options options{};
    options.cascade_budget = drop_budget;
    options.use_environment = true;
    loam_runtime *runtime = nullptr;
    bench::require(loam_runtime_create(&options, &runtime) == LOAM_OK, "loam_runtime_create");
    static constexpr uint16_t kOffsets[] = {offsetof(Node, left), offsetof(Node, right),
                                            offsetof(Node, parent)};
    loam_type_spec spec{};
    spec.struct_size = sizeof spec;
    spec.name = "Node";
    spec.instance_size = sizeof(Node);
    spec.ref_offsets = kOffsets;
    spec.ref_count = 3;
    loam_type *type = nullptr;
    bench::require(loam_type_register(runtime, &spec, &type) == LOAM_OK, "loam_type_register");
    const Heap heap(loam_runtime_main_thread(runtime), type);
    heap.stop_automatic();
    return heap;
  }

  Node *make() const {
    auto *node = static_cast<Node *>(loam_new(thread_, type_));
    bench::require(node != nullptr, "loam_new");
    return node;
  }
  Node *hold(Node *node) const {
    loam_incref(thread_, &node->base);
    return node;
  }
  void drop(Node *node) const { loam_decref(thread_, &node->base); }

  void safepoint() const { loam_safepoint(thread_); }
  void collect() const { loam_collect(thread_); }
  void collect_young() const { loam_collect_young(thread_); }
  void start_automatic() const { loam_collect_enable(thread_); }
  void stop_automatic() const { loam_collect_disable(thread_); }

  size_t bytes_in_use() const { return loam_mem_alloc(loam_thread_runtime(thread_)); }

  Node **new_handles(size_t count) const {
    auto **handles = static_cast<Node **>(std::calloc(count, sizeof(Node *)));
    bench::require(handles != nullptr, "calloc");
    return handles;
  }
  void free_handles(Node **handles) const { std::free(handles); }

 private:
  Heap(loam_thread *thread, const loam_type *type) : thread_(thread), type_(type) {}

  loam_thread *thread_;
  const loam_type *type_;
};

}  // namespace peer

#endif
