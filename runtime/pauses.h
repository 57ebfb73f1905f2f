// Pause histograms: what goes into a bucket, and what it says (stats.h).
#pragma once

#include <loam/stats.h>

namespace loam::rt {

void record_pause(loam_pauses *pauses, uint64_t duration_ns);
void add_pauses(loam_pauses *sum, const loam_pauses &more);

}  // namespace loam::rt
