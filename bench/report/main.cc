// bench_report: runs the programs of bench/ in turns and shows what they measured.
//
//   bench_report [--quick | --full] [--repetitions=N] [--seconds=S] [--min-time=S]
//                [--filter=REGEX] [--out=FOLDER] RUNS
//
// RUNS is the file that CMakeLists.txt writes. FOLDER (default: results beside it) gets
//   index.html      the figures, for people
//   rows.tsv        every sample: a row or a point (row.h) and the command that printed it
//   <program>.json  Google Benchmark's own results, every run of a program in one file
// The exit status is 1 when a program failed; the figures of the others stand all the same.
#include <sys/stat.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <limits>
#include <regex>
#include <thread>

#include "page.h"
#include "runs.h"

namespace {

using report::Plan;
using report::Results;

constexpr char kUsage[] =
    "usage: bench_report [--quick | --full] [--repetitions=N] [--seconds=S] [--min-time=S]\n"
    "                    [--filter=REGEX] [--out=FOLDER] RUNS\n"
    "  --quick          two short rounds, of heaps a tenth the size: a look, not a measurement\n"
    "  --full           with the heaps that some peers need minutes for\n"
    "  --repetitions=N  run each command N times (4, but only while --seconds last)\n"
    "  --seconds=S      no pattern again once its peers have taken S seconds each (8, or with\n"
    "                   --repetitions no limit)\n"
    "  --min-time=S     run each benchmark for S seconds or more (0.05)\n"
    "  --filter=REGEX   only what matches: \"<group>: <pattern>\" of a benchmark, or the\n"
    "                   command of any other program\n"
    "  --out=FOLDER     where the results go (results, beside RUNS)\n";

[[noreturn]] void fail(const std::string &what) {
  std::fprintf(stderr, "bench_report: %s\n", what.c_str());
  std::exit(2);
}

double positive(const std::string &option, const std::string &text) {
  char *end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (end == text.c_str() || *end != '\0' || !(value > 0)) {
    fail(option + " wants a number above 0, not \"" + text + "\"");
  }
  return value;
}

void make_quick(Plan *plan) {
  plan->size = "--quick";
  plan->rounds = 2;
  plan->seconds = 2;
  plan->min_time_s = 0.01;
}

void set_option(const std::string &name, const std::string &value, Plan *plan, bool *limited) {
  if (name == "--quick") return;  // known already
  if (name == "--full") {
    plan->size = name;
  } else if (name == "--repetitions") {
    plan->rounds = static_cast<int>(positive(name, value));
    if (!*limited) plan->seconds = std::numeric_limits<double>::infinity();
  } else if (name == "--seconds") {
    plan->seconds = positive(name, value);
    *limited = true;
  } else if (name == "--min-time") {
    plan->min_time_s = positive(name, value);
  } else if (name == "--filter") {
    plan->filter = value;
  } else if (name == "--out") {
    plan->folder = value;
  } else {
    fail("unknown: " + name + "\n" + kUsage);
  }
}

Plan plan_of(int argc, char **argv) {
  Plan plan;
  bool limited = false;  // by --seconds
  // Wherever it stands, others override what it implies.
  if (std::find(argv, argv + argc, std::string("--quick")) != argv + argc) make_quick(&plan);
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const size_t equals = argument.find('=');
    const std::string name = argument.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : argument.substr(equals + 1);
    if (argument.compare(0, 1, "-") != 0 && plan.runs_file.empty()) {
      plan.runs_file = argument;
    } else {
      set_option(name, value, &plan, &limited);
    }
  }
  if (plan.runs_file.empty()) fail(std::string("which RUNS?\n") + kUsage);
  if (plan.folder.empty()) {
    const size_t slash = plan.runs_file.rfind('/');
    plan.folder = plan.runs_file.substr(0, slash == std::string::npos ? 0 : slash + 1) + "results";
  }
  return plan;
}

std::string machine() {
  std::string model = "processor unknown";
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.compare(0, 10, "model name") != 0) continue;
    model = line.substr(line.find(": ") + 2);
    break;
  }
  utsname system{};
  uname(&system);
  return model + ", " + std::to_string(std::thread::hardware_concurrency()) + " processors, " +
         system.sysname + ' ' + system.release;
}

report::Setting setting_of(const Plan &plan) {
  char date[64];
  const std::time_t now = std::time(nullptr);
  std::strftime(date, sizeof date, "%Y-%m-%d %H:%M UTC", std::gmtime(&now));
  const bool limited = plan.seconds < std::numeric_limits<double>::infinity();
  const std::string how = std::to_string(plan.rounds) + (plan.rounds == 1 ? " round" : " rounds") +
                          (limited && plan.rounds > 1 ? " at most" : "") +
                          ", in turns; each pattern in a process of its own, on one processor";
  return {machine(), date, how};
}

void write_file(const std::string &path, const std::string &text) {
  std::ofstream file(path);
  file << text;
  file.close();
  if (!file) fail("cannot write " + path);
}

std::string decimal(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", value);
  return text;
}

std::string samples_text(const Results &results) {
  std::string text;
  for (const report::Row &row : results.rows) {
    text += "row\t" + row.group + '\t' + row.pattern + '\t' + row.peer + '\t' + row.unit + '\t' +
            decimal(row.value) + '\t' + row.command + '\n';
  }
  for (const report::Point &point : results.points) {
    text += "point\t" + point.group + '\t' + point.chart + '\t' + point.peer + '\t' + point.line +
            '\t' + point.x_unit + '\t' + decimal(point.x) + '\t' + point.unit + '\t' +
            decimal(point.value) + '\t' + point.command + '\n';
  }
  return text;
}

void write_results(const Plan &plan, const Results &results, const report::Figures &figures) {
  write_file(plan.folder + "/rows.tsv", samples_text(results));
  for (const Results::Json &json : results.json) {
    write_file(plan.folder + '/' + json.program + ".json", json.before + json.entries + json.after);
  }
  write_file(plan.folder + "/index.html", html_page(figures.groups(), setting_of(plan)));
}

}  // namespace

int main(int argc, char **argv) try {
  const Plan plan = plan_of(argc, argv);
  if (mkdir(plan.folder.c_str(), 0777) != 0 && errno != EEXIST) {
    fail(plan.folder + ": " + std::strerror(errno));
  }
  Results results;
  const std::vector<report::Command> commands = commands_of(plan, &results);
  if (commands.empty()) fail("nothing to run: " + plan.runs_file + ", --filter=" + plan.filter);
  run_all(plan, commands, &results);

  report::Figures figures;
  for (const report::Row &row : results.rows) figures.add(row);
  for (const report::Point &point : results.points) figures.add(point);
  write_results(plan, results, figures);
  std::printf("%s%s\n%s/index.html\n", ratio_table(figures.groups()).c_str(),
              versus_table(figures.groups(), report::kKnownPeer).c_str(), plan.folder.c_str());
  for (const std::string &failure : results.failures) {
    std::fprintf(stderr, "failed: %s\n", failure.c_str());
  }
  return results.failures.empty() ? 0 : 1;
} catch (const std::regex_error &error) {
  fail(std::string("--filter: ") + error.what());
}
