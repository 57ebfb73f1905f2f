// What the collector needs from the layer above.
#pragma once

#include <loam/layout.h>

#include <cstddef>
#include <cstdint>

namespace loam::gc {

enum class Collection { kYoung, kFull, kEmergency };
constexpr size_t kCollections = 3;

struct Hooks {
  void *context;
  // A collection starts, or has ended after `duration_ns`.
  void (*started)(void *context, Collection kind);
  void (*ended)(void *context, Collection kind, uint64_t duration_ns, size_t collected,
                size_t survivors);
  // Reports the host's registered roots.
  void (*report_roots)(void *context, loam_visitor *visitor);
};

}  // namespace loam::gc
