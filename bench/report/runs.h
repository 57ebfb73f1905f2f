// The programs that are measured: which, in what order, how often, and what they print.
//
// They take turns: a round runs every command once, and the peers of one pattern next to each
// other, so that what disturbs the machine disturbs all of them. The peers of a pattern have the
// same number of rounds, so that samples of one round can be compared.
#ifndef LOAM_BENCH_REPORT_RUNS_H
#define LOAM_BENCH_REPORT_RUNS_H

#include <string>
#include <utility>
#include <vector>

#include "figures.h"

namespace report {

struct Plan {
  std::string runs_file;     // what add_bench_run in CMakeLists.txt collected
  std::string folder;        // where the results go
  std::string filter;        // of the names of Google Benchmark's benchmarks: a regular expression
  std::string size;          // "--quick", "--full" or nothing: handed to programs that take it
  int rounds = 4;            // at most
  double seconds = 8;        // a pattern is not run again once its peers have taken as many each
  double min_time_s = 0.05;  // of one benchmark, in one run
};

struct Command {
  std::vector<std::string> arguments;  // the program first
  bool is_benchmark;                   // one of Google Benchmark's, which writes JSON
  double spent_s = 0;
  bool failed = false;  // once is enough

  std::string text() const;     // for a shell in the working directory
  std::string program() const;  // its file name
  std::string pattern() const;  // the arguments: what its peers have in common
};

struct Results {
  std::vector<Row> rows;
  std::vector<Point> points;
  // For each program, the entries of "benchmarks" in its JSON, and the rest around them.
  struct Json {
    std::string program, before, entries, after;
  };
  std::vector<Json> json;
  std::vector<std::string> failures;  // what failed, and what it said
};

std::vector<Command> commands_of(const Plan &plan, Results *results);
void run_all(const Plan &plan, std::vector<Command> commands, Results *results);

}  // namespace report

#endif
