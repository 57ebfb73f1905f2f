// The loops of no_inline.cc, where every hot call is a call of an exported function.
#ifndef LOAM_BENCH_NO_INLINE_H
#define LOAM_BENCH_NO_INLINE_H

#include <loam/layout.h>

#include <cstddef>

namespace bench {

// new + drop, `count` times.
void new_drop_no_inline(loam_thread *thread, const loam_type *type, size_t count);
// loam_malloc + loam_free, `count` times.
void malloc_free_no_inline(loam_thread *thread, size_t bytes, size_t count);
// Fill the slots, then free them in order.
void fill_and_free_no_inline(loam_thread *thread, size_t bytes, void **slots, size_t count);
void *malloc_no_inline(loam_thread *thread, size_t bytes);
void free_no_inline(loam_thread *thread, void *block);

}  // namespace bench

#endif
