// options.trace_file: a timeline of the collector's work as Chrome trace events, which Perfetto and
// speedscope open.
//
//   [ name of the process
//   , X  a stretch of work: its kind, start, duration, objects    } for each stretch,
//   , C  the bytes handed out when it was over                    } in the order of their ends
//   ]
//
// A stretch and its counter wait in a buffer and are written whole, each behind a comma: a file
// that was cut short, because the process died, lacks the "]" and nothing else, which the format
// allows.
//
// Thread safety: the owning runtime's thread.
#pragma once

#include <loam/loam.h>

#include "allocator/base/report.h"

namespace loam::rt {

class TraceFile {
 public:
  // Creates the file. LOAM_EINVAL when the OS refuses: the report is told why; LOAM_ENOMEM. `path`
  // and `report` must live as long as what is put into *out_trace.
  static loam_status open(const char *path, const base::Report &report, TraceFile **out_trace);
  // Ends the file, and this object.
  void close();

  void add(loam_work work, uint64_t start_ns, uint64_t duration_ns, size_t objects,
           size_t heap_bytes);

 private:
  static constexpr size_t kBufferBytes = 4096;
  static constexpr int kClosed = -1;

  TraceFile(const char *path, const base::Report &report, int file);
  void append(const char *format, ...) __attribute__((format(printf, 2, 3)));
  void flush();

  const char *path_;
  const base::Report &report_;
  int file_;  // kClosed: after a failure
  int process_;
  size_t used_ = 0;
  char buffer_[kBufferBytes];
};

}  // namespace loam::rt
