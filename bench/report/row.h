// A row: one measured figure, as programs of bench/ hand it to bench_report. It is one line of
// standard output, among whatever else a program prints for people:
//
//   row <TAB> group <TAB> pattern <TAB> peer <TAB> unit <TAB> value
//
//   group    the heading and chart that the figure belongs to: "Small blocks"
//   pattern  the work: "48 B, free at once"
//   peer     who did it: a name from bench/peers/CMakeLists.txt, or any other ("CPython 3.11")
//   unit     what the value counts, less being better. "bytes", or words that start with it ("bytes
//            per block"), is memory; everything else is time ("ns", "ns per node")
//   value    a decimal number
//
// The same row again is another sample: bench_report runs programs several times and shows the
// median, with the least and the greatest beside it. Rows of one group and pattern are compared
// across peers, time and memory apart.
#ifndef LOAM_BENCH_REPORT_ROW_H
#define LOAM_BENCH_REPORT_ROW_H

#include <cstdio>

namespace bench {

inline void print_row(const char *group, const char *pattern, const char *peer, const char *unit,
                      double value) {
  std::printf("row\t%s\t%s\t%s\t%s\t%.6g\n", group, pattern, peer, unit, value);
  std::fflush(stdout);
}

}  // namespace bench

#endif
