// Plain memory: malloc's corner cases, realloc, and giving memory back.
#include <algorithm>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "support/host.h"

namespace loam::test {
namespace {

void fill(void *pointer, std::size_t length) {
  unsigned char *bytes = static_cast<unsigned char *>(pointer);
  for (std::size_t i = 0; i < length; ++i) bytes[i] = static_cast<unsigned char>(i * 7 + 3);
}

bool holds(const void *pointer, std::size_t length) {
  const unsigned char *bytes = static_cast<const unsigned char *>(pointer);
  for (std::size_t i = 0; i < length; ++i) {
    if (bytes[i] != static_cast<unsigned char>(i * 7 + 3)) return false;
  }
  return true;
}

constexpr std::size_t kSegmentBytes = std::size_t{4} << 20;

std::vector<void *> blocks_of(Host &host, std::size_t count, std::size_t size) {
  std::vector<void *> blocks(count);
  for (void *&block : blocks) {
    block = loam_malloc(host.thread, size);
    REQUIRE(block != nullptr);
  }
  return blocks;
}

TEST_CASE("size 0 is unique and not NULL") {
  Host host;
  std::vector<void *> blocks = blocks_of(host, 1000, 0);
  for (int i = 0; i < 10; ++i) blocks.push_back(loam_calloc(host.thread, 0, 0));
  for (int i = 0; i < 10; ++i) blocks.push_back(loam_realloc(host.thread, nullptr, 0));
  std::vector<void *> sorted = blocks;
  std::sort(sorted.begin(), sorted.end());
  CHECK(std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end());
  CHECK(sorted.front() != nullptr);
  for (void *block : blocks) loam_free(host.thread, block);
}

TEST_CASE("freeing NULL does nothing") {
  Host host;
  loam_free(host.thread, nullptr);
  loam_free_sized(host.thread, nullptr, 0);
  loam_free_sized(host.thread, nullptr, 100);
  CHECK(loam_usable_size(host.runtime, nullptr) == 0);
  CHECK(host.verify());
}

TEST_CASE("freed memory is handed out again") {
  Host host;
  for (std::size_t size : {std::size_t{40}, std::size_t{256}, std::size_t{100000}}) {
    loam_free(host.thread, loam_malloc(host.thread, size));
    std::size_t before = host.stats().counted_bytes;
    for (std::size_t i = 0; i < scaled(100000); ++i) {
      void *block = loam_malloc(host.thread, size);
      REQUIRE(block != nullptr);
      loam_free(host.thread, block);
    }
    CHECK(host.stats().counted_bytes <= before + (std::size_t{1} << LOAM_SLAB_SHIFT));
  }
}

TEST_CASE("realloc keeps the content between every two sizes, in every mode") {
  const std::size_t sizes[] = {0,   1,   8,   16,  17,   24,   40,   100,   248,   255,
                               256, 257, 264, 512, 1000, 4096, 5000, 70000, 300000};
  for (const char *mode : {"", "debug", "torture=move_realloc", "torture=never_reuse",
                           "debug,torture=move_realloc+poison"}) {
    INFO("mode: ", std::string(mode));
    Host host(mode);
    for (std::size_t from : sizes) {
      for (std::size_t to : sizes) {
        INFO("from ", from, " to ", to);
        void *block = loam_malloc(host.thread, from);
        REQUIRE(block != nullptr);
        fill(block, from);
        block = loam_realloc(host.thread, block, to);
        REQUIRE(block != nullptr);
        REQUIRE(holds(block, std::min(from, to)));
        REQUIRE(loam_usable_size(host.runtime, block) >= to);
        fill(block, to);
        loam_free(host.thread, block);
      }
    }
    CHECK(host.bytes() == 0);
    CHECK(host.verify());
  }
}

TEST_CASE("realloc inside the class stays where it is") {
  Host host;
  for (std::size_t size = 1; size <= LOAM_MAX_BLOCK; ++size) {
    void *block = loam_malloc(host.thread, size);
    REQUIRE(block != nullptr);
    CHECK(loam_realloc(host.thread, block, loam_good_size(size)) == block);
    loam_free(host.thread, block);
  }
}

TEST_CASE("move_realloc moves on every realloc") {
  Host host("torture=move_realloc");
  for (std::size_t size : {std::size_t{40}, std::size_t{256}, std::size_t{5000}}) {
    void *block = loam_malloc(host.thread, size);
    REQUIRE(block != nullptr);
    void *moved = loam_realloc(host.thread, block, size);
    CHECK(moved != block);
    loam_free(host.thread, moved);
  }
}

TEST_CASE("a realloc that fails leaves the old block as it was") {
  Host host("heap_limit=4M");
  for (std::size_t size : {std::size_t{0}, std::size_t{24}, std::size_t{256}, std::size_t{3000}}) {
    INFO("size: ", size);
    void *block = loam_malloc(host.thread, size);
    REQUIRE(block != nullptr);
    fill(block, size);
    std::size_t bytes = host.bytes();
    CHECK(loam_realloc(host.thread, block, SIZE_MAX) == nullptr);
    CHECK(loam_realloc(host.thread, block, 8 << 20) == nullptr);
    loam_heap_lock(host.thread);
    CHECK(loam_realloc(host.thread, block, size + 10000) == nullptr);
    loam_heap_unlock(host.thread);
    CHECK(holds(block, size));
    CHECK(host.bytes() == bytes);
    CHECK(loam_usable_size(host.runtime, block) >= size);
    block = loam_realloc(host.thread, block, size + 10000);
    REQUIRE(block != nullptr);
    CHECK(holds(block, size));
    loam_free(host.thread, block);
    CHECK(host.verify());
  }
}

TEST_CASE("a buffer that grows by one for long is the same memory as one grown at once") {
  Host host;
  std::size_t length = scaled(200000);
  char *text = nullptr;
  for (std::size_t i = 0; i < length; ++i) {
    char *grown = static_cast<char *>(loam_realloc(host.thread, text, i + 1));
    REQUIRE(grown != nullptr);
    text = grown;
    text[i] = static_cast<char>('a' + i % 26);
  }
  bool whole = true;
  for (std::size_t i = 0; i < length; ++i)
    whole = whole && text[i] == 'a' + static_cast<int>(i % 26);
  CHECK(whole);
  CHECK(host.bytes() <= 2 * length + 64);
  loam_free(host.thread, text);
}

TEST_CASE("a large buffer that grows by steps moves a few dozen times, not at each step") {
  Host host;
  std::size_t moves = 0;
  void *buffer = loam_malloc(host.thread, 300);
  const std::size_t end = scaled(std::size_t{64} << 20);
  for (std::size_t size = 300; size < end; size += 4096) {
    void *moved = loam_realloc(host.thread, buffer, size);
    REQUIRE(moved != nullptr);
    moves += moved != buffer;
    buffer = moved;
    CHECK(loam_usable_size(host.runtime, buffer) <= size + size / 4 + 4096);
  }
  CHECK(moves <= 150);  // by an eighth each time
  loam_free(host.thread, buffer);
}

TEST_CASE("what is freed is given back at once, or at the latest by trim") {
  Host host;
  loam_trim(host.thread);
  loam_stats empty = host.stats();
  std::size_t count = scaled(400000);
  std::vector<void *> blocks = blocks_of(host, count, 64);
  loam_stats full = host.stats();
  CHECK((full.slabs_in_use << LOAM_SLAB_SHIFT) >= count * 64);
  for (void *block : blocks) loam_free(host.thread, block);
  loam_stats freed = host.stats();
  // One is spare, and the blocks freed last lie on their list.
  CHECK(freed.segments_committed <= empty.segments_committed + 3);
  std::size_t returned = loam_trim(host.thread);
  loam_stats trimmed = host.stats();
  CHECK(returned >= (freed.segments_committed - trimmed.segments_committed) * kSegmentBytes);
  CHECK(trimmed.slabs_in_use <= empty.slabs_in_use);
  CHECK(trimmed.segments_committed <= empty.segments_committed);
  CHECK(trimmed.cached_blocks == 0);
  CHECK(trimmed.counted_bytes < full.counted_bytes);
  CHECK(host.verify());
  blocks = blocks_of(host, count, 64);
  for (void *block : blocks) std::memset(block, 0xA5, 64);
  for (void *block : blocks) loam_free(host.thread, block);
}

TEST_CASE("trim gives back the free slabs beside a survivor in each segment") {
  Host host;
  loam_trim(host.thread);
  std::size_t count = scaled(400000);
  std::set<std::uintptr_t> segments;
  std::vector<void *> survivors;
  for (void *block : blocks_of(host, count, 64)) {
    if (segments.insert(reinterpret_cast<std::uintptr_t>(block) / kSegmentBytes).second) {
      survivors.push_back(block);
      std::memset(block, 0x5A, 64);
    } else {
      loam_free(host.thread, block);
    }
  }
  loam_stats freed = host.stats();
  CHECK(freed.segments_committed >= segments.size());
  std::size_t kept = (survivors.size() + 1) << LOAM_SLAB_SHIFT;
  CHECK(loam_trim(host.thread) + kept >= count * 64);
  CHECK(host.stats().slabs_in_use <= survivors.size());
  for (void *block : survivors) {
    CHECK(static_cast<unsigned char *>(block)[0] == 0x5A);
    loam_free(host.thread, block);
  }
  CHECK(host.verify());
}

TEST_CASE("a trimmed heap has nothing more to give") {
  Host host;
  for (void *block : blocks_of(host, 10000, 128)) loam_free(host.thread, block);
  loam_trim(host.thread);
  CHECK(loam_trim(host.thread) == 0);
}

TEST_CASE("one survivor in each slab keeps its slab from trim") {
  Host host;
  loam_trim(host.thread);
  std::size_t empty = host.stats().slabs_in_use;
  std::set<std::uintptr_t> slabs;
  std::vector<void *> survivors;
  for (void *block : blocks_of(host, scaled(400000), 64)) {
    if (slabs.insert(reinterpret_cast<std::uintptr_t>(block) >> LOAM_SLAB_SHIFT).second) {
      survivors.push_back(block);
      std::memset(block, 0x5A, 64);
    } else {
      loam_free(host.thread, block);
    }
  }
  loam_trim(host.thread);
  CHECK(host.stats().slabs_in_use >= survivors.size());
  for (void *block : survivors) {
    CHECK(static_cast<unsigned char *>(block)[63] == 0x5A);
    loam_free(host.thread, block);
  }
  loam_trim(host.thread);
  CHECK(host.stats().slabs_in_use <= empty);
  CHECK(host.verify());
}

TEST_CASE("what waits on the thread's lists is bounded, whatever was freed") {
  Host host;
  const auto bound = [&host] {
    return std::max(std::size_t{256} << 10, host.stats().bytes_in_use / 100);
  };
  for (std::size_t size : {std::size_t{16}, std::size_t{48}, std::size_t{104}, std::size_t{256}}) {
    CAPTURE(size);
    std::vector<void *> blocks = blocks_of(host, scaled(100000), size);
    bool bounded = true;
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      loam_free(host.thread, blocks[i]);
      if (i % 1000 == 0) bounded = bounded && host.stats().cached_bytes <= bound();
    }
    CHECK(bounded);
    loam_type *type = host.register_type(spec_of("leaf", size));
    for (void *&block : blocks) block = loam_new(host.thread, type);
    for (void *block : blocks) host.drop(static_cast<loam_object *>(block));
    CHECK(host.stats().cached_bytes <= bound());
  }
  for (std::size_t size = 16; size <= 256; size += 8) {  // each list has its share
    for (void *block : blocks_of(host, 2000, size)) loam_free(host.thread, block);
    CHECK(host.stats().cached_bytes <= bound());
  }
}

TEST_CASE("lists share what they may hold, and give of it when there are more of them") {
  constexpr std::size_t kLists = 300, kCacheBytes = std::size_t{192} << 10;
  Host host;
  std::vector<loam_type *> types;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < kLists; ++i) names.push_back("private" + std::to_string(i));
  std::vector<loam_object *> held;
  for (std::size_t i = 0; i < kLists; ++i) {
    CAPTURE(i);
    loam_type_spec spec = spec_of(names[i].c_str(), 16 + i % 31 * 8);
    spec.flags |= LOAM_TYPE_PRIVATE_POOL;
    types.push_back(host.register_type(spec));
    std::vector<loam_object *> objects(300);
    for (loam_object *&object : objects) {
      object = static_cast<loam_object *>(loam_new(host.thread, types[i]));
      REQUIRE(object != nullptr);
    }
    held.push_back(objects.back());
    objects.pop_back();
    for (loam_object *object : objects) host.drop(object);
    const loam_stats stats = host.stats();
    CHECK(stats.cached_bytes <= kCacheBytes);
    CHECK(stats.cached_bytes >= 1024);
  }
  CHECK(host.verify());
  for (std::size_t i = 0; i < kLists; ++i) {  // each still pops what was pushed last
    void *first = loam_new(host.thread, types[i]);
    host.drop(static_cast<loam_object *>(first));
    void *again = loam_new(host.thread, types[i]);
    CHECK(again == first);
    host.drop(static_cast<loam_object *>(again));
    host.drop(held[i]);
  }
  CHECK(host.verify());
  loam_trim(host.thread);
  CHECK(host.stats().cached_blocks == 0);
}

TEST_CASE("lists that were there before others hold no more than their share either") {
  Host host;
  std::vector<void *> raw;
  for (std::size_t size = 16; size <= 256; size += 8) {
    for (void *block : blocks_of(host, 400, size)) raw.push_back(block);
  }
  for (int i = 0; i < 400; ++i) {
    loam_type_spec spec = spec_of("private", 64);
    spec.flags |= LOAM_TYPE_PRIVATE_POOL;
    host.drop(static_cast<loam_object *>(loam_new(host.thread, host.register_type(spec))));
  }
  for (void *block : raw) loam_free(host.thread, block);
  CHECK(host.stats().cached_bytes <= std::size_t{192} << 10);
  CHECK(host.verify());
  // What no list holds any more leaves each a large part again.
  loam_trim(host.thread);
  for (void *block : blocks_of(host, 400, 64)) loam_free(host.thread, block);
  CHECK(host.stats().cached_blocks >= 64);
  CHECK(host.verify());
}

TEST_CASE("a list that is full keeps what was freed last") {
  Host host;
  std::vector<void *> blocks = blocks_of(host, 2000, 64);
  for (void *block : blocks) loam_free(host.thread, block);
  const std::size_t kept = host.stats().cached_blocks;
  REQUIRE(kept >= 64);
  REQUIRE(kept < blocks.size());
  bool reversed = true;
  for (std::size_t i = 1; i <= kept; ++i) {
    reversed = reversed && loam_malloc(host.thread, 64) == blocks[blocks.size() - i];
  }
  CHECK(reversed);
  CHECK(host.stats().cached_blocks == 0);
  for (std::size_t i = 1; i <= kept; ++i) loam_free(host.thread, blocks[blocks.size() - i]);
  CHECK(host.verify());
}

TEST_CASE("under the heap lock nothing waits on a list, and afterwards lists serve again") {
  Host host;
  void *first = loam_malloc(host.thread, 48), *second = loam_malloc(host.thread, 48);
  void *large = loam_malloc(host.thread, 1000);
  loam_heap_lock(host.thread);
  loam_free(host.thread, first);
  loam_free(host.thread, large);
  CHECK(loam_malloc(host.thread, 48) == nullptr);
  CHECK(loam_malloc(host.thread, 1000) == nullptr);
  CHECK(host.stats().cached_blocks == 0);
  loam_heap_unlock(host.thread);
  loam_free(host.thread, second);
  CHECK(loam_malloc(host.thread, 48) == second);
  loam_free(host.thread, second);
  CHECK(host.verify());
}

// Frees those of them, up or down, that lie `stride` apart, and then the others.
template <typename Block, typename Release>
void release_by_stride(const std::vector<Block> &blocks, std::size_t stride, bool down,
                       Release &&release) {
  for (std::size_t first = 0; first < stride; ++first) {
    for (std::size_t i = first; i < blocks.size(); i += stride) {
      release(blocks[down ? blocks.size() - 1 - i : i]);
    }
  }
}

TEST_CASE("blocks go back whichever way they lie: in rows, up or down, or apart") {
  Host host;
  for (std::size_t size : {std::size_t{16}, std::size_t{32}, std::size_t{48}, std::size_t{256}}) {
    loam_type *type = host.register_type(spec_of("leaf", size));
    const std::size_t count = scaled(2000000) / size + (std::size_t{1} << LOAM_SLAB_SHIFT) / size;
    for (std::size_t stride : std::initializer_list<std::size_t>{1, 2, 3, 63, 64, 65}) {
      for (bool down : {false, true}) {
        CAPTURE(size);
        CAPTURE(stride);
        CAPTURE(down);
        const loam_stats before = host.stats();
        release_by_stride(blocks_of(host, count, size), stride, down,
                          [&](void *block) { loam_free(host.thread, block); });
        CHECK(host.verify());
        std::vector<loam_object *> objects(count);
        for (loam_object *&object : objects) {
          object = static_cast<loam_object *>(loam_new(host.thread, type));
        }
        release_by_stride(objects, stride, down, [&](loam_object *object) { host.drop(object); });
        CHECK(host.verify());
        CHECK(host.stats().bytes_in_use == before.bytes_in_use);
        loam_trim(host.thread);
        CHECK(host.stats().slabs_in_use <= before.slabs_in_use);
      }
    }
  }
}

TEST_CASE("after most was freed at random, the statistics tell what the rest pins") {
  Host host;
  std::mt19937 random(90);
  std::vector<void *> kept;
  for (void *block : blocks_of(host, scaled(200000), 64)) {
    if (random() % 10 == 0) {
      kept.push_back(block);
    } else {
      loam_free(host.thread, block);
    }
  }
  loam_trim(host.thread);
  loam_stats pinned = host.stats();
  CHECK(pinned.cached_bytes == 0);
  CHECK(pinned.small_bytes == kept.size() * 64);
  CHECK(pinned.pinned_bytes == (pinned.slabs_in_use << LOAM_SLAB_SHIFT) - pinned.small_bytes);
  CHECK(pinned.pinned_bytes >= 8 * pinned.small_bytes);
  for (void *block : kept) loam_free(host.thread, block);
  loam_trim(host.thread);
  CHECK(host.stats().pinned_bytes == 0);
}

TEST_CASE("slabs that empty serve other classes and kinds") {
  Host host;
  std::size_t count = scaled(800000), peak = 0;
  const std::size_t sizes[] = {16, 40, 96, 256};
  for (std::size_t size : sizes) {
    std::size_t blocks_needed = count * 16 / size;
    std::vector<void *> blocks = blocks_of(host, blocks_needed, size);
    std::size_t slabs = host.stats().slabs_in_use;
    if (peak == 0) peak = slabs;
    // Each class in turn wants the same memory; what is left on lists of the last one may add some.
    CHECK(slabs <= peak + peak / 4 + 8);
    for (void *block : blocks) loam_free(host.thread, block);
  }
  std::vector<Pair *> pairs(count * 16 / sizeof(Pair));
  for (Pair *&pair : pairs) pair = host.pair();
  CHECK(host.stats().slabs_in_use <= peak + peak / 4 + 8);
  for (Pair *pair : pairs) host.drop(pair);
  CHECK(host.verify());
}

TEST_CASE("never_reuse does not hand a freed block out again") {
  Host host("torture=never_reuse");
  std::vector<void *> seen;
  for (int i = 0; i < 1000; ++i) {
    void *block = loam_malloc(host.thread, 48);
    REQUIRE(block != nullptr);
    seen.push_back(block);
    loam_free(host.thread, block);
  }
  std::sort(seen.begin(), seen.end());
  CHECK(std::adjacent_find(seen.begin(), seen.end()) == seen.end());
}

TEST_CASE("random operations keep every block's content") {
  std::uint64_t seed = seed_or(20240611);
  INFO("LOAM_TEST_SEED=", seed);
  for (const char *mode : {"", "debug", "torture=poison+random_slots+move_realloc+seed:5"}) {
    INFO("mode: ", std::string(mode));
    Host host(mode);
    Random random(seed);
    struct Slot {
      void *block;
      std::size_t size;
    };
    std::vector<Slot> slots(500);
    for (std::size_t i = 0; i < scaled(300000); ++i) {
      Slot &slot = slots[random.below(slots.size())];
      std::size_t size = random.below(random.below(16) == 0 ? 20000 : 400);
      REQUIRE(holds(slot.block, slot.block != nullptr ? slot.size : 0));
      if (random.below(3) == 0) {
        loam_free(host.thread, slot.block);
        slot = {};
      } else {
        slot.block = loam_realloc(host.thread, slot.block, size);
        REQUIRE(slot.block != nullptr);
        REQUIRE(holds(slot.block, std::min(size, slot.size)));
        slot.size = size;
        fill(slot.block, size);
      }
      if (i % 50000 == 0) REQUIRE(host.verify());
      if (i % 20000 == 0) loam_trim(host.thread);
    }
    for (Slot &slot : slots) loam_free(host.thread, slot.block);
  }
}

}  // namespace
}  // namespace loam::test
