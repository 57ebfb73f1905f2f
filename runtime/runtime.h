// The runtime: what a host's handles point to. Everything that Loam keeps for a host hangs from
// here; there is no global.
//
//   loam_runtime --+-- Heap        blocks               (allocator/)
//                  +-- Collector   objects and edges    (gc/)
//                  +-- main thread (loam/layout.h)
//                  +-- options, pauses, registered roots
//
// A call of the host's that changes the heap comes through the thread that the runtime was
//       created on.
#pragma once

#include <loam/loam.h>

#include "allocator/base/report.h"
#include "allocator/heap.h"
#include "gc/collector.h"
#include "runtime/trace_file.h"

struct loam_roots {
  loam_roots *next;
  loam_roots_fn report;
  void *context;
};

struct loam_runtime {
  explicit loam_runtime(const loam_options &resolved);

  loam_options options;
  loam::base::Report report;
  loam::alloc::Heap heap;
  loam::gc::Collector collector;
  loam_thread main_thread = {};
  loam_pauses pauses[LOAM_WORKS] = {};
  loam::rt::TraceFile *trace = nullptr;  // null: none is asked for
  loam_roots *roots = nullptr;
};

namespace loam::rt {

inline loam_runtime &runtime_of(loam_thread *thread) { return *thread->runtime; }
inline gc::Type &internal(const loam_type *type) {
  return *static_cast<gc::Type *>(const_cast<loam_type *>(type));
}

// Calls the host before an allocation fails; true: try again.
bool ask_host_for_memory(loam_runtime &runtime, size_t bytes);
gc::Hooks collector_hooks(loam_runtime *runtime);

}  // namespace loam::rt
