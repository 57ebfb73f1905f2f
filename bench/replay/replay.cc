// replay-<peer> [--check] TRACE: one replay of a trace against the allocator that this program is
// built for (bench/peers). loam-replay runs these side by side.
//
// Timed, a replay prints one line "<nanoseconds> <bytes>".
//   nanoseconds  processor time, the kernel's for faulting pages in included, of the loop over the
//                decoded operations
//   bytes        the peak resident size of the process (VmHWM) less what was resident before the
//                allocator was opened, when the decoded trace and the table of blocks were in
//                memory already, and less the pages of program files that were first used since
// What a replay does to a block is the least that any program does: it writes the first 16 bytes,
// and one byte of each further page, once it has them. Blocks that the trace leaves are not freed.
#include "allocator.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cstdint>

#include "../warm.h"
#include "check.h"
#include "trace.h"

namespace {

using replay::Kind;
using replay::Operation;
using replay::Trace;

constexpr size_t kPageBytes = 4096;
constexpr uint64_t kMostWarmBytes = uint64_t{256} << 20;

[[noreturn]] void fail(const char *what) {
  std::fprintf(stderr, "%s: %s\n", peer::kName, what);
  std::exit(1);
}

int64_t processor_ns() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return int64_t{now.tv_sec} * 1000000000 + now.tv_nsec;
}

// A line "<field>:  123 kB" of /proc/self/status, read without the allocator.
int64_t status_bytes(const char *field) {
  static char text[8192];
  const int file = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
  const ssize_t got = file < 0 ? -1 : read(file, text, sizeof text - 1);
  if (got < 0) fail("cannot read /proc/self/status");
  close(file);
  text[got] = 0;
  const char *line = std::strstr(text, field);
  if (line == nullptr) fail("/proc/self/status does not tell the resident size");
  return std::strtoll(line + std::strlen(field), nullptr, 10) * 1024;
}

inline void touch(char *block, uint32_t bytes) {
  if (__builtin_expect(bytes < 16, 0)) {
    *block = 1;
    return;
  }
  std::memset(block, 1, 16);
  for (size_t at = kPageBytes; at < bytes; at += kPageBytes) block[at] = 1;
}

// Out of line and alone in its function: the same loop for every peer.
__attribute__((noinline)) void run(const Operation *operation, const Operation *end, char **blocks,
                                   peer::Heap heap) {
  for (; operation != end; ++operation) {
    char *&block = blocks[operation->id()];
    const uint32_t bytes = operation->bytes;
    switch (operation->kind()) {
      case Kind::kAllocate:
        block = static_cast<char *>(heap.allocate(bytes));
        break;
      case Kind::kReallocate:
        block = static_cast<char *>(heap.reallocate(block, bytes));
        break;
      case Kind::kRelease:
        heap.release(block);
        continue;
      case Kind::kReleaseSized:
        heap.release_sized(block, bytes);
        continue;
    }
    if (__builtin_expect(block == nullptr, 0)) fail("memory ran out");
    touch(block, bytes);
  }
}

void time_replay(const Trace &trace) {
  const size_t table_bytes = trace.header.ids * sizeof(char *);
  auto **blocks = static_cast<char **>(replay::populated_pages(table_bytes));
  const int64_t baseline = status_bytes("VmRSS:");
  const int64_t files_before = status_bytes("RssFile:");
  const peer::Heap heap = peer::Heap::open();
  const int64_t start = processor_ns();
  run(trace.operations, trace.operations + trace.header.operations, blocks, heap);
  const int64_t ns = processor_ns() - start;
  const int64_t peak = status_bytes("VmHWM:") - baseline;
  const int64_t files = status_bytes("RssFile:") - files_before;
  std::printf("%" PRId64 " %" PRId64 "\n", ns, peak - files);
}

}  // namespace

int main(int argc, char **argv) {
  const bool check = argc == 3 && std::strcmp(argv[1], "--check") == 0;
  if (argc != 2 && !check) {
    std::fprintf(stderr, "usage: replay-%s [--check] TRACE\n", peer::kName);
    return 2;
  }
  Trace trace;
  std::string error;
  const char *const path = argv[argc - 1];
  if (!check && replay::read_header(path, &trace.header, &error)) {
    // Not more than any trace needs: what a header says is not believed before the trace was read.
    bench::warm_memory(std::min(2 * trace.header.peak_live_bytes, kMostWarmBytes));
  }
  if (!replay::read_trace(path, &trace, &error)) {
    std::fprintf(stderr, "%s\n", error.c_str());
    return 1;
  }
  if (!check) {
    time_replay(trace);
    return 0;
  }
  error = replay::check_replay(trace, peer::Heap::open());
  if (error.empty()) return 0;
  std::fprintf(stderr, "%s: %s\n", peer::kName, error.c_str());
  return 1;
}
