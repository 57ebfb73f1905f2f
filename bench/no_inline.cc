// The loops of bench_objects.cc and bench_blocks.cc, compiled against the exported functions.
#define LOAM_NO_INLINE
#include "no_inline.h"

#include <benchmark/benchmark.h>
#include <loam/loam.h>

namespace bench {

void new_drop_no_inline(loam_thread *thread, const loam_type *type, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    auto *object = static_cast<loam_object *>(loam_new(thread, type));
    benchmark::DoNotOptimize(object);
    loam_decref(thread, object);
  }
}

void malloc_free_no_inline(loam_thread *thread, size_t bytes, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    void *block = loam_malloc(thread, bytes);
    benchmark::DoNotOptimize(block);
    loam_free(thread, block);
  }
}

void fill_and_free_no_inline(loam_thread *thread, size_t bytes, void **slots, size_t count) {
  for (size_t i = 0; i < count; ++i) slots[i] = loam_malloc(thread, bytes);
  benchmark::ClobberMemory();
  for (size_t i = 0; i < count; ++i) loam_free(thread, slots[i]);
}

void *malloc_no_inline(loam_thread *thread, size_t bytes) { return loam_malloc(thread, bytes); }

void free_no_inline(loam_thread *thread, void *block) { loam_free(thread, block); }

}  // namespace bench
