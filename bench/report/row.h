// What programs of bench/ hand to bench_report: lines of standard output, among whatever else they
// print for people. A row is one measured figure:
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
//
// A point of a curve is drawn, and not compared:
//
//   point <TAB> group <TAB> chart <TAB> peer <TAB> line <TAB> x unit <TAB> x <TAB> unit <TAB> value
//
//   chart   the picture, for all peers: "sessions of 5M"
//   line    which of the peer's lines in that picture; the first, with no name, is drawn solid
//   x unit  what the line runs along, from the left: "nodes", "µs"
//
// Several samples of a point are treated like those of a row.
#ifndef LOAM_BENCH_REPORT_ROW_H
#define LOAM_BENCH_REPORT_ROW_H

#include <cstdio>

namespace bench {

inline void print_row(const char *group, const char *pattern, const char *peer, const char *unit,
                      double value) {
  std::printf("row\t%s\t%s\t%s\t%s\t%.6g\n", group, pattern, peer, unit, value);
  std::fflush(stdout);
}

inline void print_point(const char *group, const char *chart, const char *peer, const char *line,
                        const char *x_unit, double x, const char *unit, double value) {
  std::printf("point\t%s\t%s\t%s\t%s\t%s\t%.9g\t%s\t%.6g\n", group, chart, peer, line, x_unit, x,
              unit, value);
  std::fflush(stdout);
}

}  // namespace bench

#endif
