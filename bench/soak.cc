// Does a heap that is used at random for long stay whole, and as small as it was?
//
//   soak [SECONDS [SEED]]      1800 seconds; the seed is printed, and replays the operations
//
// Phases that grow, shrink and churn mix plain memory, objects in rings and chains, realloc across
// sizes, large blocks, collections and trims. The content of every block is checked when it is let
// go. Each minute prints the resident size. At the end loam_verify must find nothing, nothing may
// be in use once all is let go, and a heap that was filled, half of it freed at random, collected
// and trimmed must take no more than it took for the same after the first minute, to a tenth: all
// that is resident, once all that is in use is. How much that is depends on what went before, so
// three times are taken, some phases apart.
#include <loam/loam.h>

#include <algorithm>
#include <chrono>
#include <cinttypes>
#include <cstdlib>
#include <cstring>
#include <random>
#include <vector>

#include "resident.h"

namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kMostBlocks = 50000;
constexpr size_t kMostRings = 50000;
constexpr size_t kMostBytes = size_t{16} << 20;  // of a block that is made
constexpr size_t kCheckedBytes = 64;             // at each end of a block

struct Ring {
  loam_object base;
  Ring *next;
  loam_object *payload;
  uint64_t check;
};

struct Block {
  unsigned char *bytes;
  size_t size;
  unsigned char fill;
};

[[noreturn]] void fail(const char *what) {
  std::fprintf(stderr, "soak: %s\n", what);
  std::exit(1);
}

class Soak {
 public:
  explicit Soak(uint64_t seed) : random_(seed) {
    if (loam_runtime_create(nullptr, &runtime_) != LOAM_OK) fail("loam_runtime_create");
    thread_ = loam_runtime_main_thread(runtime_);
    static constexpr uint16_t kRefs[] = {offsetof(Ring, next), offsetof(Ring, payload)};
    loam_type_spec spec{};
    spec.struct_size = sizeof spec;
    spec.name = "ring";
    spec.instance_size = sizeof(Ring);
    spec.ref_offsets = kRefs;
    spec.ref_count = 2;
    if (loam_type_register(runtime_, &spec, &ring_) != LOAM_OK) fail("registering ring");
    spec.name = "text";
    spec.instance_size = 0;
    spec.ref_offsets = nullptr;
    spec.ref_count = 0;
    if (loam_type_register(runtime_, &spec, &text_) != LOAM_OK) fail("registering text");
  }
  Soak(const Soak &) = delete;
  Soak &operator=(const Soak &) = delete;
  ~Soak() { loam_runtime_destroy(runtime_); }

  void new_phase() { allocate_percent_ = 20 + below(61); }

  void step() {
    const bool allocate = below(100) < allocate_percent_;
    switch (below(16)) {
      case 0:
        resize();
        break;
      case 1:
      case 2:
      case 3:
      case 4:
      case 5:
      case 6:
        allocate ? make_ring() : drop_ring();
        break;
      default:
        allocate ? make_block() : drop_block();
    }
    loam_safepoint(thread_);
    if (below(3000000) == 0) loam_collect(thread_);
    if (below(300000) == 0) loam_collect_young(thread_);
    if (below(1000000) == 0) loam_trim(thread_);
    if (below(3000000) == 0) verify(1);
  }

  // Resident bytes for each in use, always with as many blocks and in the same way fragmented.
  double overhead() {
    while (blocks_.size() < kMostBlocks) make_block();
    while (rings_.size() < kMostRings) make_ring();
    while (blocks_.size() > kMostBlocks / 2) drop_block();
    while (rings_.size() > kMostRings / 2) drop_ring();
    loam_collect(thread_);
    loam_trim(thread_);
    for (const Block &block : blocks_) touch(block);
    return static_cast<double>(bench::resident_bytes()) / static_cast<double>(in_use_bytes());
  }

  void let_go_of_all() {
    while (!blocks_.empty()) drop_block();
    while (!rings_.empty()) drop_ring();
    loam_collect(thread_);
    if (in_use_bytes() != 0) fail("something is in use when all was let go");
  }

  void verify(unsigned level) {
    if (loam_verify(runtime_, level) != LOAM_OK) fail("loam_verify");
  }

  size_t in_use_bytes() const { return loam_mem_alloc(runtime_); }

 private:
  uint64_t below(uint64_t bound) { return random_() % bound; }

  size_t random_size() {
    const uint64_t kind = below(10000);
    if (kind < 9000) return 1 + below(256);
    if (kind < 9950) return 257 + below(8192);
    return 1 + below(kind < 9999 ? 1 << 20 : kMostBytes);
  }

  void fill(Block &block) {
    const size_t ends = std::min(block.size, kCheckedBytes);
    std::memset(block.bytes, block.fill, ends);
    std::memset(block.bytes + block.size - ends, block.fill, ends);
  }

  // Else most of a long block would be in use, but not resident.
  static void touch(const Block &block) {
    constexpr size_t kPageBytes = 4096;
    for (size_t at = 0; at < block.size; at += kPageBytes) {
      volatile unsigned char *const byte = block.bytes + at;
      *byte = *byte;
    }
  }

  void check_range(const Block &block, size_t first, size_t count) {
    for (size_t i = first; i < first + count; ++i) {
      if (block.bytes[i] != block.fill) fail("a block does not hold what was written to it");
    }
  }

  void check(const Block &block) {
    const size_t ends = std::min(block.size, kCheckedBytes);
    check_range(block, 0, ends);
    check_range(block, block.size - ends, ends);
  }

  void make_block() {
    if (blocks_.size() == kMostBlocks) return;
    Block block{nullptr, random_size(), static_cast<unsigned char>(below(256))};
    block.bytes = static_cast<unsigned char *>(loam_malloc(thread_, block.size));
    if (block.bytes == nullptr) fail("loam_malloc");
    fill(block);
    blocks_.push_back(block);
  }

  void drop_block() {
    if (blocks_.empty()) return;
    Block &block = blocks_[below(blocks_.size())];
    check(block);
    if (below(2) == 0) {
      loam_free(thread_, block.bytes);
    } else {
      loam_free_sized(thread_, block.bytes, block.size);
    }
    block = blocks_.back();
    blocks_.pop_back();
  }

  void resize() {
    if (blocks_.empty()) return;
    Block &block = blocks_[below(blocks_.size())];
    check(block);
    // What is long stays so for a while: from one long size to another is a way of its own.
    const bool long_again = block.size > 1 << 20 && block.size < kMostBytes;
    const size_t size = long_again ? 1 + below(2 * block.size) : random_size();
    auto *moved = static_cast<unsigned char *>(loam_realloc(thread_, block.bytes, size));
    if (moved == nullptr) fail("loam_realloc");
    block.bytes = moved;
    check_range(block, 0, std::min({block.size, size, kCheckedBytes}));
    block.size = size;
    fill(block);
  }

  // One in four is closed to a ring, so that only the collector can free it; some of the others
  // hang from a ring that lives.
  void make_ring() {
    if (rings_.size() == kMostRings) return;
    Ring *first = new_ring(nullptr), *last = first;
    for (uint64_t more = below(8); more > 0; --more) last = last->next = new_ring(nullptr);
    if (below(4) == 0) {
      loam_incref(thread_, &first->base);
      last->next = first;
    } else if (!rings_.empty() && below(2) == 0) {
      Ring *holder = rings_[below(rings_.size())];
      loam_incref(thread_, &first->base);
      loam_object *before = holder->payload;
      holder->payload = &first->base;
      loam_xdecref(thread_, before);
    }
    rings_.push_back(first);
  }

  Ring *new_ring(Ring *next) {
    auto *ring = static_cast<Ring *>(loam_new(thread_, ring_));
    if (ring == nullptr) fail("loam_new");
    if (ring->next != nullptr || ring->payload != nullptr || ring->check != 0) fail("not zeroed");
    ring->next = next;
    ring->check = reinterpret_cast<uintptr_t>(ring);
    if (below(3) == 0) {
      const size_t size = sizeof(loam_object) + 1 + below(600);
      ring->payload = static_cast<loam_object *>(loam_new_sized(thread_, text_, size));
      if (ring->payload == nullptr) fail("loam_new_sized");
    }
    return ring;
  }

  void drop_ring() {
    if (rings_.empty()) return;
    Ring *&slot = rings_[below(rings_.size())];
    Ring *ring = slot;
    slot = rings_.back();
    rings_.pop_back();
    if (ring->check != reinterpret_cast<uintptr_t>(ring)) fail("an object was overwritten");
    loam_decref(thread_, &ring->base);
  }

  std::mt19937_64 random_;
  loam_runtime *runtime_ = nullptr;
  loam_thread *thread_ = nullptr;
  loam_type *ring_ = nullptr, *text_ = nullptr;
  uint64_t allocate_percent_ = 50;
  std::vector<Block> blocks_;
  std::vector<Ring *> rings_;  // one reference each
};

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void print_state(const Soak &soak, double seconds, uint64_t steps) {
  constexpr double kMiB = 1 << 20;
  std::printf("%7.0f s  %12" PRIu64 " operations  %8.1f MiB in use  %8.1f MiB resident\n", seconds,
              steps, static_cast<double>(soak.in_use_bytes()) / kMiB,
              static_cast<double>(bench::resident_bytes()) / kMiB);
  std::fflush(stdout);
}

void run_phase(Soak &soak, uint64_t *steps) {
  constexpr int kSteps = 500000;
  soak.new_phase();
  for (int i = 0; i < kSteps; ++i) soak.step();
  *steps += kSteps;
}

std::vector<double> overheads(Soak &soak, uint64_t *steps) {
  std::vector<double> samples;
  while (samples.size() < 3) {
    for (int phase = 0; phase < 4; ++phase) run_phase(soak, steps);
    samples.push_back(soak.overhead());
  }
  return samples;
}

// Until `seconds` after `start`.
void soak_until(Soak &soak, Clock::time_point start, double seconds, uint64_t *steps) {
  double next_print_s = seconds_since(start) + 60;
  while (seconds_since(start) < seconds) {
    run_phase(soak, steps);
    if (seconds_since(start) < next_print_s) continue;
    print_state(soak, seconds_since(start), *steps);
    next_print_s += 60;
  }
}

}  // namespace

int main(int argc, char **argv) {
  const double seconds = argc > 1 ? std::atof(argv[1]) : 1800;
  const uint64_t seed = argc > 2 ? std::strtoull(argv[2], nullptr, 0) : std::random_device{}();
  if (seconds <= 0) fail("usage: soak [SECONDS [SEED]]");
  std::printf("soak %g %" PRIu64 "\n", seconds, seed);

  const Clock::time_point start = Clock::now();
  uint64_t steps = 0;
  Soak soak(seed);
  soak_until(soak, start, std::min(60.0, seconds / 10), &steps);
  print_state(soak, seconds_since(start), steps);
  const std::vector<double> early = overheads(soak, &steps);
  soak_until(soak, start, seconds, &steps);
  print_state(soak, seconds_since(start), steps);
  soak.verify(2);
  const std::vector<double> late = overheads(soak, &steps);
  soak.verify(2);
  soak.let_go_of_all();
  soak.verify(2);
  const double most_early = *std::max_element(early.begin(), early.end());
  const double least_late = *std::min_element(late.begin(), late.end());
  std::printf("resident bytes for each in use: up to %.3f early, at least %.3f at the end\n",
              most_early, least_late);
  if (least_late > 1.1 * most_early) fail("the resident size grew");
  std::printf("loam_verify found nothing\n");
}
