// From what a host asked for to the options that a runtime lives with.
//
//   loam_options (given) ── $LOAM_OPTIONS on top ── bounds ── defaults ──▶ loam_options (resolved)
//
// In a given struct, and in the text form, zero asks for the default; in a resolved one every field
// is the value to use. The rows stand in options.def. Thread-safe, but for the environment, which
// is read as getenv does.
#ifndef LOAM_RUNTIME_OPTIONS_H
#define LOAM_RUNTIME_OPTIONS_H

#include <loam/loam.h>

namespace loam::rt {

// Fills *out from `given`, or from nothing but defaults when that is NULL. LOAM_EINVAL for a
// struct_size that is not ours, a field out of bounds, or a bad $LOAM_OPTIONS; *out is unchanged
// then.
loam_status options_resolve(const loam_options *given, loam_options *out);

}  // namespace loam::rt

#endif  // LOAM_RUNTIME_OPTIONS_H
