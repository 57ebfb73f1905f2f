// A replay that looks at every byte: each block is filled when it is allocated and when its size
// changes, and seen to hold what was written, as far as it must, before the next change and before
// it is freed. A block that was handed out twice, lost its content to the allocator's own data or
// was not copied whole shows as the first byte that differs.
//
// Allocator has the calls of a peer::Heap (bench/peers/peer.h).
#ifndef LOAM_BENCH_REPLAY_CHECK_H
#define LOAM_BENCH_REPLAY_CHECK_H

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "trace.h"

namespace replay {

struct CheckedBlock {
  unsigned char *address = nullptr;
  uint32_t bytes = 0;
  uint64_t seed = 0;

  // Any two seeds differ in about all words, and words within a block differ from each other.
  uint64_t word(size_t index) const {
    return (seed + index) * UINT64_C(0x9E3779B97F4A7C15) ^ seed >> 7;
  }

  void fill() {
    for (size_t at = 0; at < bytes; at += 8) {
      const uint64_t value = word(at / 8);
      std::memcpy(address + at, &value, bytes - at < 8 ? bytes - at : 8);
    }
  }

  // The first of `count` bytes that differs; `count` when none does.
  size_t first_difference(size_t count) const {
    for (size_t at = 0; at < count; at += 8) {
      const uint64_t value = word(at / 8);
      const size_t part = count - at < 8 ? count - at : 8;
      if (std::memcmp(address + at, &value, part) == 0) continue;
      for (size_t i = 0; i < part; ++i) {
        if (address[at + i] != static_cast<unsigned char>(value >> i * 8)) return at + i;
      }
    }
    return count;
  }
};

template <typename Allocator>
class CheckedReplay {
 public:
  CheckedReplay(const Trace &trace, Allocator allocator)
      : trace_(trace), allocator_(allocator), blocks_(trace.header.ids) {}

  // Empty, or what is wrong first.
  std::string run() {
    for (index_ = 0; index_ < trace_.header.operations && error_.empty(); ++index_) {
      step(trace_.operations[index_]);
    }
    for (CheckedBlock &block : blocks_) {
      if (!error_.empty()) break;
      if (block.address == nullptr) continue;
      if (compare(block, block.bytes)) allocator_.release(block.address);
    }
    return error_;
  }

 private:
  void step(const Operation &operation) {
    CheckedBlock &block = blocks_[operation.id()];
    switch (operation.kind()) {
      case Kind::kAllocate:
        place(&block, allocator_.allocate(operation.bytes), operation.bytes);
        break;
      case Kind::kReallocate:
        if (compare(block, block.bytes)) reallocate(&block, operation.bytes);
        break;
      case Kind::kRelease:
      case Kind::kReleaseSized:
        if (compare(block, block.bytes)) release(&block, operation);
        break;
    }
  }

  void release(CheckedBlock *block, const Operation &operation) {
    if (operation.kind() == Kind::kRelease) {
      allocator_.release(block->address);
    } else {
      allocator_.release_sized(block->address, operation.bytes);
    }
    block->address = nullptr;
  }

  void reallocate(CheckedBlock *block, uint32_t bytes) {
    void *moved = allocator_.reallocate(block->address, bytes);
    if (moved != nullptr) {
      block->address = static_cast<unsigned char *>(moved);
      compare(*block, bytes < block->bytes ? bytes : block->bytes);
    }
    place(block, moved, bytes);
  }

  void place(CheckedBlock *block, void *address, uint32_t bytes) {
    if (address == nullptr) return report("memory ran out");
    if (reinterpret_cast<uintptr_t>(address) % 8 != 0) return report("a block is not aligned to 8");
    *block = {static_cast<unsigned char *>(address), bytes, index_ + 1};
    block->fill();
  }

  // Nothing is done to a block that was found spoilt.
  bool compare(const CheckedBlock &block, size_t count) {
    const size_t at = block.first_difference(count);
    if (at == count) return true;
    const uint64_t expected = block.word(at / 8) >> at % 8 * 8;
    char text[160];
    std::snprintf(text, sizeof text, "byte %zu of the %u bytes of operation %llu is %u and not %u",
                  at, block.bytes, static_cast<unsigned long long>(block.seed - 1),
                  block.address[at], static_cast<unsigned>(expected & 255));
    report(text);
    return false;
  }

  void report(const std::string &what) {
    if (error_.empty()) error_ = "operation " + std::to_string(index_) + ": " + what;
  }

  const Trace &trace_;
  Allocator allocator_;
  std::vector<CheckedBlock> blocks_;  // by id
  uint64_t index_ = 0;
  std::string error_;
};

template <typename Allocator>
std::string check_replay(const Trace &trace, Allocator allocator) {
  return CheckedReplay<Allocator>(trace, allocator).run();
}

}  // namespace replay

#endif
