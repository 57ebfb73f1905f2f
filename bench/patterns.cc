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
#include "warm.h"

namespace {

using bench::per_operation;
using benchmark::State;
using peer::Heap;

constexpr unsigned kSeed = 12345;

inline void *take(Heap heap, size_t bytes) {
  void *block = bench::opaque(heap.allocate(bytes));
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

// The size is a constant, as that of a type is where an interpreter makes one of it. One pair is an
// iteration: a processor learns that a load reads what the last iteration stored, and forgets it
// when an inner loop ends.
template <size_t kBytes>
void free_at_once(State &state, Heap heap) {
  for (auto _ : state) heap.release(take(heap, kBytes));
  per_operation(state, 1, "ns per pair");
}

void free_sized_at_once(State &state, Heap heap) {
  for (auto _ : state) heap.release_sized(take(heap, 48), 48);
  per_operation(state, 1, "ns per pair");
}

enum class Order { kSame, kReverse, kRandom };

std::vector<uint32_t> free_order(size_t count, Order order) {
  if (order == Order::kRandom) return shuffled_indices(count);
  std::vector<uint32_t> indices(count);
  std::iota(indices.begin(), indices.end(), 0u);
  if (order == Order::kReverse) std::reverse(indices.begin(), indices.end());
  return indices;
}

// `size_of(i)`: bytes of the i-th block, a constant where it can be.
template <typename SizeOf>
void batch(State &state, Heap heap, size_t count, Order order, SizeOf size_of) {
  std::vector<void *> slots(count);
  const std::vector<uint32_t> frees = free_order(count, order);
  for (auto _ : state) {
    for (size_t i = 0; i < count; ++i) slots[i] = take(heap, size_of(i));
    for (uint32_t index : frees) heap.release(slots[index]);
  }
  per_operation(state, count, "ns per pair");
}

void small_batch(State &state, Heap heap, Order order) {
  batch(state, heap, 10000, order, [](size_t) { return size_t{48}; });
}

// ── Replacement ─────────────────────────────────────────────────────────────────────────────────

void replace(State &state, Heap heap, size_t slot_count, const Sizes &sizes) {
  std::mt19937 random(kSeed + 1);
  std::vector<uint32_t> victims(sizes.size());
  for (uint32_t &victim : victims) victim = static_cast<uint32_t>(random() % slot_count);
  std::vector<void *> slots(slot_count);
  for (size_t i = 0; i < slot_count; ++i) slots[i] = take(heap, sizes[i]);
  for (auto _ : state) {
    for (size_t i = 0; i < sizes.size(); ++i) {
      void *&slot = slots[victims[i]];
      heap.release(slot);
      slot = take(heap, sizes[i]);
    }
  }
  for (void *slot : slots) heap.release(slot);
  per_operation(state, sizes.size(), "ns per pair");
}

constexpr size_t kSlots = 65536;

void replace_uniform(State &state, Heap heap) {
  replace(state, heap, kSlots, uniform_sizes(2 * kSlots, 16, 256));
}
void replace_mix(State &state, Heap heap) {
  replace(state, heap, kSlots, interpreter_sizes(2 * kSlots));
}

// ── Blocks that stay ────────────────────────────────────────────────────────────────────────────

constexpr size_t kLongLived = 10000000;
constexpr size_t kLongLivedBytes = 32;
constexpr size_t kMostBytes = size_t{768} << 20;  // that any of these patterns has in use

void keep(State &state, Heap heap) {
  bench::warm_memory(kMostBytes);
  std::vector<void *> slots(kLongLived);
  const size_t before_bytes = bench::resident_bytes();
  for (auto _ : state) {
    for (void *&slot : slots) slot = take(heap, kLongLivedBytes);
  }
  state.counters["bytes per block"] = bench::growth_per(before_bytes, kLongLived);
  per_operation(state, kLongLived, "ns per block");
}

void let_go(State &state, Heap heap) {
  bench::warm_memory(kMostBytes);
  std::vector<void *> slots(kLongLived);
  for (void *&slot : slots) slot = take(heap, kLongLivedBytes);
  for (auto _ : state) {
    for (void *slot : slots) heap.release(slot);
  }
  per_operation(state, kLongLived, "ns per block");
}

// Objects of which nine in ten are freed, in no order.
struct Phases {
  std::vector<void *> slots;
  Sizes sizes;
  std::vector<uint32_t> order;
  size_t left;

  explicit Phases(size_t most)
      : slots(most),
        sizes(interpreter_sizes(most)),
        order(shuffled_indices(most)),
        left(most / 10) {}

  size_t freed() const { return slots.size() - left; }

  void grow(Heap heap) {
    for (size_t i = 0; i < slots.size(); ++i) {
      if (slots[i] == nullptr) slots[i] = take(heap, sizes[i]);
    }
  }
  // Others survive in each phase.
  void shrink(Heap heap, size_t phase) {
    for (size_t i = 0; i < freed(); ++i) {
      void *&slot = slots[order[(i + phase * left) % order.size()]];
      heap.release(slot);
      slot = nullptr;
    }
  }

  size_t live_bytes() const {
    size_t bytes = 0;
    for (size_t i = 0; i < slots.size(); ++i) bytes += slots[i] == nullptr ? 0 : sizes[i];
    return bytes;
  }
};

void grow_and_shrink(State &state, Heap heap) {
  bench::warm_memory(kMostBytes);
  constexpr size_t kPhases = 4;
  Phases phases(1000000);
  const size_t before_bytes = bench::resident_bytes();
  for (auto _ : state) {
    for (size_t phase = 0; phase < kPhases; ++phase) {
      phases.grow(heap);
      phases.shrink(heap, phase);
    }
  }
  state.counters["bytes per block left"] = bench::growth_per(before_bytes, phases.left);
  per_operation(state, kPhases * phases.freed(), "ns per pair");
}

// The survivors are strewn over all that the heap once was: what can an allocator give back?
void shrink_and_trim(State &state, Heap heap) {
  bench::warm_memory(kMostBytes);
  Phases phases(4000000);
  const size_t before_bytes = bench::resident_bytes();
  phases.grow(heap);
  for (auto _ : state) phases.shrink(heap, 0);
  per_operation(state, phases.freed(), "ns per free");
  const size_t live_bytes = phases.live_bytes();
  state.counters["bytes per live byte"] = bench::growth_per(before_bytes, live_bytes);
  heap.trim();
  state.counters["bytes per live byte, trimmed"] = bench::growth_per(before_bytes, live_bytes);
}

// ── Growing arrays ──────────────────────────────────────────────────────────────────────────────

struct Array {
  uint64_t *items = nullptr;
  size_t length = 0, capacity = 0;
};

inline void append(Heap heap, Array &array, size_t spare) {
  if (array.length == array.capacity) {
    array.capacity += 1 + spare;
    array.items =
        static_cast<uint64_t *>(heap.reallocate(array.items, array.capacity * sizeof(uint64_t)));
  }
  array.items[array.length++] = array.capacity;
}

// Arrays in turn get one more item each; `share`: the part of its length that one grows by.
void append_in_turn(State &state, Heap heap, size_t count, size_t length, size_t share) {
  std::vector<Array> arrays(count);
  for (auto _ : state) {
    for (Array &array : arrays) array = Array{};
    for (size_t i = 0; i < length; ++i) {
      for (Array &array : arrays) append(heap, array, array.length / share);
    }
    for (Array &array : arrays) heap.release(array.items);
  }
  per_operation(state, count * length, "ns per word");
}

constexpr size_t kNever = SIZE_MAX;

// ── Large blocks ────────────────────────────────────────────────────────────────────────────────

void large_at_once(State &state, Heap heap) {
  const Sizes sizes = log_uniform_sizes(1000, 257, 65536);
  for (auto _ : state) {
    for (uint32_t size : sizes) heap.release(take(heap, size));
  }
  per_operation(state, sizes.size(), "ns per pair");
}

void large_batch(State &state, Heap heap) {
  const Sizes sizes = log_uniform_sizes(4000, 257, 4096);
  batch(state, heap, sizes.size(), Order::kRandom, [&](size_t i) { return sizes[i]; });
}

void replace_large(State &state, Heap heap) {
  replace(state, heap, 1024, log_uniform_sizes(8192, 257, 1 << 20));
}

// ── All of them ─────────────────────────────────────────────────────────────────────────────────

template <typename Function, typename... Arguments>
benchmark::internal::Benchmark *add(const char *name, Function *function, Arguments... arguments) {
  return benchmark::RegisterBenchmark(name, function, arguments...);
}

template <typename Function, typename... Arguments>
void once(const char *name, Function *function, Arguments... arguments) {
  add(name, function, arguments...)->Iterations(1);
}

void register_all(Heap heap) {
  add("Small blocks: 16 B, freed at once", free_at_once<16>, heap);
  add("Small blocks: 48 B, freed at once", free_at_once<48>, heap);
  add("Small blocks: 256 B, freed at once", free_at_once<256>, heap);
  add("Small blocks: 48 B, freed at once by address and size", free_sized_at_once, heap);
  add("Small blocks: 10,000 × 48 B, freed in order", small_batch, heap, Order::kSame);
  add("Small blocks: 10,000 × 48 B, freed in reverse", small_batch, heap, Order::kReverse);
  add("Small blocks: 10,000 × 48 B, freed at random", small_batch, heap, Order::kRandom);
  add("Small blocks: 65,536 slots, a random one replaced, 16–256 B", replace_uniform, heap);
  add("Small blocks: 65,536 slots, a random one replaced, sizes of objects", replace_mix, heap);

  once("Long-lived blocks: 10M × 32 B allocated and kept", keep, heap);
  once("Long-lived blocks: 1M objects, 90 % freed at random, four times", grow_and_shrink, heap);
  once("Long-lived blocks: 90 % of 4M objects freed at random, then trimmed", shrink_and_trim,
       heap);
  once("Long-lived blocks: 10M × 32 B freed", let_go, heap);

  add("Growing arrays: one to 10,000 words, realloc for each word", append_in_turn, heap, 1, 10000,
      kNever);
  add("Growing arrays: eight in turn to 10,000 words, realloc for each word", append_in_turn, heap,
      8, 10000, kNever);
  add("Growing arrays: 64 in turn to 1,000 words, realloc by an eighth", append_in_turn, heap, 64,
      1000, 8);
  add("Growing arrays: one to 8M words, realloc by an eighth", append_in_turn, heap, 1, 8388608, 8);

  add("Large blocks: 257 B–64 KiB, freed at once", large_at_once, heap);
  add("Large blocks: 4,000 × 257 B–4 KiB, freed at random", large_batch, heap);
  add("Large blocks: 1,024 slots, a random one replaced, 257 B–1 MiB", replace_large, heap);
}

}  // namespace

int main(int argc, char **argv) {
  register_all(Heap::open());
  return bench::run(argc, argv, peer::kName);
}
