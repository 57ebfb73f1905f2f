// What do loam_malloc and loam_free cost beside mi_malloc and mi_free?
#include "no_inline.h"
#include "support.h"

namespace {

using bench::Host;
using bench::kPairs;

constexpr size_t kBytes = bench::kReferenceBytes;
constexpr size_t kBatch = 10000;
constexpr size_t kSlots = 65536;
constexpr size_t kReplacements = 65536;

void pair_loam(benchmark::State &state) {
  Host host;
  for (auto _ : state) {
    for (size_t i = 0; i < kPairs; ++i) {
      void *block = loam_malloc(host.thread(), kBytes);
      benchmark::DoNotOptimize(block);
      loam_free(host.thread(), block);
    }
  }
  bench::per_operation(state, kPairs);
}

void pair_no_inline(benchmark::State &state) {
  Host host;
  for (auto _ : state) bench::malloc_free_no_inline(host.thread(), kBytes, kPairs);
  bench::per_operation(state, kPairs);
}

void batch_loam(benchmark::State &state) {
  Host host;
  std::vector<void *> slots(kBatch);
  for (auto _ : state) {
    for (void *&slot : slots) slot = loam_malloc(host.thread(), kBytes);
    benchmark::ClobberMemory();
    for (void *slot : slots) loam_free(host.thread(), slot);
  }
  bench::per_operation(state, kBatch);
}

void batch_no_inline(benchmark::State &state) {
  Host host;
  std::vector<void *> slots(kBatch);
  for (auto _ : state) {
    bench::fill_and_free_no_inline(host.thread(), kBytes, slots.data(), kBatch);
  }
  bench::per_operation(state, kBatch);
}

void batch_mimalloc(benchmark::State &state) {
  std::vector<void *> slots(kBatch);
  for (auto _ : state) {
    for (void *&slot : slots) slot = mi_malloc(kBytes);
    benchmark::ClobberMemory();
    for (void *slot : slots) mi_free(slot);
  }
  bench::per_operation(state, kBatch);
}

struct Replacement {
  uint32_t slot, bytes;
};

// Drawn ahead, so that the random numbers stay out of the figure.
std::vector<Replacement> replacements() {
  std::mt19937 random(12345);
  std::vector<Replacement> plan(kReplacements);
  for (Replacement &step : plan) {
    step = {static_cast<uint32_t>(random() % kSlots), 16 + static_cast<uint32_t>(random() % 241)};
  }
  return plan;
}

template <typename Malloc, typename Free>
void replace_random(benchmark::State &state, Malloc allocate, Free release) {
  const std::vector<Replacement> plan = replacements();
  std::vector<void *> slots(kSlots);
  for (size_t i = 0; i < kSlots; ++i) slots[i] = allocate(plan[i].bytes);
  for (auto _ : state) {
    for (const Replacement &step : plan) {
      release(slots[step.slot]);
      slots[step.slot] = allocate(step.bytes);
    }
  }
  for (void *slot : slots) release(slot);
  bench::per_operation(state, kReplacements);
}

void replace_loam(benchmark::State &state) {
  Host host;
  loam_thread *thread = host.thread();
  replace_random(
      state, [thread](size_t bytes) { return loam_malloc(thread, bytes); },
      [thread](void *block) { loam_free(thread, block); });
}

void replace_no_inline(benchmark::State &state) {
  Host host;
  loam_thread *thread = host.thread();
  replace_random(
      state, [thread](size_t bytes) { return bench::malloc_no_inline(thread, bytes); },
      [thread](void *block) { bench::free_no_inline(thread, block); });
}

void replace_mimalloc(benchmark::State &state) {
  replace_random(
      state, [](size_t bytes) { return mi_malloc(bytes); }, [](void *block) { mi_free(block); });
}

BENCHMARK(pair_loam)->Name("malloc+free 48 B");
BENCHMARK(pair_no_inline)->Name("malloc+free 48 B, LOAM_NO_INLINE");
BENCHMARK(batch_loam)->Name("fill 10,000 x 48 B and free all");
BENCHMARK(batch_no_inline)->Name("fill 10,000 x 48 B and free all, LOAM_NO_INLINE");
BENCHMARK(batch_mimalloc)->Name("fill 10,000 x 48 B and free all, mimalloc");
BENCHMARK(replace_loam)->Name("replace a random one of 16-256 B");
BENCHMARK(replace_no_inline)->Name("replace a random one of 16-256 B, LOAM_NO_INLINE");
BENCHMARK(replace_mimalloc)->Name("replace a random one of 16-256 B, mimalloc");

}  // namespace

int main(int argc, char **argv) { return bench::run(argc, argv); }
