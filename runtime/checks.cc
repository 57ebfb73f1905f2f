#include "runtime/checks.h"

namespace loam::rt {

void check_type(const loam_runtime &runtime, const loam_type *type, const char *function) {
  if (type == nullptr) runtime.report.fatal("%s: the type is NULL", function);
  const gc::TypeTable &table = runtime.collector.types();
  const uint32_t index = gc::type_index(static_cast<uint32_t>(type->header >> 32));
  if (index != 0 && index < table.count && table.types[index] == type) return;
  runtime.report.fatal("%s: type %p is not of this runtime", function,
                       static_cast<const void *>(type));
}

void check_object(const loam_runtime &runtime, const loam_object *object, const char *function) {
  runtime.collector.check_object(object, function);
}

void check_weak(const loam_runtime &runtime, const loam_weak *weak, const char *function) {
  if (weak == nullptr) runtime.report.fatal("%s: the weak reference is NULL", function);
  runtime.heap.check_raw(weak, function);
}

}  // namespace loam::rt
