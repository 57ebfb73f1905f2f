// What the collector needs from the layer above: whom to tell, and how to pace itself.
#pragma once

#include <loam/layout.h>

#include <cstddef>
#include <cstdint>

namespace loam::gc {

enum class Collection { kYoung, kFull, kEmergency };
constexpr size_t kCollections = 3;

// Kinds of work for which the host waits.
enum class Work {
  kYoung,      // a whole young collection
  kFull,       // a whole full one, at a stand
  kEmergency,  // one at the limit, or inside a callback
  kStart,      // slices of an incremental one, by phase
  kRescue,
  kMark,
  kSplit,
  kFinal,
  kFinalize,
  kSweep,
  kClear,
  kDrain,  // releasing what died by count, outside of loam_decref
};
constexpr size_t kWorks = 12;

struct Hooks {
  void *context;
  // A collection starts, or has ended after `duration_ns`.
  void (*started)(void *context, Collection kind);
  void (*ended)(void *context, Collection kind, uint64_t duration_ns, size_t collected,
                size_t survivors);
  // One stretch of work is over. A whole collection with its callbacks, or one slice of a phase.
  void (*worked)(void *context, Work work, uint64_t start_ns, uint64_t duration_ns, size_t objects);
  // Reports the host's registered roots.
  void (*report_roots)(void *context, loam_visitor *visitor);
};

struct Pacing {
  bool at_new;               // collect_at == new
  uint64_t young_threshold;  // containers
  uint64_t full_growth;      // percent
  uint64_t full_finish;      // percent
  size_t full_minimum_bytes;
  uint64_t cascade_budget;  // objects
  uint64_t collect_every;   // torture: 0, or collect at every nth allocation of an object
  uint64_t slice;           // torture: 0, or a slice of that size at every chance
  bool verify;              // torture: verify after each collection
};

}  // namespace loam::gc
