// A checked replay finds what an allocator does to a block's content.
#include "bench/replay/check.h"

#include <doctest/doctest.h>

#include <cstdlib>

using namespace replay;

namespace {

struct Honest {
  static void *allocate(size_t bytes) { return std::malloc(bytes); }
  static void *reallocate(void *block, size_t bytes) { return std::realloc(block, bytes); }
  static void release(void *block) { std::free(block); }
  static void release_sized(void *block, size_t) { std::free(block); }
};

// The same memory for every block.
struct Overlapping : Honest {
  static void *allocate(size_t) {
    static unsigned char memory[4096];
    return memory;
  }
  static void release(void *) {}
};

// Copies all but the last byte.
struct Forgetful : Honest {
  static void *reallocate(void *block, size_t bytes) {
    auto *moved = static_cast<unsigned char *>(std::malloc(bytes));
    std::memcpy(moved, block, 99);
    moved[99] = static_cast<unsigned char>(~static_cast<unsigned char *>(block)[99]);
    std::free(block);
    return moved;
  }
};

struct Exhausted : Honest {
  static void *allocate(size_t) { return nullptr; }
};

struct Misaligned : Honest {
  static void *allocate(size_t bytes) { return static_cast<char *>(std::malloc(bytes + 4)) + 4; }
  static void release(void *block) { std::free(static_cast<char *>(block) - 4); }
};

constexpr uint32_t id_and_kind(uint32_t id, Kind kind) {
  return id << 2 | static_cast<uint32_t>(kind);
}

// Two blocks, the first of which grows and shrinks; the second is left.
const Operation kOperations[] = {{id_and_kind(0, Kind::kAllocate), 100},
                                 {id_and_kind(1, Kind::kAllocate), 37},
                                 {id_and_kind(0, Kind::kReallocate), 1000},
                                 {id_and_kind(0, Kind::kReallocate), 500},
                                 {id_and_kind(0, Kind::kReleaseSized), 500}};

template <typename Allocator>
std::string checked() {
  Trace trace{};
  trace.header.operations = sizeof kOperations / sizeof kOperations[0];
  trace.header.ids = 2;
  trace.operations = kOperations;
  return check_replay(trace, Allocator{});
}

}  // namespace

TEST_CASE("an honest allocator passes a checked replay") { CHECK(checked<Honest>() == ""); }

TEST_CASE("a block that is handed out twice is reported where its first owner looks") {
  CHECK(checked<Overlapping>().find("operation 2: byte 0 of the 100 bytes of operation 0 is") == 0);
}

TEST_CASE("a byte that realloc did not copy is reported") {
  CHECK(checked<Forgetful>().find("operation 2: byte 99 of the 100 bytes of operation 0") == 0);
}

TEST_CASE("memory that ran out and blocks that are not aligned are reported") {
  CHECK(checked<Exhausted>() == "operation 0: memory ran out");
  CHECK(checked<Misaligned>() == "operation 0: a block is not aligned to 8");
}
