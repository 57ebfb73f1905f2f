// The loop of no_inline.cc, where every hot call is a call of an exported function.
#ifndef LOAM_BENCH_NO_INLINE_H
#define LOAM_BENCH_NO_INLINE_H

#include <loam/layout.h>

#include <cstddef>

namespace bench {

// new + drop, `count` times.
void new_drop_no_inline(loam_thread *thread, const loam_type *type, size_t count);

}  // namespace bench

#endif
