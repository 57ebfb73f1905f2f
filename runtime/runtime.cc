// Creating and destroying runtimes; threads; the heap lock; registered roots.
#include "runtime/runtime.h"

#include <new>

#include "allocator/base/check.h"
#include "allocator/base/system_heap.h"
#include "runtime/options.h"

namespace {

using namespace loam;

gc::Pacing pacing_of(const loam_options &options) {
  return gc::Pacing{options.collect_at == LOAM_COLLECT_AT_NEW,
                    options.young_threshold,
                    options.full_growth,
                    options.full_finish,
                    options.full_minimum,
                    options.cascade_budget != 0 ? options.cascade_budget : UINT64_MAX,
                    options.torture.collect_every,
                    options.torture.slice,
                    options.torture.verify};
}

alloc::HeapConfig heap_config_of(const loam_options &options) {
  const loam_torture &hardship = options.torture;
  alloc::Torture torture;
  torture.fail_at = hardship.fail_at;
  torture.fail_count = hardship.fail_count;
  torture.fail_one_in = hardship.fail_one_in;
  torture.seed = hardship.seed;
  torture.poison = hardship.poison;
  torture.never_reuse = hardship.never_reuse;
  torture.random_slots = hardship.random_slots;
  torture.move_realloc = hardship.move_realloc;
  torture.watch = hardship.fail_at != 0 || hardship.fail_one_in != 0 ||
                  hardship.collect_every != 0 || hardship.poison || hardship.never_reuse ||
                  hardship.random_slots || hardship.move_realloc;
  return alloc::HeapConfig{options.range_size, options.heap_limit, options.debug, torture};
}

void report_leaks(loam_runtime &runtime) {
  const auto report_type = [](const loam_type_stats *row, void *context) {
    static_cast<loam_runtime *>(context)->report.message(
        "leak: %zu of type %s, %zu bytes, alive at loam_runtime_destroy", row->objects, row->name,
        row->bytes);
  };
  if (loam_stats_types(&runtime, report_type, &runtime) != LOAM_OK) {
    runtime.report.message("leak: no memory to count what is alive at loam_runtime_destroy");
  }
}

}  // namespace

loam_runtime::loam_runtime(const loam_options &resolved)
    : options(resolved), collector(heap, rt::collector_hooks(this), pacing_of(resolved)) {
  report.fatal_handler = options.fatal;
  report.message_handler = options.message;
  report.context = options.context;
}

extern "C" {

loam_status loam_runtime_create_abi(uint32_t abi, const loam_options *options,
                                    loam_runtime **out_runtime) {
  if (out_runtime == nullptr) return LOAM_EINVAL;
  *out_runtime = nullptr;
  if (abi != LOAM_ABI) return LOAM_EABI;
  loam_options resolved;
  loam_status status = rt::options_resolve(options, &resolved);
  if (status != LOAM_OK) return status;
  const base::SystemHeap system;
  void *memory = system.allocate_zeroed(sizeof(loam_runtime) + alignof(loam_runtime));
  if (memory == nullptr) return LOAM_ENOMEM;
  loam_runtime *runtime = new (memory) loam_runtime(resolved);
  if (resolved.trace_file[0] != 0) {
    status = rt::TraceFile::open(runtime->options.trace_file, runtime->report, &runtime->trace);
  }
  if (status == LOAM_OK && !runtime->heap.open(heap_config_of(resolved), &runtime->report)) {
    status = LOAM_ENOMEM;
    if (runtime->trace != nullptr) runtime->trace->close();
  }
  if (status != LOAM_OK) {
    system.free(memory);
    return status;
  }
  loam_thread &thread = runtime->main_thread;
  thread.runtime = runtime;
  thread.context = resolved.context;
  runtime->heap.attach(&thread);
  runtime->collector.attach(&thread);
  *out_runtime = runtime;
  return LOAM_OK;
}

void loam_runtime_destroy(loam_runtime *runtime) {
  if (runtime == nullptr) return;
  if (runtime->collector.in_callback() || !runtime->collector.idle()) {
    runtime->report.fatal("loam_runtime_destroy: called from inside a callback");
  }
  if (runtime->options.debug && runtime->heap.verify(&runtime->main_thread, 1) != 0) {
    runtime->report.fatal("loam_runtime_destroy: the heap is damaged");
  }
  runtime->collector.collect_last();
  if (runtime->options.report_leaks) report_leaks(*runtime);
  runtime->collector.destroy_all();
  while (runtime->roots != nullptr) loam_roots_unregister(runtime, runtime->roots);
  runtime->collector.close();
  runtime->heap.close();
  if (runtime->trace != nullptr) runtime->trace->close();
  base::SystemHeap().free(runtime);
}

loam_thread *loam_runtime_main_thread(loam_runtime *runtime) { return &runtime->main_thread; }

loam_runtime *loam_thread_runtime(loam_thread *thread) { return thread->runtime; }

void *loam_thread_context(loam_thread *thread) { return thread->context; }

void loam_heap_lock(loam_thread *thread) { rt::runtime_of(thread).heap.lock(thread); }

void loam_heap_unlock(loam_thread *thread) {
  loam_runtime &runtime = rt::runtime_of(thread);
  if (runtime.heap.unlock()) runtime.collector.host_work_waits();
}

loam_status loam_roots_register(loam_runtime *runtime, loam_roots_fn report, void *context,
                                loam_roots **out_roots) {
  if (out_roots == nullptr) return LOAM_EINVAL;
  *out_roots = nullptr;
  if (runtime == nullptr || report == nullptr) return LOAM_EINVAL;
  void *memory = runtime->heap.allocate_metadata(sizeof(loam_roots));
  if (memory == nullptr) return LOAM_ENOMEM;
  runtime->roots = new (memory) loam_roots{runtime->roots, report, context};
  *out_roots = runtime->roots;
  return LOAM_OK;
}

void loam_roots_unregister(loam_runtime *runtime, loam_roots *roots) {
  if (runtime == nullptr || roots == nullptr) return;
  for (loam_roots **at = &runtime->roots; *at != nullptr; at = &(*at)->next) {
    if (*at != roots) continue;
    *at = roots->next;
    runtime->heap.free_metadata(roots);
    return;
  }
}

}  // extern "C"
