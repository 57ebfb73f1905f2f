#include "file.h"

#include <cstdio>

namespace lox {

FileStatus read_file(Heap &heap, const char *path, Array<char> *out) {
  constexpr size_t kChunk = 16384;
  std::FILE *file = std::fopen(path, "rb");
  if (file == nullptr) return FileStatus::kCannotOpen;
  FileStatus status = FileStatus::kOk;
  for (;;) {
    if (!array_reserve(heap, out, out->length + kChunk)) {
      status = FileStatus::kNoMemory;
      break;
    }
    size_t count = std::fread(out->items + out->length, 1, out->capacity - out->length, file);
    out->length += count;
    if (count == 0) break;
  }
  if (std::ferror(file) != 0) status = FileStatus::kCannotRead;  // a directory, for one
  std::fclose(file);
  return status;
}

}  // namespace lox
