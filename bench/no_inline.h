// One object made and dropped by calls of exported functions.
#ifndef LOAM_BENCH_NO_INLINE_H
#define LOAM_BENCH_NO_INLINE_H

#include <loam/layout.h>

namespace bench {

void new_drop_no_inline(loam_thread *thread, const loam_type *type);

}  // namespace bench

#endif
