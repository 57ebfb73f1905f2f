// The heap limit, emergency collection, the out-of-memory callback and the heap lock.
#include <string>
#include <vector>

#include "support/host.h"

namespace loam::test {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;

bool within_limit(const Host &host) {
  loam_stats stats = host.stats();
  return stats.counted_bytes <= stats.heap_limit && stats.peak_bytes <= stats.heap_limit;
}

// Fills the heap with blocks of one size until none is left.
std::vector<void *> fill_up(Host &host, std::size_t size) {
  std::vector<void *> blocks;
  for (void *block; (block = loam_malloc(host.thread, size)) != nullptr;) blocks.push_back(block);
  return blocks;
}

void free_all(Host &host, const std::vector<void *> &blocks) {
  for (void *block : blocks) loam_free(host.thread, block);
}

TEST_CASE(
    "the limit counts blocks of every size, with their metadata, and most of it can be used") {
  const std::size_t sizes[] = {16, 40, 256, 1000, 50000};
  for (std::size_t size : sizes) {
    INFO("size: ", size);
    Host host("heap_limit=8M");
    std::vector<void *> blocks = fill_up(host, size);
    CHECK(within_limit(host));
    CHECK(blocks.size() * size >= 5 * kMiB);
    CHECK(host.stats().counted_bytes >= host.stats().metadata_bytes + blocks.size() * size);
    CHECK(host.verify());
    loam_free(host.thread, blocks.back());
    blocks.back() = loam_malloc(host.thread, size);
    CHECK(blocks.back() != nullptr);
    free_all(host, blocks);
  }
}

TEST_CASE("memory of one size, freed, serves another under the limit") {
  Host host("heap_limit=8M");
  const std::size_t sizes[] = {16, 1000, 256, 50000, 64};
  for (std::size_t size : sizes) {
    INFO("size: ", size);
    std::vector<void *> blocks = fill_up(host, size);
    CHECK(blocks.size() * size >= 5 * kMiB);
    free_all(host, blocks);
  }
  CHECK(within_limit(host));
}

TEST_CASE("external memory counts, succeeds past the limit, and asks for a collection") {
  Host host("heap_limit=8M,collect_at=safepoint");
  host.leak_ring(10);
  loam_external_add(host.thread, 16 * kMiB);
  CHECK(loam_malloc(host.thread, 100000) == nullptr);
  CHECK(loam_mem_free(host.runtime) == 0);
  CHECK(host.stats().freed_by_collector == 0);
  loam_safepoint(host.thread);
  CHECK(host.stats().freed_by_collector == 10);
  loam_external_add(host.thread, -static_cast<std::ptrdiff_t>(16 * kMiB));
  void *block = loam_malloc(host.thread, 100000);
  CHECK(block != nullptr);
  loam_free(host.thread, block);
}

TEST_CASE("past the limit by external memory no block takes more of it, and then all may be used") {
  for (std::size_t size : {std::size_t{40}, std::size_t{1000}, std::size_t{20000}}) {
    INFO("size: ", size);
    Host host("heap_limit=4M");
    std::vector<void *> blocks;
    for (int i = 0; i < 100; ++i) blocks.push_back(loam_malloc(host.thread, size));
    loam_external_add(host.thread, 5 * kMiB);
    for (void *&block : blocks) {
      loam_free(host.thread, block);
      block = nullptr;
    }
    loam_trim(host.thread);
    const std::size_t least = host.stats().counted_bytes;
    CHECK(loam_malloc(host.thread, size) == nullptr);
    CHECK(host.stats().counted_bytes == least);
    CHECK(host.verify());
    loam_external_add(host.thread, -static_cast<ptrdiff_t>(5 * kMiB));
    blocks = fill_up(host, size);
    CHECK(host.stats().counted_bytes <= 4 * kMiB - 4 * kMiB / 8);
    CHECK(blocks.size() * size >= 2 * kMiB);
    CHECK(host.verify());
    free_all(host, blocks);
  }
}

TEST_CASE("a request near SIZE_MAX does not wrap the count") {
  Host host("heap_limit=8M");
  void *used = loam_malloc(host.thread, kMiB);
  loam_external_add(host.thread, kMiB);
  std::size_t counted = host.stats().counted_bytes;
  for (std::size_t size : {SIZE_MAX, SIZE_MAX - kMiB, SIZE_MAX - counted, SIZE_MAX - counted + 1,
                           SIZE_MAX - 2 * kMiB, 8 * kMiB}) {
    CHECK(loam_malloc(host.thread, size) == nullptr);
  }
  loam_external_add(host.thread, PTRDIFF_MAX);
  loam_external_add(host.thread, PTRDIFF_MAX);
  loam_external_add(host.thread, PTRDIFF_MAX);
  CHECK(loam_malloc(host.thread, kMiB) == nullptr);
  loam_external_add(host.thread, PTRDIFF_MIN);
  loam_external_add(host.thread, PTRDIFF_MIN);
  loam_external_add(host.thread, PTRDIFF_MIN);
  loam_free(host.thread, used);
  CHECK(host.stats().external_bytes == 0);
}

// Blocks, objects and external memory in random use; the last is added only while there is room for
// it.
struct RandomHeap {
  Host host{"heap_limit=6M"};
  std::vector<void *> blocks = std::vector<void *>(3000);
  std::vector<Pair *> pairs = std::vector<Pair *>(3000);
  std::ptrdiff_t external = 0;
  std::size_t failures = 0;

  std::size_t size(Random &random) { return random.below(random.below(8) == 0 ? 100000 : 500); }

  void step(Random &random) {
    void *&block = blocks[random.below(blocks.size())];
    Pair *&pair = pairs[random.below(pairs.size())];
    switch (random.below(7)) {
      case 0:
      case 1: {
        void *moved = loam_realloc(host.thread, block, size(random));
        failures += moved == nullptr;
        if (moved != nullptr) block = moved;
        break;
      }
      case 2:
        loam_free(host.thread, block);
        block = loam_calloc(host.thread, 1, size(random));
        failures += block == nullptr;
        break;
      case 3:
      case 4: {
        Pair *fresh = static_cast<Pair *>(loam_new(host.thread, host.types.pair));
        failures += fresh == nullptr;
        if (fresh != nullptr) {
          host.set(fresh->left, pair);
          host.set(fresh->right, fresh);
        }
        loam_xdecref(host.thread, as_object(pair));
        pair = fresh;
        break;
      }
      case 5: {
        std::ptrdiff_t amount = static_cast<std::ptrdiff_t>(random.below(50000));
        if (random.below(2) == 0 && external >= amount) amount = -amount;
        loam_stats stats = host.stats();
        std::size_t budget = stats.heap_limit - stats.heap_limit / 8;
        if (amount > static_cast<std::ptrdiff_t>(budget - stats.counted_bytes)) break;
        loam_external_add(host.thread, amount);
        external += amount;
        break;
      }
      default:
        loam_free(host.thread, block);
        block = nullptr;
    }
  }

  void end() {
    free_all(host, blocks);
    for (Pair *pair : pairs) loam_xdecref(host.thread, as_object(pair));
    loam_external_add(host.thread, -external);
  }
};

TEST_CASE("a million random operations never exceed the limit") {
  std::uint64_t seed = seed_or(20240612);
  INFO("LOAM_TEST_SEED=", seed);
  Random random(seed);
  RandomHeap heap;
  for (std::size_t i = 0; i < scaled(1000000); ++i) {
    heap.step(random);
    if (i % 16 == 0) REQUIRE(within_limit(heap.host));
    if (i % 100000 == 0) REQUIRE(heap.host.verify());
  }
  CHECK(heap.failures > 0);
  CHECK(within_limit(heap.host));
  heap.end();
}

TEST_CASE("at the limit a block that shrinks does not leave its old memory waiting") {
  Host host("heap_limit=1M");
  const loam_stats empty = host.stats();
  const std::size_t budget = empty.heap_limit - empty.heap_limit / 8;
  std::vector<void *> shrinking, blocks;
  for (std::size_t size = 8192; size > 1024; size -= 1024) {
    shrinking.push_back(loam_malloc(host.thread, size));
  }
  for (std::size_t size : std::initializer_list<std::size_t>{20000, 2000, 300}) {
    const std::vector<void *> more = fill_up(host, size);
    blocks.insert(blocks.end(), more.begin(), more.end());
  }
  for (void *&block : shrinking) {
    block = loam_realloc(host.thread, block, loam_usable_size(host.runtime, block) / 2 - 1);
    REQUIRE(block != nullptr);
    CHECK(host.stats().counted_bytes <= budget);
  }
  CHECK(host.verify());
  free_all(host, shrinking);
  free_all(host, blocks);
}

TEST_CASE("at the limit garbage is collected, and what is held is spared") {
  Host host("heap_limit=4M");
  loam_collect_disable(host.thread);
  Pair *kept = host.pair(), *inner = host.pair();
  host.give(kept->left, inner);
  host.set(inner->left, kept);
  std::size_t objects = 3 * 4 * kMiB / sizeof(Pair);
  for (std::size_t i = 0; i < objects; ++i) {
    Pair *garbage = static_cast<Pair *>(loam_new(host.thread, host.types.pair));
    REQUIRE(garbage != nullptr);
    host.set(garbage->left, garbage);
    host.set(garbage->right, kept);
    host.drop(garbage);
  }
  loam_stats stats = host.stats();
  CHECK(stats.collections[LOAM_COLLECTION_EMERGENCY].pauses.count > 0);
  CHECK(stats.collections[LOAM_COLLECTION_EMERGENCY].collected > objects / 2);
  CHECK(within_limit(host));
  CHECK(kept->left == as_object(inner));
  CHECK(inner->left == as_object(kept));
  CHECK(host.verify());
  loam_collect_enable(host.thread);
  host.drop(kept);
}

TEST_CASE("loam_malloc does not collect at the limit") {
  Host host("heap_limit=4M");
  host.leak_ring(1000);
  std::vector<void *> blocks = fill_up(host, 64);
  for (int i = 0; i < 100; ++i) CHECK(loam_malloc(host.thread, 64) == nullptr);
  CHECK(host.stats().freed_by_collector == 0);
  free_all(host, blocks);
}

TEST_CASE("an emergency collection that frees nothing is not repeated for every failure") {
  Host host("heap_limit=4M");
  loam_collect_disable(host.thread);
  std::vector<Pair *> pairs;
  for (void *object; (object = loam_new(host.thread, host.types.pair)) != nullptr;) {
    pairs.push_back(static_cast<Pair *>(object));
  }
  for (int i = 0; i < 100; ++i) CHECK(loam_new(host.thread, host.types.pair) == nullptr);
  CHECK(host.stats().collections[LOAM_COLLECTION_EMERGENCY].pauses.count <= 3);
  for (Pair *pair : pairs) host.drop(pair);
  loam_collect_enable(host.thread);
}

TEST_CASE("finalizers of garbage found at the limit wait for a safepoint") {
  Host host("heap_limit=4M,collect_at=safepoint");
  std::size_t made = 0;
  for (void *object; (object = loam_new(host.thread, host.types.finalized_pair)) != nullptr;) {
    Pair *pair = static_cast<Pair *>(object);
    host.set(pair->left, pair);
    host.drop(pair);
    ++made;
    REQUIRE(host.finalized == 0);
  }
  CHECK(host.finalized == 0);
  loam_safepoint(host.thread);
  CHECK(host.finalized == made);
  CHECK(host.disposed == made);
  Pair *after = host.finalized_pair();
  host.drop(after);
}

TEST_CASE("the out-of-memory callback is called once before an allocation fails") {
  Host host("heap_limit=4M");
  std::vector<std::size_t> calls;
  bool retry = false;
  host.on_out_of_memory = [&](std::size_t bytes) {
    calls.push_back(bytes);
    return retry;
  };
  for (bool answer : {false, true}) {
    retry = answer;
    calls.clear();
    CHECK(loam_malloc(host.thread, 8 * kMiB) == nullptr);
    CHECK(loam_calloc(host.thread, 8, kMiB) == nullptr);
    CHECK(loam_new_sized(host.thread, host.types.sized, 8 * kMiB) == nullptr);
    REQUIRE(calls.size() == 3);
    for (std::size_t bytes : calls) CHECK(bytes >= 8 * kMiB);
  }
  host.on_out_of_memory = nullptr;
}

TEST_CASE("the out-of-memory callback may free, and then the allocation works") {
  for (std::size_t size : {std::size_t{64}, std::size_t{10000}}) {
    Host host("heap_limit=4M");
    std::vector<void *> ballast = fill_up(host, 20000);
    REQUIRE(ballast.size() > 100);
    std::size_t calls = 0;
    host.on_out_of_memory = [&](std::size_t) {
      ++calls;
      free_all(host, ballast);
      ballast.clear();
      return true;
    };
    std::vector<void *> blocks;
    while (calls == 0) {
      blocks.push_back(loam_malloc(host.thread, size));
      REQUIRE(blocks.back() != nullptr);
    }
    CHECK(calls == 1);
    blocks.push_back(loam_malloc(host.thread, size));
    CHECK(blocks.back() != nullptr);
    CHECK(calls == 1);
    host.on_out_of_memory = nullptr;
    free_all(host, blocks);
  }
}

TEST_CASE("the out-of-memory callback of loam_malloc may collect") {
  Host host("heap_limit=4M");
  loam_collect_disable(host.thread);
  std::size_t collected = 0;
  host.on_out_of_memory = [&](std::size_t) {
    std::size_t freed = loam_collect(host.thread);
    collected += freed;
    return freed > 0;
  };
  for (std::size_t i = 0; i < 2 * kMiB / sizeof(Pair); ++i) host.leak_ring(1);
  std::vector<void *> blocks = fill_up(host, 1000);
  CHECK(collected > 0);
  CHECK(blocks.size() * 1000 > 2 * kMiB);
  host.on_out_of_memory = nullptr;
  free_all(host, blocks);
  loam_collect_enable(host.thread);
}

TEST_CASE("the out-of-memory callback is not called from within itself") {
  Host host("heap_limit=4M");
  std::size_t calls = 0;
  host.on_out_of_memory = [&](std::size_t) {
    if (++calls > 1) return false;
    CHECK(loam_malloc(host.thread, 8 * kMiB) == nullptr);
    CHECK(loam_new_sized(host.thread, host.types.sized, 8 * kMiB) == nullptr);
    return false;
  };
  CHECK(loam_malloc(host.thread, 8 * kMiB) == nullptr);
  CHECK(calls == 1);
  host.on_out_of_memory = nullptr;
}

TEST_CASE("under the heap lock every allocation fails, also from full free lists") {
  Host host;
  Pair *pair = host.pair();
  void *block = loam_malloc(host.thread, 100);
  loam_free(host.thread, loam_malloc(host.thread, 100));
  host.drop(host.pair());
  std::size_t calls = 0;
  host.on_out_of_memory = [&](std::size_t) { return ++calls, true; };
  loam_heap_lock(host.thread);
  for (std::size_t size : {std::size_t{0}, std::size_t{100}, std::size_t{256}, std::size_t{1000}}) {
    CHECK(loam_malloc(host.thread, size) == nullptr);
    CHECK(loam_calloc(host.thread, 1, size) == nullptr);
    CHECK(loam_realloc(host.thread, nullptr, size) == nullptr);
  }
  CHECK(loam_realloc(host.thread, block, 5000) == nullptr);
  CHECK(loam_new(host.thread, host.types.pair) == nullptr);
  CHECK(loam_new(host.thread, host.types.leaf) == nullptr);
  CHECK(loam_new_sized(host.thread, host.types.sized, sized_bytes(1)) == nullptr);
  CHECK(loam_new_sized(host.thread, host.types.sized, sized_bytes(1000)) == nullptr);
  loam_weak *weak = reinterpret_cast<loam_weak *>(&host);
  CHECK(loam_weak_create(host.thread, as_object(pair), nullptr, nullptr, nullptr, &weak) ==
        LOAM_ENOMEM);
  CHECK(weak == nullptr);
  CHECK(calls == 0);
  loam_heap_unlock(host.thread);
  loam_free(host.thread, block);
  host.drop(pair);
  CHECK(host.verify());
}

TEST_CASE("under the heap lock every free works") {
  Host host;
  std::vector<void *> blocks;
  for (std::size_t i = 0; i < 5000; ++i) blocks.push_back(loam_malloc(host.thread, i));
  List *list = host.list();
  for (int i = 0; i < 1000; ++i) host.push_given(list, host.pair());
  loam_heap_lock(host.thread);
  free_all(host, blocks);
  host.drop(list);
  CHECK(host.bytes() == 0);
  CHECK(host.verify());
  loam_heap_unlock(host.thread);
}

TEST_CASE("the heap lock nests, and unlocking what is not locked does nothing") {
  Host host;
  loam_heap_unlock(host.thread);
  loam_heap_lock(host.thread);
  loam_heap_lock(host.thread);
  loam_heap_unlock(host.thread);
  CHECK(loam_malloc(host.thread, 16) == nullptr);
  loam_heap_unlock(host.thread);
  loam_heap_unlock(host.thread);
  void *block = loam_malloc(host.thread, 16);
  CHECK(block != nullptr);
  loam_free(host.thread, block);
  host.drop(host.pair());
}

TEST_CASE("under the heap lock nothing collects, and finalizers wait") {
  Host host;
  Pair *pair = host.finalized_pair();
  host.leak_ring(5);
  loam_heap_lock(host.thread);
  CHECK(host.collect() == 0);
  CHECK(loam_collect_young(host.thread) == 0);
  loam_collect_request(host.runtime);
  loam_safepoint(host.thread);
  host.drop(pair);
  loam_safepoint(host.thread);
  CHECK(host.finalized == 0);
  CHECK(host.disposed == 0);
  CHECK(host.stats().freed_by_collector == 0);
  loam_heap_unlock(host.thread);
  loam_safepoint(host.thread);
  CHECK(host.finalized == 1);
  CHECK(host.disposed == 1);
  host.collect();
  CHECK(host.stats().freed_by_collector == 5);
}

}  // namespace
}  // namespace loam::test
