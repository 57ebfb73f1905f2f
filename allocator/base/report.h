// Where diagnostics go: the host's handlers, or stderr. One per runtime; formats into a buffer on
// the stack, never allocates.
#pragma once

namespace loam::base {

struct Report {
  using Handler = void (*)(void *context, const char *message);

  Handler fatal_handler = nullptr;    // null: print to stderr
  Handler message_handler = nullptr;  // null: print to stderr
  void *context = nullptr;

  // Detected corruption or misuse: tells the host, then aborts should the host return.
  [[noreturn]] void fatal(const char *format, ...) const
      __attribute__((format(printf, 2, 3), cold));
  // Something that the host should know and that Loam can live with.
  void message(const char *format, ...) const __attribute__((format(printf, 2, 3), cold));
};

}  // namespace loam::base
