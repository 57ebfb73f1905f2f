// How values look, for print, write and toString.
#ifndef LOX_PRINT_H
#define LOX_PRINT_H

#include <cstdio>

#include "object.h"

namespace lox {

// before + text + after. Points into the value, or into this struct: it is not to be moved.
struct Description {
  const char *before = "";
  std::string_view text;
  const char *after = "";
  char digits[32];
};

void describe(const Heap &heap, Value value, Description *out);

void print_value(const Heap &heap, Value value, std::FILE *file);

}  // namespace lox

#endif
