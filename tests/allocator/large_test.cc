// Blocks of more than 256 bytes: the map of where they start against a std::map, their size
// classes, and those that wait for the next of their size.
#include "allocator/large.h"

#include <doctest/doctest.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <random>
#include <vector>

#include "allocator/start_map.h"
#include "runtime/runtime.h"
#include "support/host.h"
#include "support/resident.h"
#include "support/scale.h"

namespace loam::test {
namespace {

using alloc::StartMap;

const void *at(uintptr_t address) { return reinterpret_cast<const void *>(address); }

constexpr unsigned kSeed = 20261;

// Addresses of blocks that lie side by side in a few regions far apart, each longer than 256 bytes.
std::vector<uintptr_t> starts_of_blocks(std::mt19937 &random) {
  std::vector<uintptr_t> starts;
  for (uintptr_t first : {uintptr_t{1} << 33, (uintptr_t{1} << 33) + (uintptr_t{7} << 25),
                          uintptr_t{5} << 40, uintptr_t{16}}) {
    for (uintptr_t address = first; address < first + (uintptr_t{3} << 20);) {
      starts.push_back(address);
      address += 272 + random() % 40 * 16;
    }
  }
  return starts;
}

TEST_CASE("the map of starts agrees with a std::map") {
  INFO("seed: ", kSeed);
  std::mt19937 random(kSeed);
  const std::vector<uintptr_t> starts = starts_of_blocks(random);
  StartMap map;
  std::map<uintptr_t, unsigned> oracle;
  int found_near = 0, found_far = 0;  // three of the regions have the same first place
  for (int step = 0; step < 200000; ++step) {
    const uintptr_t start = starts[random() % starts.size()];
    const unsigned expected = oracle.count(start) != 0 ? oracle[start] : 0;
    REQUIRE(map.find(at(start)) == expected);
    REQUIRE(map.find(at(start + 16)) == 0);
    REQUIRE(map.find(at(start + 1)) == 0);
    REQUIRE(map.find_near(at(start + 16)) == 0);
    REQUIRE(map.erase_near(at(start + 16)) == 0);
    if (expected != 0) {
      const bool asks = random() % 2 == 0;
      const unsigned found = map.find_near(at(start));
      const unsigned near = asks ? map.erase_near(at(start)) : 0;
      if (asks) REQUIRE(near == found);
      REQUIRE((near == 0 || near == expected));
      if (asks) ++(near == 0 ? found_far : found_near);
      const unsigned left = near == 0 ? expected : 0;
      REQUIRE(map.find(at(start)) == left);
      REQUIRE(map.erase(at(start)) == left);
      REQUIRE(map.find(at(start)) == 0);
      oracle.erase(start);
    } else {
      REQUIRE(map.erase(at(start)) == 0);
      oracle[start] = static_cast<unsigned>(1 + random() % 255);
      if (!map.insert_near(at(start), oracle[start])) REQUIRE(map.insert(at(start), oracle[start]));
    }
    if (step % 20000 == 0) map.trim();
  }
  CHECK(found_near > 20000);
  CHECK(found_far > 20000);
  std::map<uintptr_t, unsigned> seen;
  map.each([&](void *block) { seen[reinterpret_cast<uintptr_t>(block)] = map.find(block); });
  CHECK(seen == oracle);
  map.close();
  CHECK(map.find(at(starts[0])) == 0);
}

TEST_CASE("the map of starts holds blocks of many regions, and forgets regions without any") {
  constexpr uintptr_t kRegions = 1000, kRegionBytes = uintptr_t{1} << 25;
  const auto code_of = [](uintptr_t i) { return static_cast<unsigned>(1 + i % 255); };
  StartMap map;
  for (uintptr_t i = 1; i <= kRegions; ++i) {
    REQUIRE(map.insert(at(i * i * kRegionBytes), code_of(i)));
    map.set_long_bytes(at(i * i * kRegionBytes), StartMap::kLongBytes + i);
  }
  for (uintptr_t i = 2; i <= kRegions; i += 2)
    CHECK(map.erase(at(i * i * kRegionBytes)) == code_of(i));
  map.trim();
  int found_near = 0;
  for (uintptr_t i = 1; i <= kRegions; ++i) {
    CHECK(map.find(at(i * i * kRegionBytes)) == (i % 2 != 0 ? code_of(i) : 0));
    if (i % 2 == 0) continue;
    CHECK(map.long_bytes(at(i * i * kRegionBytes)) == StartMap::kLongBytes + i);
    if (map.find_near(at(i * i * kRegionBytes)) == 0) continue;
    CHECK(map.long_bytes_near(at(i * i * kRegionBytes)) == StartMap::kLongBytes + i);
    ++found_near;
  }
  CHECK(found_near > 100);
  map.close();
}

TEST_CASE("the class of a large block is the least that holds it") {
  CHECK(alloc::large_class_bytes(0) == 320);
  CHECK(alloc::large_class_bytes(alloc::kLargeClasses - 1) == StartMap::kLongBytes);
  for (size_t size = LOAM_MAX_BLOCK + 1; size <= StartMap::kLongBytes; ++size) {
    const unsigned id = alloc::large_class_of(size);
    REQUIRE(id < alloc::kLargeClasses);
    REQUIRE(alloc::large_class_bytes(id) >= size);
    REQUIRE((id == 0 || alloc::large_class_bytes(id - 1) < size));
  }
}

struct Block {
  unsigned char *bytes;
  size_t size;
  unsigned char fill;

  bool keeps(size_t length) const {
    return std::all_of(bytes, bytes + length, [this](unsigned char at) { return at == fill; });
  }
};

TEST_CASE("large blocks keep their content, and the sums are exact, in a random order") {
  INFO("seed: ", kSeed);
  Host host;
  std::mt19937 random(kSeed);
  std::vector<Block> blocks(300);
  const loam_stats before = host.stats();
  size_t live = 0, count = 0;
  const auto forget = [&](Block &block) {
    live -= loam_usable_size(host.runtime, block.bytes);
    --count;
  };
  for (int step = 0; step < 60000; ++step) {
    Block &block = blocks[random() % blocks.size()];
    if (block.bytes != nullptr) REQUIRE(block.keeps(block.size));
    const size_t size = 257 + random() % (step % 50 == 0 ? 400000 : step % 8 == 0 ? 40000 : 6000);
    const bool moves = block.bytes != nullptr && random() % 3 == 0;
    if (block.bytes != nullptr) forget(block);
    if (moves) {
      block.bytes = static_cast<unsigned char *>(loam_realloc(host.thread, block.bytes, size));
      REQUIRE(block.bytes != nullptr);
      REQUIRE(block.keeps(std::min(size, block.size)));
    } else if (block.bytes != nullptr) {
      loam_free(host.thread, block.bytes);
      block.bytes = nullptr;
      continue;
    } else if (random() % 2 == 0) {
      block.bytes = static_cast<unsigned char *>(loam_calloc(host.thread, 1, size));
      REQUIRE(block.bytes != nullptr);
      REQUIRE(
          std::all_of(block.bytes, block.bytes + size, [](unsigned char at) { return at == 0; }));
    } else {
      block.bytes = static_cast<unsigned char *>(loam_malloc(host.thread, size));
      REQUIRE(block.bytes != nullptr);
    }
    block.size = size;
    block.fill = static_cast<unsigned char>(random());
    REQUIRE(loam_usable_size(host.runtime, block.bytes) >= size);
    std::memset(block.bytes, block.fill, size);
    live += loam_usable_size(host.runtime, block.bytes);
    ++count;
    const loam_stats stats = host.stats();
    REQUIRE(stats.large_bytes - before.large_bytes == live);
    REQUIRE(stats.large_blocks - before.large_blocks == count);
    REQUIRE(stats.peak_bytes >= stats.counted_bytes);
  }
  CHECK(loam_verify(host.runtime, 2) == LOAM_OK);
  loam_trim(host.thread);
  CHECK(loam_verify(host.runtime, 2) == LOAM_OK);
  for (Block &block : blocks) loam_free(host.thread, block.bytes);
  CHECK(host.stats().large_bytes == before.large_bytes);
}

TEST_CASE("large blocks that wait are given up when the limit wants their room") {
  Host host("heap_limit=1M");
  std::vector<void *> blocks;
  const auto fill = [&](size_t size) {
    while (void *block = loam_malloc(host.thread, size)) blocks.push_back(block);
    const size_t count = blocks.size();
    for (void *block : blocks) loam_free(host.thread, block);
    blocks.clear();
    return count;
  };
  const size_t count = fill(3000);
  CHECK(count > 100);
  CHECK(fill(10000) * 12288 + 12288 > count * 3072);
  CHECK(fill(3000) == count);
  CHECK(host.stats().large_bytes == 0);
}

TEST_CASE("a long block is counted as it was asked for, and grows in place to a power of two") {
  if (base::SystemHeap().is_watched()) return;  // there a block is as long as was asked
  Host host;
  std::vector<void *> blocks;
  for (size_t size : {size_t{8193}, size_t{17000}, size_t{40000}, size_t{70000}}) {
    auto *block = static_cast<unsigned char *>(loam_malloc(host.thread, size));
    REQUIRE(block != nullptr);
    const size_t counted = host.stats().large_bytes;
    const size_t asked = (size + 4095) / 4096 * 4096;
    CHECK(loam_usable_size(host.runtime, block) == asked);
    CHECK(loam_good_size(size) == asked);
    std::memset(block, 0x5a, size);
    size_t slot = 16384;
    while (slot < size) slot *= 2;
    CHECK(loam_realloc(host.thread, block, slot) == block);
    CHECK(loam_usable_size(host.runtime, block) == slot);
    CHECK(host.stats().large_bytes == counted + slot - asked);
    CHECK(std::all_of(block, block + size, [](unsigned char at) { return at == 0x5a; }));
    blocks.push_back(block);
  }
  CHECK(loam_verify(host.runtime, 2) == LOAM_OK);
  for (void *block : blocks) loam_free(host.thread, block);
  CHECK(host.stats().large_bytes == 0);
}

TEST_CASE("the last of a slot serves a block that asks for a little more") {
  if (base::SystemHeap().is_watched()) return;
  Host host;
  for (size_t slot : {size_t{32768}, size_t{65536}, size_t{131072}}) {
    void *block = loam_malloc(host.thread, slot - 3 * 4096);
    REQUIRE(block != nullptr);
    for (size_t size = slot - 2 * 4096; size <= slot; size += 4096) {
      CHECK(loam_realloc(host.thread, block, size) == block);
    }
    CHECK(loam_usable_size(host.runtime, block) == slot);
    block = loam_realloc(host.thread, block, slot + 1);
    REQUIRE(block != nullptr);
    CHECK(loam_usable_size(host.runtime, block) > slot);
    loam_free(host.thread, block);
  }
}

TEST_CASE("what a long block gains in place is bounded by the limit, and counts as handed out") {
  if (base::SystemHeap().is_watched()) return;
  Host host("heap_limit=2M");
  const alloc::Heap &heap = host.runtime->heap;
  void *block = loam_malloc(host.thread, 36864);
  REQUIRE(block != nullptr);
  const uint64_t before = heap.gross_bytes();
  CHECK(loam_realloc(host.thread, block, 40960) == block);
  CHECK(heap.gross_bytes() == before + loam_usable_size(host.runtime, block) - 36864);
  const size_t bytes = loam_usable_size(host.runtime, block);
  std::vector<void *> others;
  while (void *other = loam_malloc(host.thread, 8192)) others.push_back(other);
  CHECK(others.size() > 100);
  const loam_stats full = host.stats();
  CHECK(loam_realloc(host.thread, block, 65536) == nullptr);
  CHECK(loam_usable_size(host.runtime, block) == bytes);
  CHECK(host.stats().counted_bytes == full.counted_bytes);
  for (int i = 0; i < 4; ++i) {
    loam_free(host.thread, others.back());
    others.pop_back();
  }
  CHECK(loam_realloc(host.thread, block, 65536) == block);
  CHECK(host.stats().peak_bytes <= full.heap_limit);
  CHECK(loam_verify(host.runtime, 2) == LOAM_OK);
  for (void *other : others) loam_free(host.thread, other);
  loam_free(host.thread, block);
}

TEST_CASE("under the heap lock a long block keeps what it counts") {
  Host host;
  void *const block = loam_malloc(host.thread, 36864);
  REQUIRE(block != nullptr);
  const size_t bytes = loam_usable_size(host.runtime, block);
  const loam_stats before = host.stats();
  loam_heap_lock(host.thread);
  CHECK(loam_realloc(host.thread, block, 65536) == nullptr);
  CHECK(loam_realloc(host.thread, block, bytes) == block);
  CHECK(loam_malloc(host.thread, 1000) == nullptr);
  CHECK(loam_malloc(host.thread, 100000) == nullptr);
  loam_heap_unlock(host.thread);
  CHECK(loam_usable_size(host.runtime, block) == bytes);
  CHECK(host.stats().large_bytes == before.large_bytes);
  CHECK(host.stats().failed_allocations > before.failed_allocations);
  void *const other = loam_malloc(host.thread, 1000);
  CHECK(other != nullptr);
  loam_free(host.thread, other);
  loam_free(host.thread, block);
}

TEST_CASE("a good size is what a block has, and asking for it leaves the block in its place") {
  Host host;
  for (size_t size = 257; size < 300000; size += 1 + size / 23) {
    void *const block = loam_malloc(host.thread, size);
    REQUIRE(block != nullptr);
    const size_t good = loam_good_size(size);
    if (!base::SystemHeap().is_watched()) CHECK(loam_usable_size(host.runtime, block) == good);
    CHECK(loam_realloc(host.thread, block, good) == block);
    loam_free(host.thread, block);
  }
}

TEST_CASE("beyond 128 KiB the source is asked for what a block counts") {
  const base::SystemHeap source;
  if (source.is_watched()) return;
  Host host;
  void *const block = loam_malloc(host.thread, 131073);
  REQUIRE(block != nullptr);
  CHECK(loam_usable_size(host.runtime, block) == 135168);
  CHECK(source.usable_size(block) < 200000);
  loam_free(host.thread, block);
}

// Blocks around the size from which they have pages of their own, and far above it.
TEST_CASE("blocks of MiBs keep their content as they grow, shrink and move") {
  INFO("seed: ", kSeed);
  Host host;
  std::mt19937 random(kSeed);
  constexpr size_t kStride = 4096;
  struct Array {
    uint32_t *words;
    size_t size;
  };
  Array arrays[4] = {};
  uint32_t stamp = 0;
  const auto word = [](const Array &array, size_t at) -> uint32_t & {
    return array.words[at / sizeof(uint32_t)];
  };
  const loam_stats before = host.stats();
  for (int step = 0; step < 400; ++step) {
    Array &array = arrays[random() % 4];
    const size_t size = (size_t{1} << 20) + random() % (size_t{23} << 20);
    auto *const words = static_cast<uint32_t *>(loam_realloc(host.thread, array.words, size));
    REQUIRE(words != nullptr);
    array.words = words;
    const size_t kept = std::min(size, array.size);
    for (size_t at = 0; at + sizeof stamp <= kept; at += kStride) {
      REQUIRE(word(array, at) == static_cast<uint32_t>(word(array, 0) + at));
    }
    array.size = size;
    ++stamp;
    for (size_t at = 0; at + sizeof stamp <= size; at += kStride) {
      word(array, at) = static_cast<uint32_t>(stamp + at);
    }
    size_t live = 0;
    for (const Array &each : arrays) live += loam_usable_size(host.runtime, each.words);
    REQUIRE(host.stats().large_bytes - before.large_bytes == live);
    REQUIRE(loam_usable_size(host.runtime, words) >= size);
  }
  CHECK(loam_verify(host.runtime, 2) == LOAM_OK);
  for (const Array &array : arrays) loam_free(host.thread, array.words);
  CHECK(host.stats().large_bytes == before.large_bytes);
  CHECK(loam_verify(host.runtime, 2) == LOAM_OK);
}

TEST_CASE("memory of MiBs is zero when it should be, and gone when it was freed") {
  Host host;
  constexpr size_t kBytes = size_t{8} << 20;
  for (int round = 0; round < 3; ++round) {
    auto *const bytes = static_cast<unsigned char *>(loam_calloc(host.thread, 1, kBytes));
    REQUIRE(bytes != nullptr);
    REQUIRE(std::all_of(bytes, bytes + kBytes, [](unsigned char at) { return at == 0; }));
    std::memset(bytes, 1, kBytes);
    loam_free(host.thread, bytes);
    CHECK(contains(fatal_message([&] { loam_free(host.thread, bytes); }), "loam_free"));
  }
}

TEST_CASE("the pages of an array that is freed, moved, or left to its runtime are given back") {
  if (instrumented()) return;
  constexpr size_t kBytes = size_t{64} << 20;
  const auto filled = [](loam_thread *thread, void *old) {
    void *const bytes = loam_realloc(thread, old, kBytes);
    REQUIRE(bytes != nullptr);
    std::memset(bytes, 1, kBytes);
    return bytes;
  };
  const std::ptrdiff_t before = resident_bytes();
  {
    Host host;
    for (int round = 0; round < 4; ++round) loam_free(host.thread, filled(host.thread, nullptr));
    void *const small = loam_realloc(host.thread, filled(host.thread, nullptr), 1000);
    loam_free(host.thread, small);
    CHECK(resident_bytes() - before < std::ptrdiff_t{kBytes});
  }
  loam_runtime *runtime = nullptr;
  REQUIRE(loam_runtime_create(nullptr, &runtime) == LOAM_OK);
  filled(loam_runtime_main_thread(runtime), nullptr);
  loam_runtime_destroy(runtime);
  CHECK(resident_bytes() - before < std::ptrdiff_t{kBytes});
}

TEST_CASE("arrays that grow to MiBs and stay half full are resident by a tenth more, at most") {
  if (instrumented()) return;
  constexpr size_t kMiB = size_t{1} << 20, kArrays = 60;
  Host host;
  std::vector<char *> arrays(kArrays);
  const std::ptrdiff_t before = resident_bytes();
  for (char *&array : arrays) {
    array = static_cast<char *>(loam_malloc(host.thread, 2 * kMiB));
    REQUIRE(array != nullptr);
    std::memset(array, 1, 2 * kMiB);
    array = static_cast<char *>(loam_realloc(host.thread, array, 4 * kMiB));
    REQUIRE(array != nullptr);
    array[2 * kMiB] = 1;
  }
  const auto used = static_cast<std::ptrdiff_t>(kArrays * 2 * kMiB);
  CHECK(resident_bytes() - before <= used / 10 * 11 + std::ptrdiff_t{4 * kMiB});
  for (char *array : arrays) loam_free(host.thread, array);
  CHECK(resident_bytes() - before < used / 2);
}

TEST_CASE("a table that grows at once and is filled anywhere has no huge pages") {
  if (instrumented()) return;
  constexpr size_t kMiB = size_t{1} << 20, kBytes = 512 * kMiB;
  Host host;
  void *grown = loam_realloc(host.thread, loam_malloc(host.thread, 3 * kMiB), 8 * kMiB);
  auto *const table = static_cast<char *>(loam_realloc(host.thread, grown, kBytes));
  REQUIRE(table != nullptr);
  const std::ptrdiff_t before = resident_bytes();
  for (size_t at = 8 * kMiB; at < kBytes; at += 2 * kMiB) table[at] = 1;
  CHECK(resident_bytes() - before <= std::ptrdiff_t{20 * kMiB});  // 64 KiB for each
  loam_free(host.thread, table);
}

TEST_CASE("an array grows in the limit's last room, and is as it was where there is none") {
  Host host("heap_limit=32M");
  constexpr size_t kMiB = size_t{1} << 20;
  auto *words = static_cast<uint32_t *>(loam_malloc(host.thread, 15 * kMiB));
  REQUIRE(words != nullptr);
  words[0] = 7;
  words = static_cast<uint32_t *>(loam_realloc(host.thread, words, 25 * kMiB));
  REQUIRE(words != nullptr);
  CHECK(words[0] == 7);
  const size_t held = host.stats().large_bytes;
  CHECK(loam_realloc(host.thread, words, 33 * kMiB) == nullptr);
  CHECK(loam_realloc(host.thread, words, SIZE_MAX / 2) == nullptr);
  CHECK(host.stats().large_bytes == held);
  CHECK(words[0] == 7);
  CHECK(loam_verify(host.runtime, 2) == LOAM_OK);
  loam_free(host.thread, words);
}

TEST_CASE("an array shrinks where no address is left for anything new") {
  if (instrumented()) return;
  constexpr size_t kMiB = size_t{1} << 20;
  Host host;
  void *words = loam_malloc(host.thread, 64 * kMiB);
  REQUIRE(words != nullptr);
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_AS, &before) == 0);
  rlimit tight = before;
  tight.rlim_cur = address_bytes() + (size_t{64} << 10);
  REQUIRE(setrlimit(RLIMIT_AS, &tight) == 0);
  void *const larger = loam_realloc(host.thread, words, 128 * kMiB);
  words = loam_realloc(host.thread, words, 8 * kMiB);
  REQUIRE(setrlimit(RLIMIT_AS, &before) == 0);
  CHECK(larger == nullptr);
  REQUIRE(words != nullptr);
  CHECK(loam_usable_size(host.runtime, words) == 8 * kMiB);
  loam_free(host.thread, words);
}

TEST_CASE("where the OS has no more, large blocks are refused, and nothing else has changed") {
  if (instrumented()) return;
  Host host;
  std::vector<void *> blocks;
  std::mt19937 random(kSeed);
  const auto fill = [&](size_t most_bytes) {
    size_t bytes = 0;
    while (bytes < most_bytes) {
      const size_t size = 257 + random() % (random() % 8 == 0 ? 40000 : 8000);
      void *const block = loam_malloc(host.thread, size);
      if (block == nullptr) break;
      std::memset(block, 1, size);
      blocks.push_back(block);
      bytes += loam_usable_size(host.runtime, block);
    }
    return bytes;
  };
  const auto empty = [&] {
    for (void *block : blocks) loam_free(host.thread, block);
    blocks.clear();
    loam_trim(host.thread);
  };
  constexpr size_t kMost = size_t{200} << 20;
  CHECK(fill(kMost) >= kMost);  // from here on it is no peak that has to be noted
  empty();
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_AS, &before) == 0);
  rlimit tight = before;
  tight.rlim_cur = address_bytes() + (size_t{64} << 10);
  const loam_stats stats = host.stats();
  blocks.reserve(kMost / 257);
  REQUIRE(setrlimit(RLIMIT_AS, &tight) == 0);
  const size_t bytes = fill(kMost);
  const loam_stats full = host.stats();
  REQUIRE(setrlimit(RLIMIT_AS, &before) == 0);
  CHECK(bytes < kMost);
  CHECK(full.failed_allocations == stats.failed_allocations + 1);
  CHECK(full.large_bytes == bytes);
  CHECK(full.large_blocks == blocks.size());
  CHECK(loam_verify(host.runtime, 2) == LOAM_OK);
  empty();
  CHECK(fill(kMost) >= kMost);
  empty();
}

// The OS does not move what its host has parted into two mappings.
TEST_CASE("an array that cannot take its pages along is copied") {
  constexpr size_t kMiB = size_t{1} << 20;
  Host host;
  auto *bytes = static_cast<unsigned char *>(loam_malloc(host.thread, 16 * kMiB));
  REQUIRE(bytes != nullptr);
  std::memset(bytes, 7, 16 * kMiB);
  const uintptr_t page = (reinterpret_cast<uintptr_t>(bytes) + 4 * kMiB) & ~uintptr_t{65535};
  REQUIRE(madvise(reinterpret_cast<void *>(page), 65536, MADV_DONTFORK) == 0);
  bytes = static_cast<unsigned char *>(loam_realloc(host.thread, bytes, 32 * kMiB));
  REQUIRE(bytes != nullptr);
  CHECK(std::all_of(bytes, bytes + 16 * kMiB, [](unsigned char at) { return at == 7; }));
  CHECK(host.stats().large_bytes == loam_usable_size(host.runtime, bytes));
  loam_free(host.thread, bytes);
}

TEST_CASE("what waits is counted as held, not as in use, until it is trimmed") {
  Host host;
  const loam_stats before = host.stats();
  loam_free(host.thread, loam_malloc(host.thread, 10000));
  CHECK(host.stats().bytes_in_use == before.bytes_in_use);
  loam_trim(host.thread);
  CHECK(host.stats().counted_bytes <= before.counted_bytes);
}

TEST_CASE("freeing or growing a large block twice is refused, debug mode or not") {
  for (const char *options : {"", "debug"}) {
    Host host(options);
    void *block = loam_malloc(host.thread, 5000), *other = loam_malloc(host.thread, 5000);
    loam_free(host.thread, block);
    loam_free(host.thread, other);
    CHECK(contains(fatal_message([&] { loam_free(host.thread, block); }), "loam_free"));
    CHECK(contains(fatal_message([&] { loam_realloc(host.thread, other, 9000); }), "loam_realloc"));
  }
}

}  // namespace
}  // namespace loam::test
