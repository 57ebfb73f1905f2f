#include <cerrno>
#include <cstring>

#include "trace.h"

namespace replay {

namespace {

constexpr size_t kBufferBytes = 1 << 20;

uint64_t zigzag(int64_t value) {
  return (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
}

}  // namespace

bool Writer::open(const char *path, const char *name, bool sized_releases, std::string *error) {
  path_ = path;
  part_path_ = path_ + ".part";
  std::memcpy(header_.magic, kMagic, sizeof kMagic);
  header_.version = kVersion;
  header_.flags = sized_releases ? kSizedReleases : 0;
  if (std::strlen(name) >= sizeof header_.name) {
    *error = std::string("too long a name for a trace: ") + name;
    return false;
  }
  std::strcpy(header_.name, name);
  file_ = std::fopen(part_path_.c_str(), "wb");
  if (file_ == nullptr || std::fwrite(&header_, sizeof header_, 1, file_) != 1) {
    *error = part_path_ + ": " + std::strerror(errno);
    return false;
  }
  buffer_.reserve(kBufferBytes + 64);
  return true;
}

void Writer::fail(const char *what) {
  if (error_.empty()) error_ = path_ + ": " + what;
}

void Writer::put_varint(uint64_t value) {
  for (; value >= 128; value >>= 7) buffer_.push_back(static_cast<unsigned char>(value | 128));
  buffer_.push_back(static_cast<unsigned char>(value));
}

void Writer::put_kind(uint64_t value, Kind kind) {
  ++header_.operations;
  put_varint(value << 2 | static_cast<uint32_t>(kind));
  if (buffer_.size() >= kBufferBytes) flush();
}

void Writer::put_id(uint32_t id, Kind kind) {
  put_kind(zigzag(int64_t{id} - int64_t{last_id_}), kind);
  last_id_ = id;
}

void Writer::resize(uint32_t id, size_t bytes) {
  if (bytes == 0 || bytes > kMostBytes) fail("a block of a size that a trace cannot hold");
  live_bytes_ = live_bytes_ - sizes_[id] + bytes;
  sizes_[id] = static_cast<uint32_t>(bytes);
  if (live_bytes_ > header_.peak_live_bytes) header_.peak_live_bytes = live_bytes_;
}

void Writer::flush() {
  header_.body_bytes += buffer_.size();
  if (std::fwrite(buffer_.data(), 1, buffer_.size(), file_) != buffer_.size()) {
    fail(std::strerror(errno));
  }
  buffer_.clear();
}

uint32_t Writer::allocate(size_t bytes) {
  uint32_t id;
  if (free_ids_.empty()) {
    id = static_cast<uint32_t>(header_.ids++);
    if (header_.ids > kMostIds) fail("more blocks at once than a trace can hold");
    sizes_.push_back(0);
  } else {
    id = free_ids_.back();
    free_ids_.pop_back();
  }
  put_kind(bytes, Kind::kAllocate);
  resize(id, bytes);
  last_id_ = id;
  return id;
}

void Writer::reallocate(uint32_t id, size_t bytes) {
  put_id(id, Kind::kReallocate);
  put_varint(bytes);
  resize(id, bytes);
}

void Writer::release(uint32_t id) {
  put_id(id, Kind::kRelease);
  live_bytes_ -= sizes_[id];
  sizes_[id] = 0;
  free_ids_.push_back(id);
}

bool Writer::finish(std::string *error) {
  flush();
  std::rewind(file_);
  if (std::fwrite(&header_, sizeof header_, 1, file_) != 1) fail(std::strerror(errno));
  if (std::fclose(file_) != 0) fail(std::strerror(errno));
  if (error_.empty() && std::rename(part_path_.c_str(), path_.c_str()) != 0) {
    fail(std::strerror(errno));
  }
  if (error_.empty()) return true;
  std::remove(part_path_.c_str());
  *error = error_;
  return false;
}

void Writer::abandon() {
  std::fclose(file_);
  std::remove(part_path_.c_str());
}

}  // namespace replay
