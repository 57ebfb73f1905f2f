// What the recorders share: an allocator that writes down what it is asked for. Each block lies
// behind a prefix with its id, so that finding the id costs no table; a replay allocates the blocks
// without it.
//
//   │ id │ unused │ block, aligned to 16 …
#ifndef LOAM_BENCH_REPLAY_RECORDER_H
#define LOAM_BENCH_REPLAY_RECORDER_H

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "trace.h"

namespace replay {

class Recorder {
 public:
  bool open(const char *path, const char *name, bool sized_releases) {
    std::string error;
    return writer_.open(path, name, sized_releases, &error) || told(error);
  }

  void *allocate(size_t bytes) {
    if (bytes > kMostBytes) return nullptr;
    auto *prefix = static_cast<Prefix *>(std::malloc(sizeof(Prefix) + bytes));
    if (prefix == nullptr) return nullptr;
    prefix->id = writer_.allocate(bytes);
    return prefix + 1;
  }

  void *reallocate(void *block, size_t bytes) {
    if (bytes > kMostBytes) return nullptr;
    void *moved = std::realloc(static_cast<Prefix *>(block) - 1, sizeof(Prefix) + bytes);
    if (moved == nullptr) return nullptr;
    auto *prefix = static_cast<Prefix *>(moved);
    writer_.reallocate(prefix->id, bytes);
    return prefix + 1;
  }

  void release(void *block) {
    Prefix *prefix = static_cast<Prefix *>(block) - 1;
    writer_.release(prefix->id);
    std::free(prefix);
  }

  // Nothing is left of the trace: its program failed.
  void abandon() { writer_.abandon(); }

  bool finish() {
    std::string error;
    return writer_.finish(&error) || told(error);
  }

 private:
  struct alignas(16) Prefix {
    uint32_t id;
  };

  static bool told(const std::string &error) {
    std::fprintf(stderr, "%s\n", error.c_str());
    return false;
  }

  Writer writer_;
};

}  // namespace replay

#endif
