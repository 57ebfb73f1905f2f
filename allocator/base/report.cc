#include "allocator/base/report.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>

#include "allocator/base/check.h"

namespace loam::base {

namespace {

constexpr int kMessageBytes = 512;

void print(void *, const char *message) { std::fprintf(stderr, "loam: %s\n", message); }

}  // namespace

void Report::fatal(const char *format, ...) const {
  char text[kMessageBytes];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  (fatal_handler != nullptr ? fatal_handler : print)(context, text);
  std::abort();
}

void Report::message(const char *format, ...) const {
  char text[kMessageBytes];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  (message_handler != nullptr ? message_handler : print)(context, text);
}

void check_failed(const char *file, int line, const char *condition) {
  std::fprintf(stderr, "loam: %s:%d: check failed: %s\n", file, line, condition);
  std::abort();
}

}  // namespace loam::base
