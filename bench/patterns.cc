// What do an interpreter's patterns of plain memory cost with each allocator, in time and memory?
//
// The same source for every allocator; random numbers are drawn before the clock starts. Each block
// is written to once, as a host would, because memory that nobody touches is not resident.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <random>

#include "allocator.h"
#include "resident.h"
#include "rows.h"

namespace {

using bench::per_operation;
using benchmark::State;

constexpr unsigned kSeed = 12345;
constexpr size_t kPairs = 1000;  // allocations and frees in one iteration

inline void *take(size_t bytes) {
  void *block = bench::opaque(peer::allocate(bytes));
  *static_cast<void **>(block) = block;
  return block;
}

// ── Sizes ───────────────────────────────────────────────────────────────────────────────────────

using Sizes = std::vector<uint32_t>;

Sizes uniform_sizes(size_t count, uint32_t least, uint32_t most) {
  std::mt19937 random(kSeed);
  Sizes sizes(count);
  for (uint32_t &size : sizes) size = least + static_cast<uint32_t>(random() % (most - least + 1));
  return sizes;
}

// As many of 1 to 2 KiB as of 256 to 512 KiB.
Sizes log_uniform_sizes(size_t count, double least, double most) {
  std::mt19937 random(kSeed);
  std::uniform_real_distribution<double> exponent(std::log2(least), std::log2(most));
  Sizes sizes(count);
  for (uint32_t &size : sizes) size = static_cast<uint32_t>(std::exp2(exponent(random)));
  return sizes;
}

// A dozen types: numbers, pairs, strings, frames, instances, tables; small ones are the most.
Sizes interpreter_sizes(size_t count) {
  constexpr uint32_t kBytes[] = {16, 24, 32, 40, 48, 56, 64, 72, 88, 104, 144, 184, 232, 256};
  std::discrete_distribution<size_t> type({8, 14, 20, 8, 14, 12, 10, 4, 3, 2, 2, 1, 1, 1});
  std::mt19937 random(kSeed);
  Sizes sizes(count);
  for (uint32_t &size : sizes) size = kBytes[type(random)];
  return sizes;
}

std::vector<uint32_t> shuffled_indices(size_t count) {
  std::vector<uint32_t> indices(count);
  std::iota(indices.begin(), indices.end(), 0u);
  std::shuffle(indices.begin(), indices.end(), std::mt19937(kSeed));
  return indices;
}

// ── Bursts ──────────────────────────────────────────────────────────────────────────────────────

void free_at_once(State &state, size_t bytes) {
  for (auto _ : state) {
    for (size_t i = 0; i < kPairs; ++i) peer::release(take(bytes));
  }
  per_operation(state, kPairs, "ns per pair");
}

BENCHMARK_CAPTURE(free_at_once, 16, 16)->Name("Small blocks: 16 B, freed at once");
BENCHMARK_CAPTURE(free_at_once, 48, 48)->Name("Small blocks: 48 B, freed at once");
BENCHMARK_CAPTURE(free_at_once, 256, 256)->Name("Small blocks: 256 B, freed at once");

void free_sized_at_once(State &state) {
  for (auto _ : state) {
    for (size_t i = 0; i < kPairs; ++i) peer::release_sized(take(48), 48);
  }
  per_operation(state, kPairs, "ns per pair");
}

BENCHMARK(free_sized_at_once)->Name("Small blocks: 48 B, freed at once by address and size");

enum class Order { kSame, kReverse, kRandom };

std::vector<uint32_t> free_order(size_t count, Order order) {
  if (order == Order::kRandom) return shuffled_indices(count);
  std::vector<uint32_t> indices(count);
  std::iota(indices.begin(), indices.end(), 0u);
  if (order == Order::kReverse) std::reverse(indices.begin(), indices.end());
  return indices;
}

void batch(State &state, const Sizes &sizes, Order order) {
  std::vector<void *> slots(sizes.size());
  const std::vector<uint32_t> frees = free_order(sizes.size(), order);
  for (auto _ : state) {
    for (size_t i = 0; i < sizes.size(); ++i) slots[i] = take(sizes[i]);
    for (uint32_t index : frees) peer::release(slots[index]);
  }
  per_operation(state, sizes.size(), "ns per pair");
}

void small_batch(State &state, Order order) { batch(state, Sizes(10000, 48), order); }

BENCHMARK_CAPTURE(small_batch, ordered, Order::kSame)
    ->Name("Small blocks: 10,000 × 48 B, freed in order");
BENCHMARK_CAPTURE(small_batch, reversed, Order::kReverse)
    ->Name("Small blocks: 10,000 × 48 B, freed in reverse");
BENCHMARK_CAPTURE(small_batch, random, Order::kRandom)
    ->Name("Small blocks: 10,000 × 48 B, freed at random");

// ── Replacement ─────────────────────────────────────────────────────────────────────────────────

void replace(State &state, size_t slot_count, const Sizes &sizes) {
  std::mt19937 random(kSeed + 1);
  std::vector<uint32_t> victims(sizes.size());
  for (uint32_t &victim : victims) victim = static_cast<uint32_t>(random() % slot_count);
  std::vector<void *> slots(slot_count);
  for (size_t i = 0; i < slot_count; ++i) slots[i] = take(sizes[i]);
  for (auto _ : state) {
    for (size_t i = 0; i < sizes.size(); ++i) {
      void *&slot = slots[victims[i]];
      peer::release(slot);
      slot = take(sizes[i]);
    }
  }
  for (void *slot : slots) peer::release(slot);
  per_operation(state, sizes.size(), "ns per pair");
}

constexpr size_t kSlots = 65536;

void replace_uniform(State &state) { replace(state, kSlots, uniform_sizes(2 * kSlots, 16, 256)); }
void replace_mix(State &state) { replace(state, kSlots, interpreter_sizes(2 * kSlots)); }

BENCHMARK(replace_uniform)->Name("Small blocks: 65,536 slots, a random one replaced, 16–256 B");
BENCHMARK(replace_mix)->Name("Small blocks: 65,536 slots, a random one replaced, sizes of objects");

// ── Blocks that stay ────────────────────────────────────────────────────────────────────────────

constexpr size_t kLongLived = 10000000;
constexpr size_t kLongLivedBytes = 32;

void keep(State &state) {
  std::vector<void *> slots(kLongLived);
  const size_t before_bytes = bench::resident_bytes();
  for (auto _ : state) {
    for (void *&slot : slots) slot = take(kLongLivedBytes);
  }
  state.counters["bytes per block"] = bench::growth_per(before_bytes, kLongLived);
  per_operation(state, kLongLived, "ns per block");
}

void let_go(State &state) {
  std::vector<void *> slots(kLongLived);
  for (void *&slot : slots) slot = take(kLongLivedBytes);
  for (auto _ : state) {
    for (void *slot : slots) peer::release(slot);
  }
  per_operation(state, kLongLived, "ns per block");
}

BENCHMARK(keep)->Name("Long-lived blocks: 10M × 32 B allocated and kept")->Iterations(1);
BENCHMARK(let_go)->Name("Long-lived blocks: 10M × 32 B freed")->Iterations(1);

constexpr size_t kPhases = 4;
constexpr size_t kMostLive = 1000000;
constexpr size_t kLeastLive = kMostLive / 10;

struct Phases {
  std::vector<void *> slots = std::vector<void *>(kMostLive);
  Sizes sizes = interpreter_sizes(kMostLive);
  std::vector<uint32_t> order = shuffled_indices(kMostLive);

  void grow() {
    for (size_t i = 0; i < kMostLive; ++i) {
      if (slots[i] == nullptr) slots[i] = take(sizes[i]);
    }
  }
  // Others survive in each phase.
  void shrink(size_t phase) {
    for (size_t i = 0; i < kMostLive - kLeastLive; ++i) {
      void *&slot = slots[order[(i + phase * kLeastLive) % kMostLive]];
      peer::release(slot);
      slot = nullptr;
    }
  }
};

void grow_and_shrink(State &state) {
  Phases phases;
  const size_t before_bytes = bench::resident_bytes();
  for (auto _ : state) {
    for (size_t phase = 0; phase < kPhases; ++phase) {
      phases.grow();
      phases.shrink(phase);
    }
  }
  state.counters["bytes per block left"] = bench::growth_per(before_bytes, kLeastLive);
  per_operation(state, kPhases * (kMostLive - kLeastLive), "ns per pair");
}

void shrink_and_trim(State &state) {
  Phases phases;
  const size_t before_bytes = bench::resident_bytes();
  phases.grow();
  for (auto _ : state) {
    phases.shrink(0);
    peer::trim();
  }
  state.counters["bytes per block left"] = bench::growth_per(before_bytes, kLeastLive);
  per_operation(state, kMostLive - kLeastLive, "ns per block");
}

BENCHMARK(grow_and_shrink)
    ->Name("Long-lived blocks: 1M objects, 90 % freed at random, four times")
    ->Iterations(1);
BENCHMARK(shrink_and_trim)
    ->Name("Long-lived blocks: 90 % of 1M objects freed at random, then trimmed")
    ->Iterations(1);

// ── Growing arrays ──────────────────────────────────────────────────────────────────────────────

struct Array {
  uint64_t *items = nullptr;
  size_t length = 0, capacity = 0;
};

inline void append(Array &array, size_t spare) {
  if (array.length == array.capacity) {
    array.capacity += 1 + spare;
    array.items =
        static_cast<uint64_t *>(peer::reallocate(array.items, array.capacity * sizeof(uint64_t)));
  }
  array.items[array.length++] = array.capacity;
}

// Arrays in turn get one more item each; `share`: the part of its length that one grows by.
void append_in_turn(State &state, size_t count, size_t length, size_t share) {
  std::vector<Array> arrays(count);
  for (auto _ : state) {
    for (Array &array : arrays) array = Array{};
    for (size_t i = 0; i < length; ++i) {
      for (Array &array : arrays) append(array, array.length / share);
    }
    for (Array &array : arrays) peer::release(array.items);
  }
  per_operation(state, count * length, "ns per word");
}

constexpr size_t kNever = SIZE_MAX;

BENCHMARK_CAPTURE(append_in_turn, one, 1, 10000, kNever)
    ->Name("Growing arrays: one to 10,000 words, realloc for each word");
BENCHMARK_CAPTURE(append_in_turn, eight, 8, 10000, kNever)
    ->Name("Growing arrays: eight in turn to 10,000 words, realloc for each word");
BENCHMARK_CAPTURE(append_in_turn, lists, 64, 1000, 8)
    ->Name("Growing arrays: 64 in turn to 1,000 words, realloc by an eighth");

// ── Large blocks ────────────────────────────────────────────────────────────────────────────────

void large_at_once(State &state) {
  const Sizes sizes = log_uniform_sizes(kPairs, 257, 65536);
  for (auto _ : state) {
    for (uint32_t size : sizes) peer::release(take(size));
  }
  per_operation(state, sizes.size(), "ns per pair");
}

void large_batch(State &state) { batch(state, log_uniform_sizes(4000, 257, 4096), Order::kRandom); }

void replace_large(State &state) { replace(state, 1024, log_uniform_sizes(8192, 257, 1 << 20)); }

BENCHMARK(large_at_once)->Name("Large blocks: 257 B–64 KiB, freed at once");
BENCHMARK(large_batch)->Name("Large blocks: 4,000 × 257 B–4 KiB, freed at random");
BENCHMARK(replace_large)->Name("Large blocks: 1,024 slots, a random one replaced, 257 B–1 MiB");

}  // namespace

int main(int argc, char **argv) {
  peer::open();
  return bench::run(argc, argv, peer::kName);
}
