// An object is made and dropped in each iteration, by calls of exported functions.
#ifndef LOAM_BENCH_NO_INLINE_H
#define LOAM_BENCH_NO_INLINE_H

#include <benchmark/benchmark.h>
#include <loam/layout.h>

namespace bench {

void new_drop_no_inline(benchmark::State &state, loam_thread *thread, const loam_type *type);

}  // namespace bench

#endif
