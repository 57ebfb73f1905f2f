#include "runtime/pauses.h"

#include <loam/loam.h>

#include <cstddef>
#include <cstdint>

namespace loam::rt {
namespace {

constexpr unsigned kLogPerOctave = 2;
constexpr uint64_t kPerOctave = UINT64_C(1) << kLogPerOctave;

// The highest bit chooses the octave, the two behind it the quarter.
constexpr size_t bucket_of(uint64_t duration_ns) {
  if (duration_ns < kPerOctave) return duration_ns;
  const unsigned shift = 63u - static_cast<unsigned>(__builtin_clzll(duration_ns)) - kLogPerOctave;
  return shift * kPerOctave + (duration_ns >> shift);
}

constexpr uint64_t first_ns(size_t bucket) {
  if (bucket < kPerOctave) return bucket;
  return (kPerOctave + bucket % kPerOctave) << (bucket / kPerOctave - 1);
}

constexpr bool buckets_are_consistent() {
  for (size_t bucket = 0; bucket < LOAM_PAUSE_BUCKETS; ++bucket) {
    if (bucket_of(first_ns(bucket)) != bucket) return false;
    if (bucket_of(first_ns(bucket + 1) - 1) != bucket) return false;
  }
  return true;
}
static_assert(buckets_are_consistent());

}  // namespace

void record_pause(loam_pauses *pauses, uint64_t duration_ns) {
  const size_t bucket = bucket_of(duration_ns);
  ++pauses->buckets[bucket < LOAM_PAUSE_BUCKETS ? bucket : LOAM_PAUSE_BUCKETS - 1];
  ++pauses->count;
  pauses->total_ns += duration_ns;
  if (duration_ns > pauses->max_ns) pauses->max_ns = duration_ns;
}

void add_pauses(loam_pauses *sum, const loam_pauses &more) {
  sum->count += more.count;
  sum->total_ns += more.total_ns;
  if (more.max_ns > sum->max_ns) sum->max_ns = more.max_ns;
  for (size_t bucket = 0; bucket < LOAM_PAUSE_BUCKETS; ++bucket) {
    sum->buckets[bucket] += more.buckets[bucket];
  }
}

}  // namespace loam::rt

uint64_t loam_pauses_quantile(const loam_pauses *pauses, double fraction) {
  using namespace loam::rt;
  if (!(fraction < 1)) return pauses->max_ns;
  // The pause of this rank, counted from 0, is the shortest that the fraction does not exceed.
  const double exact = fraction > 0 ? fraction * static_cast<double>(pauses->count) : 0;
  uint64_t rank = static_cast<uint64_t>(exact);
  if (rank > 0 && static_cast<double>(rank) == exact) --rank;
  uint64_t seen = 0;
  for (size_t bucket = 0; bucket + 1 < LOAM_PAUSE_BUCKETS; ++bucket) {
    seen += pauses->buckets[bucket];
    if (seen <= rank) continue;
    const uint64_t last_ns = first_ns(bucket + 1) - 1;
    return last_ns < pauses->max_ns ? last_ns : pauses->max_ns;
  }
  return pauses->max_ns;
}
