// new and drop of bench_objects.cc, compiled against the exported functions.
#define LOAM_NO_INLINE
#include "no_inline.h"

#include <loam/loam.h>

#include "rows.h"

namespace bench {

void new_drop_no_inline(benchmark::State &state, loam_thread *thread, const loam_type *type) {
  for (auto _ : state) {
    auto *object = static_cast<loam_object *>(loam_new(thread, type));
    loam_decref(thread, opaque(object));
  }
}

}  // namespace bench
