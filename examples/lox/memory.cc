// Natives that show what Loam does: collections, limits, weak references, finalizers.
#include "map.h"
#include "native.h"

namespace lox {

namespace {

bool gc_collect(Vm &vm, Call &call) {
  return call.give(static_cast<double>(loam_collect(vm.heap.thread)));
}

bool add_figure(Vm &vm, Map *map, const char *name, double value) {
  String *key = make_string(vm.heap, &vm.strings, name);
  bool added = key != nullptr && map_set(vm.heap, map, object_value(key), number(value));
  release(vm.heap.thread, key);
  return added;
}

bool add_figures(Vm &vm, Map *map, const loam_stats &stats) {
  static constexpr const char *kKinds[] = {"youngRuns", "fullRuns", "emergencyRuns"};
  static_assert(std::size(kKinds) == LOAM_COLLECTION_KINDS);
  loam_collection_stats all = {};
  for (int kind = 0; kind < LOAM_COLLECTION_KINDS; ++kind) {
    const loam_collection_stats &one = stats.collections[kind];
    all.collected += one.collected;
    all.resurrected += one.resurrected;
    all.uncollectable += one.uncollectable;
    all.runs += one.runs;
    all.pauses.total_ns += one.pauses.total_ns;
    if (one.pauses.max_ns > all.pauses.max_ns) all.pauses.max_ns = one.pauses.max_ns;
    if (!add_figure(vm, map, kKinds[kind], static_cast<double>(one.runs))) return false;
  }
  const struct {
    const char *name;
    double value;
  } figures[] = {
      {"runs", static_cast<double>(all.runs)},
      {"collected", static_cast<double>(all.collected)},
      {"freedByCount", static_cast<double>(stats.freed_by_count)},
      {"resurrected", static_cast<double>(all.resurrected)},
      {"uncollectable", static_cast<double>(all.uncollectable)},
      {"pauses", static_cast<double>(all.pauses.total_ns) / 1e9},
      {"longestPause", static_cast<double>(all.pauses.max_ns) / 1e9},
      {"bytes", static_cast<double>(stats.bytes_in_use)},
      {"countedBytes", static_cast<double>(stats.counted_bytes)},
      {"peakBytes", static_cast<double>(stats.peak_bytes)},
      {"limit", static_cast<double>(stats.heap_limit)},
      {"weakReferences", static_cast<double>(stats.weak_references)},
      {"failedAllocations", static_cast<double>(stats.failed_allocations)},
  };
  for (const auto &figure : figures) {
    if (!add_figure(vm, map, figure.name, figure.value)) return false;
  }
  return true;
}

// Pauses are in seconds, as clock() is.
bool gc_stats(Vm &vm, Call &call) {
  loam_stats stats = {};
  stats.struct_size = sizeof stats;
  loam_stats_get(vm.heap.runtime, &stats);
  Map *map = new_map(vm);
  if (map != nullptr && add_figures(vm, map, stats)) return call.give_object(map);
  release(vm.heap.thread, map);
  return call.out_of_memory();
}

bool mem_alloc(Vm &vm, Call &call) {
  return call.give(static_cast<double>(loam_mem_alloc(vm.heap.runtime)));
}

bool mem_free(Vm &vm, Call &call) {
  return call.give(static_cast<double>(loam_mem_free(vm.heap.runtime)));
}

// Locks nest. Until the last unlock every allocation is a Lox error, and finalizers wait.
bool heap_lock(Vm &vm, Call &) {
  loam_heap_lock(vm.heap.thread);
  ++vm.heap_locks;
  return true;
}

bool heap_unlock(Vm &vm, Call &) {
  if (vm.heap_locks == 0) return runtime_error(vm, "heapUnlock: the heap is not locked.");
  --vm.heap_locks;
  loam_heap_unlock(vm.heap.thread);
  return true;
}

bool trim(Vm &vm, Call &call) { return call.give(static_cast<double>(loam_trim(vm.heap.thread))); }

bool is_callable(const Heap &heap, Value value) {
  return is_kind(heap, value, kClosure) || is_kind(heap, value, kNative) ||
         is_kind(heap, value, kBoundMethod) || is_kind(heap, value, kClass);
}

// A finalizer runs once in the life of an instance; calling again before that replaces the
// function.
bool on_finalize(Vm &vm, Call &call) {
  if (!is_kind(vm.heap, call.arguments[0], kInstance)) {
    return call.wrong_argument(0, "an instance");
  }
  if (!is_callable(vm.heap, call.arguments[1])) return call.wrong_argument(1, "a function");
  auto *instance = as<Instance>(call.arguments[0]);
  if ((instance->header.tag & LOAM_FLAG_FINALIZED) != 0) {
    return runtime_error(vm, "onFinalize: the instance was finalized already.");
  }
  return watch(vm, instance, call.arguments[1]) || call.out_of_memory();
}

bool weak_ref_init(Vm &vm, Call &call) {
  auto *reference = as<WeakRef>(call.receiver());
  if (!is_object(call.arguments[0])) return call.wrong_argument(0, "an object");
  if (reference->weak != nullptr) {
    return runtime_error(vm, "WeakRef.init: the reference has its object already.");
  }
  loam_status status = loam_weak_create(vm.heap.thread, as_object(call.arguments[0]), nullptr,
                                        nullptr, nullptr, &reference->weak);
  if (status != LOAM_OK) return call.out_of_memory();
  retain(vm.heap.thread, call.receiver());
  return call.give(call.receiver());
}

bool weak_ref_get(Vm &vm, Call &call) {
  Object *target = loam_weak_get(vm.heap.thread, as<WeakRef>(call.receiver())->weak);
  return target == nullptr || call.give(object_value(target));
}

}  // namespace

bool define_memory(Vm &vm) {
  static const NativeSpec kFunctions[] = {
      {"gcCollect", "gcCollect", gc_collect, 0},
      {"gcStats", "gcStats", gc_stats, 0},
      {"memAlloc", "memAlloc", mem_alloc, 0},
      {"memFree", "memFree", mem_free, 0},
      {"heapLock", "heapLock", heap_lock, 0},
      {"heapUnlock", "heapUnlock", heap_unlock, 0},
      {"trim", "trim", trim, 0},
      {"onFinalize", "onFinalize", on_finalize, 2},
  };
  return define_functions(vm, kFunctions);
}

bool define_weak_ref(Vm &vm) {
  static const NativeSpec kMethods[] = {
      {"init", "WeakRef", weak_ref_init, 1},
      {"get", "WeakRef.get", weak_ref_get, 0},
  };
  return define_class(vm, "WeakRef", kWeakRef, kMethods, std::size(kMethods), &vm.weak_ref_class);
}

}  // namespace lox
