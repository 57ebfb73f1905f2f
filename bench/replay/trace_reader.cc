#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "trace.h"

namespace replay {

void *populated_pages(size_t bytes) {
  if (bytes == 0) bytes = 1;
  void *pages = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (pages == MAP_FAILED) {
    std::fprintf(stderr, "no memory for %zu bytes of a trace\n", bytes);
    std::exit(1);
  }
  return pages;
}

namespace {

int64_t unzigzag(uint64_t value) {
  return static_cast<int64_t>(value >> 1) ^ -static_cast<int64_t>(value & 1);
}

class File {
 public:
  explicit File(const char *path) : descriptor_(::open(path, O_RDONLY | O_CLOEXEC)) {}
  ~File() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  File(const File &) = delete;
  File &operator=(const File &) = delete;

  int descriptor() const { return descriptor_; }

  // -1 at the end, and after an error.
  int byte() {
    if (at_ == end_) {
      const ssize_t got = ::read(descriptor_, buffer_, sizeof buffer_);
      if (got <= 0) return -1;
      at_ = 0;
      end_ = static_cast<size_t>(got);
    }
    return buffer_[at_++];
  }

 private:
  int descriptor_;
  size_t at_ = 0, end_ = 0;
  unsigned char buffer_[1 << 16];
};

class Decoder {
 public:
  Decoder(File *file, const Header &header)
      : file_(*file),
        header_(header),
        operations_(populated<Operation>(header.operations)),
        sizes_(populated<uint32_t>(header.ids)),
        free_ids_(populated<uint32_t>(header.ids)) {}

  // The reason why the trace is refused; NULL when it is well-formed.
  const char *decode() {
    for (; index_ < header_.operations; ++index_) {
      const char *error = step();
      if (error != nullptr) return error;
    }
    if (file_.byte() != -1) return "bytes behind the last operation";
    if (ids_ != header_.ids) return "fewer ids than the header tells";
    if (peak_bytes_ != header_.peak_live_bytes) return "the peak is not the header's";
    return nullptr;
  }

  const Operation *operations() const { return operations_; }
  uint64_t index() const { return index_; }

 private:
  template <typename T>
  static T *populated(uint64_t count) {
    return static_cast<T *>(populated_pages(count * sizeof(T)));
  }

  bool varint(uint64_t *value) {
    *value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const int byte = file_.byte();
      if (byte < 0) return false;
      *value |= static_cast<uint64_t>(byte & 127) << shift;
      if (byte < 128) return true;
    }
    return false;
  }

  const char *step() {
    uint64_t first;
    if (!varint(&first)) return "truncated";
    const auto kind = static_cast<Kind>(first & 3);
    if (kind == Kind::kAllocate) return allocate(first >> 2);
    const int64_t id = int64_t{last_id_} + unzigzag(first >> 2);
    if (id < 0 || static_cast<uint64_t>(id) >= ids_) return "id out of range";
    last_id_ = static_cast<uint32_t>(id);
    if (kind == Kind::kReallocate) return reallocate(last_id_);
    if (kind == Kind::kRelease) return release(last_id_);
    return "unknown kind of operation";
  }

  const char *allocate(uint64_t bytes) {
    if (free_count_ != 0) {
      last_id_ = free_ids_[--free_count_];
    } else {
      if (ids_ == header_.ids) return "more ids than the header tells";
      last_id_ = static_cast<uint32_t>(ids_++);
    }
    return put(last_id_, Kind::kAllocate, bytes);
  }

  const char *reallocate(uint32_t id) {
    if (sizes_[id] == 0) return "reallocation of a free id";
    uint64_t bytes;
    if (!varint(&bytes)) return "truncated";
    return put(id, Kind::kReallocate, bytes);
  }

  const char *release(uint32_t id) {
    if (sizes_[id] == 0) return "release of a free id";
    const bool sized = (header_.flags & kSizedReleases) != 0;
    const Kind kind = sized ? Kind::kReleaseSized : Kind::kRelease;
    operations_[index_] = {id << 2 | static_cast<uint32_t>(kind), sizes_[id]};
    live_bytes_ -= sizes_[id];
    sizes_[id] = 0;
    free_ids_[free_count_++] = id;
    return nullptr;
  }

  const char *put(uint32_t id, Kind kind, uint64_t bytes) {
    if (bytes == 0 || bytes > kMostBytes) return "size out of range";
    operations_[index_] = {id << 2 | static_cast<uint32_t>(kind), static_cast<uint32_t>(bytes)};
    live_bytes_ = live_bytes_ - sizes_[id] + bytes;
    if (live_bytes_ > peak_bytes_) peak_bytes_ = live_bytes_;
    sizes_[id] = static_cast<uint32_t>(bytes);
    return nullptr;
  }

  File &file_;
  const Header &header_;
  Operation *operations_;
  uint32_t *sizes_;  // by id; 0: free
  uint32_t *free_ids_;
  uint64_t index_ = 0, ids_ = 0, free_count_ = 0, live_bytes_ = 0, peak_bytes_ = 0;
  uint32_t last_id_ = 0;
};

// Everything that can be told without the operations. Each takes a byte or more, so a header that
// passes asks for no more memory than the file's length justifies.
const char *header_error(File *file, Header *header) {
  struct stat status;
  if (fstat(file->descriptor(), &status) != 0 || !S_ISREG(status.st_mode)) return "not a file";
  auto *bytes = reinterpret_cast<unsigned char *>(header);
  for (size_t i = 0; i < sizeof *header; ++i) {
    const int byte = file->byte();
    if (byte < 0) return "truncated";
    bytes[i] = static_cast<unsigned char>(byte);
    if (i < sizeof kMagic && std::memcmp(&bytes[i], &kMagic[i], 1) != 0) return "not a trace";
  }
  if (header->version != kVersion) return "a version that this program does not know";
  const uint64_t length = static_cast<uint64_t>(status.st_size) - sizeof *header;
  if (header->operations == 0) return "no operations: its recording did not end";
  if (length < header->body_bytes) return "truncated";
  if (length > header->body_bytes) return "bytes behind the last operation";
  if (header->operations > header->body_bytes) return "more operations than bytes";
  if (header->ids > header->operations || header->ids > kMostIds) return "too many ids";
  if (std::memchr(header->name, 0, sizeof header->name) == nullptr) return "its name has no end";
  return nullptr;
}

bool open_header(const char *path, File *file, Header *header, std::string *error) {
  const char *reason = file->descriptor() < 0 ? std::strerror(errno) : header_error(file, header);
  if (reason == nullptr) return true;
  *error = std::string(path) + ": " + reason;
  return false;
}

}  // namespace

bool read_header(const char *path, Header *header, std::string *error) {
  File file(path);
  return open_header(path, &file, header, error);
}

bool read_trace(const char *path, Trace *trace, std::string *error) {
  File file(path);
  if (!open_header(path, &file, &trace->header, error)) return false;
  Decoder decoder(&file, trace->header);
  const char *reason = decoder.decode();
  if (reason != nullptr) {
    *error = std::string(path) + ": operation " + std::to_string(decoder.index()) + ": " + reason;
    return false;
  }
  trace->operations = decoder.operations();
  return true;
}

}  // namespace replay
