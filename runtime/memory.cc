// Plain memory, and the calls that show how much there is.
#include "runtime/runtime.h"

using namespace loam;

bool rt::ask_host_for_memory(loam_runtime &runtime, size_t bytes) {
  const loam_out_of_memory_fn ask = runtime.options.out_of_memory;
  if (ask == nullptr || runtime.heap.locked() || !runtime.collector.idle()) return false;
  if (runtime.collector.asking_for_memory()) return false;
  gc::Collector::CallbackFrame frame;
  runtime.collector.enter(frame, nullptr, true);
  const bool again = ask(&runtime.main_thread, bytes, runtime.options.context);
  runtime.collector.leave(frame);
  return again;
}

namespace {

// One attempt, and one more when the host says so.
template <typename Allocate>
void *allocate_asking(loam_runtime &runtime, size_t bytes, Allocate &&allocate) {
  void *block = allocate();
  if (block == nullptr && rt::ask_host_for_memory(runtime, bytes)) block = allocate();
  return block;
}

// Takes the runtime, not the thread, so that loam_malloc_slow need not save both around the call of
// the source.
LOAM_NOINLINE void *allocate_by_every_means(loam_runtime &runtime, size_t size) {
  alloc::Heap &heap = runtime.heap;
  if (size > LOAM_MAX_BLOCK) {
    runtime.collector.large_asked_for();
    void *const block = heap.has_cache() ? heap.take_large(size, false) : nullptr;
    if (LOAM_EXPECT(block != nullptr)) return block;
  }
  return allocate_asking(runtime, size,
                         [&] { return heap.allocate_raw(&runtime.main_thread, size); });
}

LOAM_NOINLINE void *reallocate(loam_thread *thread, void *pointer, size_t size) {
  loam_runtime &runtime = rt::runtime_of(thread);
  if (size > LOAM_MAX_BLOCK) runtime.collector.large_asked_for();
  return allocate_asking(runtime, size,
                         [&] { return runtime.heap.reallocate_raw(thread, pointer, size); });
}

}  // namespace

extern "C" {

void *loam_malloc_slow(loam_thread *thread, size_t size) {
  loam_runtime &runtime = rt::runtime_of(thread);
  if (LOAM_EXPECT(alloc::has_large_class(size))) {
    void *const block = runtime.heap.take_large_near(size);
    if (LOAM_EXPECT(block != nullptr)) return block;
  }
  return allocate_by_every_means(runtime, size);
}

void *loam_calloc(loam_thread *thread, size_t n, size_t size) {
  loam_runtime &runtime = rt::runtime_of(thread);
  size_t bytes;
  if (__builtin_mul_overflow(n, size, &bytes)) return nullptr;
  if (bytes > LOAM_MAX_BLOCK) runtime.collector.large_asked_for();
  return allocate_asking(runtime, bytes,
                         [&] { return runtime.heap.allocate_zeroed(thread, bytes); });
}

void *loam_realloc(loam_thread *thread, void *pointer, size_t size) {
  alloc::Heap &heap = rt::runtime_of(thread).heap;
  // A buffer that grows by small steps stays nearly always, and this is all that it costs.
  void *const block =
      LOAM_EXPECT(!heap.watched()) ? heap.resize_near(thread, pointer, size) : nullptr;
  return block != nullptr ? block : reallocate(thread, pointer, size);
}

void loam_free_slow(loam_thread *thread, void *block) {
  alloc::Heap &heap = rt::runtime_of(thread).heap;
  // Large blocks come here each time, small ones once in half a list; the map has none of those.
  if (LOAM_EXPECT(!heap.watched()) && heap.large().free_near(block)) return;
  heap.free_raw(thread, block);
}

void loam_free_sized_slow(loam_thread *thread, void *pointer, size_t size) {
  loam_runtime &runtime = rt::runtime_of(thread);
  if (runtime.options.debug && pointer != nullptr) {
    runtime.heap.check_raw(pointer, "loam_free_sized");
    if (size > runtime.heap.usable_size(pointer)) {
      runtime.report.fatal("loam_free_sized: block %p is smaller than %zu bytes", pointer, size);
    }
  }
  loam_free_slow(thread, pointer);
}

size_t loam_usable_size(loam_runtime *runtime, const void *pointer) {
  if (runtime->options.debug && pointer != nullptr) {
    runtime->heap.check_raw(pointer, "loam_usable_size");
  }
  return runtime->heap.usable_size(pointer);
}

size_t loam_good_size(size_t size) {
  if (size <= LOAM_MAX_BLOCK) return alloc::round_to_class(size);
  return size <= PTRDIFF_MAX ? alloc::large_cost(base::SystemHeap(), size) : size;
}

void loam_external_add(loam_thread *thread, ptrdiff_t bytes) {
  loam_runtime &runtime = rt::runtime_of(thread);
  runtime.heap.add_external(bytes);
  if (bytes > 0) runtime.collector.growth_noted();
}

size_t loam_mem_alloc(const loam_runtime *runtime) {
  return runtime->heap.in_use_bytes(&runtime->main_thread);
}

size_t loam_mem_free(const loam_runtime *runtime) {
  return runtime->heap.free_bytes(&runtime->main_thread);
}

size_t loam_trim(loam_thread *thread) { return rt::runtime_of(thread).heap.trim(thread); }

}  // extern "C"
