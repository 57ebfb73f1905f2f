// Reading whole files into Loam's memory.
#ifndef LOX_FILE_H
#define LOX_FILE_H

#include "heap.h"

namespace lox {

enum class FileStatus { kOk, kCannotOpen, kCannotRead, kNoMemory };

// Appends the file's bytes; whatever the outcome, the caller frees *out.
FileStatus read_file(Heap &heap, const char *path, Array<char> *out);

}  // namespace lox

#endif
