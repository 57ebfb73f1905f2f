#include "runtime/trace_file.h"

#include <cerrno>
#include <cinttypes>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <new>

#include "allocator/base/check.h"
#include "allocator/base/system_heap.h"
#include "runtime/os_file.h"

namespace loam::rt {
namespace {

constexpr size_t kTextBytes = 384;  // more than any stretch and its counter take

constexpr const char *kNames[] = {"young", "full",  "emergency", "start", "rescue", "mark",
                                  "split", "final", "finalize",  "sweep", "clear",  "drain"};
static_assert(sizeof kNames / sizeof *kNames == LOAM_WORKS);

// Trace events are in microseconds.
struct Microseconds {
  explicit Microseconds(uint64_t ns)
      : whole(ns / 1000), thousandths(static_cast<unsigned>(ns % 1000)) {}
  uint64_t whole;
  unsigned thousandths;
};

}  // namespace

loam_status TraceFile::open(const char *path, const base::Report &report, TraceFile **out_trace) {
  void *memory = base::SystemHeap().allocate(sizeof(TraceFile));
  if (memory == nullptr) return LOAM_ENOMEM;
  const int file = os_file_create(path);
  if (file < 0) {
    report.message("trace_file: cannot create %s: %s", path, strerror(errno));
    base::SystemHeap().free(memory);
    return LOAM_EINVAL;
  }
  *out_trace = new (memory) TraceFile(path, report, file);
  return LOAM_OK;
}

TraceFile::TraceFile(const char *path, const base::Report &report, int file)
    : path_(path), report_(report), file_(file), process_(os_process()) {
  append(
      "[\n{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":%d,\"tid\":1,"
      "\"args\":{\"name\":\"loam\"}}",
      process_);
}

void TraceFile::close() {
  append("\n]\n");
  flush();
  if (file_ != kClosed) os_file_close(file_);
  base::SystemHeap().free(this);
}

void TraceFile::add(loam_work work, uint64_t start_ns, uint64_t duration_ns, size_t objects,
                    size_t heap_bytes) {
  const Microseconds start(start_ns), duration(duration_ns), end(start_ns + duration_ns);
  append(
      ",\n{\"name\":\"%s\",\"cat\":\"gc\",\"ph\":\"X\",\"pid\":%d,\"tid\":1,"
      "\"ts\":%" PRIu64 ".%03u,\"dur\":%" PRIu64
      ".%03u,\"args\":{\"objects\":%zu}}"
      ",\n{\"name\":\"heap\",\"ph\":\"C\",\"pid\":%d,\"ts\":%" PRIu64
      ".%03u,"
      "\"args\":{\"bytes\":%zu}}",
      kNames[work], process_, start.whole, start.thousandths, duration.whole, duration.thousandths,
      objects, process_, end.whole, end.thousandths, heap_bytes);
}

void TraceFile::append(const char *format, ...) {
  if (file_ == kClosed) return;
  char text[kTextBytes];
  va_list arguments;
  va_start(arguments, format);
  const int length = vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  LOAM_CHECK(length > 0 && static_cast<size_t>(length) < sizeof text);
  if (used_ + static_cast<size_t>(length) > kBufferBytes) flush();
  memcpy(buffer_ + used_, text, static_cast<size_t>(length));
  used_ += static_cast<size_t>(length);
}

void TraceFile::flush() {
  const size_t bytes = used_;
  used_ = 0;
  if (file_ == kClosed) return;
  // A child of fork shares the file, and has the parent's events in its buffer: it keeps silent.
  const bool ours = os_process() == process_;
  if (ours && os_file_write(file_, buffer_, bytes)) return;
  if (ours) {
    report_.message("trace_file: cannot write %s: %s; the trace ends here", path_, strerror(errno));
  }
  os_file_close(file_);
  file_ = kClosed;
}

}  // namespace loam::rt
