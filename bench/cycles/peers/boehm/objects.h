// Objects as the Boehm-Demers-Weiser collector manages them: no header, no counts, found by a
// conservative scan. It marks with one thread here, as the others do.
// What the peer provides is listed in peers/loam/objects.h.
#ifndef LOAM_BENCH_CYCLES_PEER_OBJECTS_H
#define LOAM_BENCH_CYCLES_PEER_OBJECTS_H

#define GC_THREADS
#include <gc/gc.h>

#include <cstddef>
#include <cstring>

#include "require.h"

namespace peer {

inline constexpr char kName[] = "Boehm 8.2";
inline constexpr char kBytesInUse[] = "heap less free heap blocks";
inline constexpr bool kCounts = false;
inline constexpr bool kBounds = false;

struct Node {
  Node *left, *right, *parent;
};

class Heap {
 public:
  static Heap open(size_t) {
    GC_set_markers_count(1);
    GC_INIT();
    GC_disable();
    return Heap();
  }

  Node *make() const {
    auto *node = static_cast<Node *>(GC_MALLOC(sizeof(Node)));
    bench::require(node != nullptr, "GC_MALLOC");
    return node;
  }
  Node *hold(Node *node) const { return node; }
  void drop(Node *) const {}

  void safepoint() const {}
  void collect() const {
    overwrite_stack();
    const bool automatic = GC_is_disabled() == 0;
    if (!automatic) GC_enable();
    GC_gcollect();
    if (!automatic) GC_disable();
  }
  void collect_young() const { collect(); }  // it has one generation
  void start_automatic() const { GC_enable(); }
  void stop_automatic() const { GC_disable(); }

  size_t bytes_in_use() const {
    GC_word heap = 0, free = 0;
    GC_get_heap_usage_safe(&heap, &free, nullptr, nullptr, nullptr);
    return heap - free;
  }

  // Not collected, but scanned.
  Node **new_handles(size_t count) const {
    auto **handles = static_cast<Node **>(GC_MALLOC_UNCOLLECTABLE(count * sizeof(Node *)));
    bench::require(handles != nullptr, "GC_MALLOC_UNCOLLECTABLE");
    return handles;
  }
  void free_handles(Node **handles) const { GC_FREE(handles); }

 private:
  Heap() = default;

  // What earlier calls left below the stack pointer would keep a whole tree alive.
  __attribute__((noinline)) static void overwrite_stack() {
    char frame[1 << 16];
    std::memset(frame, 0, sizeof frame);
    asm volatile("" : : "r"(frame) : "memory");
  }
};

}  // namespace peer

#endif
