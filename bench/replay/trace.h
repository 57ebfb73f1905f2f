// A trace: every allocation of one run of a program, as a recorder wrote it and replays read it.
//
//   header │ name │ operations, varints
//
// An operation's first varint is value × 4 + kind:
//   allocate     value: bytes. The block's id is not written: writer and reader take it from the
//                same list of free ids, the one freed last first, or else the next new one. So ids
//                stay dense, and so does a replay's table of blocks
//   reallocate   value: id, as the zigzag difference to the id of the operation before; behind it
//                a varint with the new bytes
//   release      value: id, likewise
//
// Sizes are at least 1 and below 4 GiB. A block still in use at the end of a trace is not freed in
// it. Only what a reader can check is believed: counts and the peak are counted again.
//
// One thread. Reading takes its memory straight from the OS, populated and never given back, so
// that a replay's allocator sees nothing of it and the resident size beforehand is a baseline.
#ifndef LOAM_BENCH_REPLAY_TRACE_H
#define LOAM_BENCH_REPLAY_TRACE_H

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace replay {

inline constexpr char kMagic[8] = {'L', 'o', 'a', 'm', 'T', 'r', 'c', '\n'};
inline constexpr uint32_t kVersion = 1;
inline constexpr uint32_t kSizedReleases = 1;  // flag: the program names the size when it frees
inline constexpr uint64_t kMostIds = uint64_t{1} << 30;
inline constexpr uint64_t kMostBytes = UINT32_MAX;

struct Header {
  char magic[8];
  uint32_t version;
  uint32_t flags;
  uint64_t operations;
  uint64_t ids;              // most blocks in use at once
  uint64_t peak_live_bytes;  // as asked for
  uint64_t body_bytes;       // of the varints
  char name[40];             // ends in a zero
};
static_assert(sizeof(Header) == 88, "written as it lies in memory");

enum class Kind : uint32_t { kAllocate, kReallocate, kRelease, kReleaseSized };

// What a replay steps over: 8 bytes, so that reading them takes little of the caches.
struct Operation {
  uint32_t id_and_kind;
  uint32_t bytes;  // new ones; of a release those that were asked for last

  Kind kind() const { return static_cast<Kind>(id_and_kind & 3); }
  uint32_t id() const { return id_and_kind >> 2; }
};

// An array from the OS, zeroed and resident, for as long as the process runs.
void *populated_pages(size_t bytes);

struct Trace {
  Header header;
  const Operation *operations;
};

// Reads and decodes a whole trace. False, with the reason in *error, when it is not well-formed.
bool read_trace(const char *path, Trace *trace, std::string *error);

// Reads the header alone, and sees that the file has the length that the header tells.
bool read_header(const char *path, Header *header, std::string *error);

// Writes a trace. It appears under its name only when it is complete.
class Writer {
 public:
  bool open(const char *path, const char *name, bool sized_releases, std::string *error);

  uint32_t allocate(size_t bytes);  // the block's id
  void reallocate(uint32_t id, size_t bytes);
  void release(uint32_t id);

  // False when any call before or this one failed; nothing is left then.
  bool finish(std::string *error);

  // Drops what was written.
  void abandon();

 private:
  void fail(const char *what);
  void put_varint(uint64_t value);
  void put_kind(uint64_t value, Kind kind);
  void put_id(uint32_t id, Kind kind);
  void resize(uint32_t id, size_t bytes);
  void flush();

  std::string path_, part_path_, error_;
  std::FILE *file_ = nullptr;
  Header header_{};
  std::vector<uint32_t> sizes_, free_ids_;
  std::vector<unsigned char> buffer_;
  uint64_t live_bytes_ = 0;
  uint32_t last_id_ = 0;
};

}  // namespace replay

#endif
