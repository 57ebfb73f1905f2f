// Masks of 64 bytes against a loop over them.
#include "allocator/base/byte_masks.h"

#include <doctest/doctest.h>

#include <random>

using loam::base::ByteGroup;

namespace {

// The bits that `holds(left, right)` gives for each byte of a group.
template <typename Holds>
uint64_t bits_of(const uint8_t *left, const uint8_t *right, Holds holds) {
  uint64_t bits = 0;
  for (unsigned i = 0; i < ByteGroup::kBytes; ++i) {
    bits |= uint64_t{holds(left[i], right[i])} << i;
  }
  return bits;
}

}  // namespace

TEST_CASE("a group of bytes tells of each of them what a comparison would") {
  std::mt19937 random(20);
  // Values at which a comparison of bytes turns over come often.
  constexpr uint8_t kValues[] = {0, 1, 2, 126, 127, 128, 129, 254, 255};
  std::uniform_int_distribution<size_t> pick(0, sizeof kValues - 1);
  for (int round = 0; round < 20000; ++round) {
    uint8_t left[ByteGroup::kBytes], right[ByteGroup::kBytes];
    for (uint8_t &byte : left) byte = kValues[pick(random)];
    for (uint8_t &byte : right) byte = kValues[pick(random)];
    const ByteGroup a = ByteGroup::load(left), b = ByteGroup::load(right);
    REQUIRE(a.nonzero() == bits_of(left, right, [](int x, int) { return x != 0; }));
    REQUIRE(a.full() == bits_of(left, right, [](int x, int) { return x == 255; }));
    REQUIRE(a.differs_from(b) == bits_of(left, right, [](int x, int y) { return x != y; }));
    REQUIRE(a.less_than(b) == bits_of(left, right, [](int x, int y) { return x < y; }));
  }
}

TEST_CASE("64 bytes are a word of those that are not zero") {
  uint8_t bytes[64] = {};
  CHECK(loam::base::nonzero_bytes(bytes) == 0);
  for (unsigned i = 0; i < 64; ++i) {
    bytes[i] = static_cast<uint8_t>(i + 1);
    CHECK(loam::base::nonzero_bytes(bytes) == UINT64_MAX >> (63 - i));
  }
}
