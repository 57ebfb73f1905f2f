// Guards of debug mode: what stands behind each block, and what fills a freed one.
//
//   | size bytes for the host | 0xFD ... at least 8 | size ^ kSeal : 64 |      a block in use
//   | 0 : 64 | tag : 32 | ~tag : 32 | 0xDB ...                          |      a freed block
//   | 0 ...                                                             |      one never used
//
// The tag is that of the object which died there, 0 after plain memory.
//
// Thread safety: none needed; each function looks at one block.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace loam::alloc {

constexpr size_t kGuardBytes = 16;
constexpr unsigned char kGuardByte = 0xFD;
constexpr unsigned char kPoisonByte = 0xDB;
constexpr uint64_t kSeal = 0x10a35ea110a35ea1;

inline void guard_seal(void *block, size_t block_bytes, size_t size) {
  char *bytes = static_cast<char *>(block);
  const size_t seal_at = block_bytes - sizeof(uint64_t);
  std::memset(bytes + size, kGuardByte, seal_at - size);
  const uint64_t seal = uint64_t{size} ^ kSeal;
  std::memcpy(bytes + seal_at, &seal, sizeof seal);
}

// The size that was sealed, as far as it can be believed: block_bytes when the seal is broken.
inline size_t guard_size(const void *block, size_t block_bytes) {
  uint64_t seal;
  std::memcpy(&seal, static_cast<const char *>(block) + block_bytes - sizeof seal, sizeof seal);
  const uint64_t size = seal ^ kSeal;
  return size + kGuardBytes <= block_bytes ? static_cast<size_t>(size) : block_bytes;
}

inline bool guard_intact(const void *block, size_t block_bytes) {
  const size_t size = guard_size(block, block_bytes);
  if (size == block_bytes) return false;
  const unsigned char *bytes = static_cast<const unsigned char *>(block);
  for (size_t at = size; at < block_bytes - sizeof(uint64_t); ++at) {
    if (bytes[at] != kGuardByte) return false;
  }
  return true;
}

inline void guard_poison(void *block, size_t block_bytes, uint32_t tag) {
  const uint64_t words[] = {0, uint64_t{~tag} << 32 | tag};
  std::memcpy(block, words, sizeof words);
  std::memset(static_cast<char *>(block) + sizeof words, kPoisonByte, block_bytes - sizeof words);
}

// What guard_poison was told; 0 when the block does not look freed.
inline uint32_t guard_freed_tag(const void *block) {
  uint64_t words[2];
  std::memcpy(words, block, sizeof words);
  const auto tag = static_cast<uint32_t>(words[1]);
  return words[0] == 0 && words[1] == (uint64_t{~tag} << 32 | tag) ? tag : 0;
}

inline bool guard_untouched(const void *block, size_t block_bytes) {
  uint64_t words[2];
  std::memcpy(words, block, sizeof words);
  const auto tag = static_cast<uint32_t>(words[1]);
  const bool used = words[1] != 0;
  if (words[0] != 0 || (used && words[1] != (uint64_t{~tag} << 32 | tag))) return false;
  const unsigned char *bytes = static_cast<const unsigned char *>(block);
  for (size_t at = sizeof words; at < block_bytes; ++at) {
    if (bytes[at] != (used ? kPoisonByte : 0)) return false;
  }
  return true;
}

}  // namespace loam::alloc
