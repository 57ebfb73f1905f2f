// 64 bytes at a time, as a word with a bit for each. With SSE2, which every x86-64 has, 16 of them
// take a few instructions; elsewhere 8 do (Warren, Hacker's Delight, 2-12 and 6-1).
//
// Thread safety: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace loam::base {

#if defined(__SSE2__)

struct ByteGroup {
  static constexpr unsigned kBytes = 16;
  __m128i bytes;

  static ByteGroup load(const uint8_t *from) {
    return {_mm_loadu_si128(reinterpret_cast<const __m128i *>(from))};
  }
  uint64_t nonzero() const { return mask(_mm_cmpeq_epi8(bytes, _mm_setzero_si128())) ^ 0xFFFF; }
  uint64_t full() const { return mask(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(-1))); }
  uint64_t differs_from(ByteGroup other) const {
    return mask(_mm_cmpeq_epi8(bytes, other.bytes)) ^ 0xFFFF;
  }
  uint64_t less_than(ByteGroup other) const {
    return ByteGroup{_mm_subs_epu8(other.bytes, bytes)}.nonzero();
  }

 private:
  static uint64_t mask(__m128i of) { return static_cast<uint64_t>(_mm_movemask_epi8(of)); }
};

#else

struct ByteGroup {
  static constexpr unsigned kBytes = 8;
  uint64_t bytes;

  static ByteGroup load(const uint8_t *from) {
    ByteGroup group;
    std::memcpy(&group.bytes, from, sizeof group.bytes);
    return group;
  }
  uint64_t nonzero() const {
    constexpr uint64_t kLowBits = 0x7F7F7F7F7F7F7F7F;
    return gather((((bytes & kLowBits) + kLowBits) | bytes) & ~kLowBits);
  }
  uint64_t full() const { return ByteGroup{~bytes}.nonzero() ^ 0xFF; }
  uint64_t differs_from(ByteGroup other) const { return ByteGroup{bytes ^ other.bytes}.nonzero(); }
  uint64_t less_than(ByteGroup other) const {
    constexpr uint64_t kHighBits = 0x8080808080808080;
    const uint64_t difference = (bytes | kHighBits) - (other.bytes & ~kHighBits);
    return gather(((~bytes & other.bytes) | (~(bytes ^ other.bytes) & ~difference)) & kHighBits);
  }

 private:
  // The high bit of each byte, as the bits of one.
  static uint64_t gather(uint64_t high) { return (high * 0x0002040810204081) >> 56; }
};

#endif

// Without a call for a single bit: not every machine that we compile for counts them.
inline size_t count_bits(uint64_t bits) {
  return (bits & (bits - 1)) == 0 ? bits != 0 : static_cast<size_t>(__builtin_popcountll(bits));
}

// Of a multiple of 8 bytes.
inline bool all_zero(const void *memory, size_t bytes) {
  uint64_t any = 0, word;
  for (size_t at = 0; at < bytes; at += sizeof word) {
    std::memcpy(&word, static_cast<const char *>(memory) + at, sizeof word);
    any |= word;
  }
  return any == 0;
}

inline uint64_t nonzero_bytes(const uint8_t *bytes) {
  uint64_t bits = 0;
  for (unsigned at = 0; at < 64; at += ByteGroup::kBytes) {
    bits |= ByteGroup::load(bytes + at).nonzero() << at;
  }
  return bits;
}

}  // namespace loam::base
