// Automatic full collections as a test sees them: for hosts with torture.slice, where one starts at
// every safepoint that finds none, and each safepoint is a slice.
#ifndef LOAM_TESTS_SUPPORT_CYCLES_H
#define LOAM_TESTS_SUPPORT_CYCLES_H

#include "host.h"

namespace loam::test {

// Counts those that started and ended, what they freed, and their work by kind, in units.
struct Cycles {
  unsigned starts = 0, ends = 0;
  std::size_t collected = 0;
  std::size_t units[LOAM_WORKS] = {};

  explicit Cycles(Host &host) {
    host.on_event = [this](const loam_event &event) {
      if (event.kind == LOAM_EVENT_WORK) units[event.work] += event.objects;
      if (event.kind == LOAM_EVENT_WORK || event.collection != LOAM_COLLECTION_FULL) return;
      ++(event.kind == LOAM_EVENT_COLLECTION_START ? starts : ends);
      if (event.kind == LOAM_EVENT_COLLECTION_END) collected += event.objects;
    };
  }
  bool running() const { return starts != ends; }
};

inline void start_cycle(Host &host, const Cycles &cycles) {
  for (unsigned starts = cycles.starts; cycles.starts == starts;) loam_safepoint(host.thread);
}

inline void end_cycle(Host &host, const Cycles &cycles) {
  while (cycles.running()) loam_safepoint(host.thread);
}

// A whole one, from its start on.
inline void run_cycle(Host &host, const Cycles &cycles) {
  start_cycle(host, cycles);
  end_cycle(host, cycles);
}

}  // namespace loam::test

#endif  // LOAM_TESTS_SUPPORT_CYCLES_H
