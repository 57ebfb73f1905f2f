// Every size is aligned and usable, in every mode, and no arithmetic on sizes wraps.
#include <sys/mman.h>

#include <string>
#include <utility>
#include <vector>

#include "support/host.h"

namespace loam::test {
namespace {

constexpr std::size_t kLargest = 4096;

// What changes the layout or the life of blocks.
const char *const kModes[] = {
    "",
    "debug",
    "torture=poison",
    "torture=never_reuse",
    "torture=random_slots+seed:7",
    "torture=move_realloc",
    "debug,torture=poison+random_slots+move_realloc+seed:11",
};

bool is_aligned(const void *pointer, std::size_t size) {
  std::size_t alignment = size % 16 == 0 || size > LOAM_MAX_BLOCK ? 16 : 8;
  return reinterpret_cast<std::uintptr_t>(pointer) % alignment == 0;
}

unsigned char pattern(std::size_t size, std::size_t i) {
  return static_cast<unsigned char>(size * 31 + i * 7 + 1);
}

void fill(void *pointer, std::size_t length, std::size_t key) {
  unsigned char *bytes = static_cast<unsigned char *>(pointer);
  for (std::size_t i = 0; i < length; ++i) bytes[i] = pattern(key, i);
}

bool holds(const void *pointer, std::size_t length, std::size_t key) {
  const unsigned char *bytes = static_cast<const unsigned char *>(pointer);
  for (std::size_t i = 0; i < length; ++i) {
    if (bytes[i] != pattern(key, i)) return false;
  }
  return true;
}

bool is_zero(const void *pointer, std::size_t length) {
  const unsigned char *bytes = static_cast<const unsigned char *>(pointer);
  for (std::size_t i = 0; i < length; ++i) {
    if (bytes[i] != 0) return false;
  }
  return true;
}

TEST_CASE("every size from 0 to 4096 is aligned and usable to its last byte, in every mode") {
  for (const char *mode : kModes) {
    INFO("mode: ", std::string(mode));
    Host host(mode);
    std::vector<void *> blocks(kLargest + 1);
    for (std::size_t size = 0; size <= kLargest; ++size) {
      INFO("size: ", size);
      void *block = loam_malloc(host.thread, size);
      REQUIRE(block != nullptr);
      REQUIRE(is_aligned(block, size));
      std::size_t usable = loam_usable_size(host.runtime, block);
      REQUIRE(usable >= size);
      REQUIRE(usable <= 2 * size + 64);
      fill(block, usable, size);
      blocks[size] = block;
    }
    for (std::size_t size = 0; size <= kLargest; ++size) {
      INFO("size: ", size);
      std::size_t usable = loam_usable_size(host.runtime, blocks[size]);
      REQUIRE(holds(blocks[size], usable, size));
      if (size % 2 == 0) {
        loam_free(host.thread, blocks[size]);
      } else {
        loam_free_sized(host.thread, blocks[size], size);
      }
    }
    CHECK(host.verify());
  }
}

TEST_CASE("debug mode's usable size is what was asked for") {
  Host host("debug");
  const std::size_t sizes[] = {0, 1, 15, 16, 24, 255, 256, 257, 4095, 4096};
  for (std::size_t size : sizes) {
    void *block = loam_malloc(host.thread, size);
    REQUIRE(block != nullptr);
    CHECK(loam_usable_size(host.runtime, block) == size);
    loam_free(host.thread, block);
  }
}

TEST_CASE("calloc is zero over freed blocks that were not, in every mode") {
  for (const char *mode : kModes) {
    INFO("mode: ", std::string(mode));
    Host host(mode);
    for (std::size_t size = 0; size <= kLargest; ++size) {
      void *dirty = loam_malloc(host.thread, size);
      REQUIRE(dirty != nullptr);
      std::memset(dirty, 0xFF, size);
      loam_free(host.thread, dirty);
      void *clean = loam_calloc(host.thread, 1, size);
      REQUIRE(clean != nullptr);
      REQUIRE(is_aligned(clean, size));
      REQUIRE(is_zero(clean, size));
      loam_free(host.thread, clean);
    }
  }
}

TEST_CASE("objects of every size come zeroed behind their header, in every mode") {
  for (const char *mode : kModes) {
    INFO("mode: ", std::string(mode));
    Host host(mode);
    loam_type *leaf = host.register_type(spec_of("sized leaf", 0));
    loam_type_spec acyclic = spec_of("sized container", 0);
    acyclic.trace = [](loam_object *, loam_visitor *) {};
    loam_type *container = host.register_type(acyclic);
    for (loam_type *type : {leaf, container}) {
      for (std::size_t size = sizeof(loam_object); size <= kLargest; ++size) {
        INFO("size: ", size);
        for (int round = 0; round < 2; ++round) {
          loam_object *object = static_cast<loam_object *>(loam_new_sized(host.thread, type, size));
          REQUIRE(object != nullptr);
          REQUIRE(reinterpret_cast<std::uintptr_t>(object) % 8 == 0);
          REQUIRE(loam_refcount(object) == 1);
          REQUIRE(loam_type_of(host.runtime, object) == type);
          REQUIRE(is_zero(object + 1, size - sizeof *object));
          std::memset(static_cast<void *>(object + 1), 0xFF, size - sizeof *object);
          host.drop(object);
        }
      }
    }
    CHECK(host.verify());
  }
}

TEST_CASE("wherever its references lie, an object that died leaves zeros, and drops its children") {
  constexpr std::size_t kWords = 6;  // of payload, at most
  for (const char *mode : kModes) {
    INFO("mode: ", std::string(mode));
    Host host(mode);
    loam_collect_disable(host.thread);
    for (std::size_t words = 1; words <= kWords; ++words) {
      for (unsigned mask = 1; mask < 1u << words; ++mask) {
        INFO("words: ", words, ", references: ", mask);
        std::vector<std::uint16_t> offsets;
        for (std::size_t word = words; word-- > 0;) {
          if (mask >> word & 1) offsets.push_back(static_cast<std::uint16_t>(8 + word * 8));
        }
        loam_type_spec spec = spec_of("layout", sizeof(loam_object) + words * 8);
        spec.ref_offsets = offsets.data();
        spec.ref_count = offsets.size();
        loam_type *type = host.register_type(spec);
        for (int round = 0; round < 4; ++round) {
          auto *fields = reinterpret_cast<void **>(host.make<loam_object>(type));
          REQUIRE(is_zero(fields + 1, words * 8));
          const bool parent = round % 2 == 1;
          for (std::size_t word = 0; word < words; ++word) {
            if ((mask >> word & 1) == 0) std::memset(fields + 1 + word, 0xFF, 8);
            if ((mask >> word & 1) != 0 && parent) fields[1 + word] = host.pair();
          }
          const std::uint64_t freed = host.stats().freed_by_count;
          host.drop(reinterpret_cast<loam_object *>(fields));
          REQUIRE(host.stats().freed_by_count == freed + 1 + (parent ? offsets.size() : 0));
        }
      }
    }
    CHECK(host.verify());
  }
}

TEST_CASE("an unzeroed leaf is usable to its last byte") {
  Host host;
  for (std::size_t size :
       {std::size_t{16}, std::size_t{100}, std::size_t{256}, std::size_t{5000}}) {
    loam_type_spec spec = spec_of("unzeroed", size);
    spec.flags = LOAM_TYPE_UNZEROED;
    loam_type *type = host.register_type(spec);
    for (int round = 0; round < 100; ++round) {
      loam_object *object = host.make<loam_object>(type);
      fill(object + 1, size - sizeof *object, size);
      REQUIRE(loam_type_of(host.runtime, object) == type);
      host.drop(object);
    }
  }
}

TEST_CASE("good sizes hold their request, are stable, and are what a small block can use") {
  Host host;
  for (std::size_t size = 0; size <= kLargest; ++size) {
    INFO("size: ", size);
    std::size_t good = loam_good_size(size);
    REQUIRE(good >= size);
    REQUIRE(loam_good_size(good) == good);
    void *block = loam_malloc(host.thread, size);
    REQUIRE(block != nullptr);
    if (size <= LOAM_MAX_BLOCK) REQUIRE(loam_usable_size(host.runtime, block) == good);
    loam_free(host.thread, block);
  }
  for (std::size_t back = 0; back < 64; ++back) {
    CHECK(loam_good_size(SIZE_MAX - back) >= SIZE_MAX - back);
  }
}

TEST_CASE("n * size that overflows is NULL") {
  Host host;
  constexpr std::size_t kHalf = SIZE_MAX / 2 + 1, kRoot = std::size_t{1} << 32;
  const std::size_t products[][2] = {
      {kHalf, 2},         {2, kHalf},         {kRoot, kRoot},
      {kRoot + 1, kRoot}, {kRoot, kRoot + 1}, {SIZE_MAX, SIZE_MAX},
      {SIZE_MAX, 2},      {3, SIZE_MAX / 2},  {SIZE_MAX / 16 + 2, 16}};
  for (const auto &product : products) {
    INFO("n: ", product[0], " size: ", product[1]);
    CHECK(loam_calloc(host.thread, product[0], product[1]) == nullptr);
  }
  for (auto [n, size] : {std::pair<std::size_t, std::size_t>{0, SIZE_MAX}, {SIZE_MAX, 0}}) {
    void *empty = loam_calloc(host.thread, n, size);
    CHECK(empty != nullptr);
    loam_free(host.thread, empty);
  }
}

TEST_CASE("size + header that overflows is NULL, in every mode") {
  for (const char *mode : kModes) {
    INFO("mode: ", std::string(mode));
    Host host(mode);
    loam_type *type = host.register_type(spec_of("sized leaf", 0));
    void *block = loam_malloc(host.thread, 100);
    REQUIRE(block != nullptr);
    fill(block, 100, 1);
    for (std::size_t back = 0; back <= 128; ++back) {
      std::size_t size = SIZE_MAX - back;
      REQUIRE(loam_malloc(host.thread, size) == nullptr);
      REQUIRE(loam_calloc(host.thread, 1, size) == nullptr);
      REQUIRE(loam_realloc(host.thread, block, size) == nullptr);
      REQUIRE(loam_realloc(host.thread, nullptr, size) == nullptr);
      REQUIRE(loam_new_sized(host.thread, type, size) == nullptr);
    }
    CHECK(loam_malloc(host.thread, SIZE_MAX / 2 + 1) == nullptr);
    CHECK(loam_new_sized(host.thread, type, SIZE_MAX / 2 + 1) == nullptr);
    CHECK(holds(block, 100, 1));
    loam_free(host.thread, block);
    CHECK(host.bytes() == 0);
    CHECK(host.verify());
  }
}

TEST_CASE("an object too small for its described fields is NULL") {
  Host host;
  const std::uint16_t offsets[] = {8, 40};
  loam_type_spec spec = spec_of("sized refs", 0);
  spec.ref_offsets = offsets;
  spec.ref_count = 2;
  loam_type *type = host.register_type(spec);
  for (std::size_t size = 0; size < 48; ++size) {
    CHECK(loam_new_sized(host.thread, type, size) == nullptr);
  }
  loam_object *object = static_cast<loam_object *>(loam_new_sized(host.thread, type, 48));
  CHECK(object != nullptr);
  host.drop(object);
  loam_type *leaf = host.register_type(spec_of("sized leaf", 0));
  for (std::size_t size = 0; size < sizeof(loam_object); ++size) {
    CHECK(loam_new_sized(host.thread, leaf, size) == nullptr);
  }
}

TEST_CASE("a block of more than 4 GiB is usable at both ends") {
  if (instrumented()) return;
  Host host;
  std::size_t size = (std::size_t{4} << 30) + 24;
  void *probe = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (probe == MAP_FAILED) {
    MESSAGE("skipped: the system gives nobody that much");
    return;
  }
  munmap(probe, size);
  char *block = static_cast<char *>(loam_malloc(host.thread, size));
  REQUIRE(block != nullptr);
  CHECK(loam_usable_size(host.runtime, block) >= size);
  CHECK(host.bytes() >= size);
  block[0] = 'a';
  block[size - 1] = 'z';
  CHECK(block[0] == 'a');
  CHECK(block[size - 1] == 'z');
  loam_free(host.thread, block);
  CHECK(host.bytes() == 0);
}

}  // namespace
}  // namespace loam::test
