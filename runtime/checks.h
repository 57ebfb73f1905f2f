// Handles that a host passes: a NULL is told to the fatal handler at the price of one test, a wrong
// one in debug mode. Thread safety: the owning runtime's thread.
#pragma once

#include "allocator/base/check.h"
#include "runtime/runtime.h"

namespace loam::rt {

// Each tells the fatal handler what is wrong with the handle, `function` first; or returns.
void check_type(const loam_runtime &runtime, const loam_type *type, const char *function);
void check_object(const loam_runtime &runtime, const loam_object *object, const char *function);
void check_weak(const loam_runtime &runtime, const loam_weak *weak, const char *function);

inline void expect_type(const loam_runtime &runtime, const loam_type *type, const char *function) {
  if (LOAM_RARELY(type == nullptr || runtime.options.debug)) check_type(runtime, type, function);
}

inline void expect_object(const loam_runtime &runtime, const loam_object *object,
                          const char *function) {
  if (LOAM_RARELY(object == nullptr || runtime.options.debug)) {
    check_object(runtime, object, function);
  }
}

inline void expect_weak(const loam_runtime &runtime, const loam_weak *weak, const char *function) {
  if (LOAM_RARELY(weak == nullptr || runtime.options.debug)) check_weak(runtime, weak, function);
}

}  // namespace loam::rt
