// Runs a program to its end, alone on one processor where the system lets us choose.
#ifndef LOAM_BENCH_REPORT_PROCESS_H
#define LOAM_BENCH_REPORT_PROCESS_H

#include <string>
#include <vector>

namespace report {

struct Output {
  std::string text;  // of both streams
  int status;        // 0 only when it exited with 0
};

Output run_program(const std::vector<std::string> &arguments);

}  // namespace report

#endif
