// loam-replay [--check] [--rows] [--repetitions=N] TRACE…: replays recorded allocations of real
// programs against Loam and each peer, in turns, a process for each replay.
//
//   --check          instead of timing, fills and verifies every block's content
//   --rows           prints a row per replay (bench/report/row.h) and no table
//   --repetitions=N  replays per trace and peer, 7 by default; medians are shown
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "../report/row.h"
#include "trace.h"

extern char **environ;

namespace {

constexpr const char *kLoam = "loam";
constexpr const char *kLoamCalls = "loam-calls";
constexpr const char *kPeers[] = {kLoam,      kLoamCalls, "glibc",   "mimalloc",
                                  "jemalloc", "tcmalloc", "pymalloc"};
constexpr double kMebibyte = 1024.0 * 1024.0;

struct Options {
  bool check = false;
  bool rows = false;
  unsigned repetitions = 7;
  std::vector<std::string> traces;
};

struct Samples {
  std::vector<double> values;

  double at(double quantile) const {
    std::vector<double> sorted = values;
    std::sort(sorted.begin(), sorted.end());
    return sorted[static_cast<size_t>(quantile * static_cast<double>(sorted.size() - 1))];
  }
  double median() const { return at(0.5); }
};

struct Peer {
  std::string name, program;
  Samples ns, resident;
};

// Drawn over itself on a terminal, absent elsewhere.
class Progress {
 public:
  Progress(size_t steps, bool wanted)
      : steps_(steps), shown_(wanted && isatty(STDERR_FILENO) == 1) {}
  ~Progress() { clear(); }

  void step(const std::string &what) {
    if (!shown_) return;
    constexpr size_t kWidth = 30;
    const size_t filled = done_++ * kWidth / steps_;
    std::fprintf(stderr, "\r\033[K[%s%s] %3zu %%  %s", std::string(filled, '#').c_str(),
                 std::string(kWidth - filled, '.').c_str(), (done_ - 1) * 100 / steps_,
                 what.c_str());
  }

  void clear() {
    if (shown_) std::fprintf(stderr, "\r\033[K");
  }

 private:
  size_t steps_, done_ = 0;
  bool shown_;
};

bool usage() {
  std::fprintf(stderr, "usage: loam-replay [--check] [--rows] [--repetitions=N] TRACE...\n");
  return false;
}

bool parse(int argc, char **argv, Options *options) {
  constexpr const char kRepetitions[] = "--repetitions=";
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--check") {
      options->check = true;
    } else if (argument == "--rows") {
      options->rows = true;
    } else if (argument.rfind(kRepetitions, 0) == 0) {
      const int count = std::atoi(argument.c_str() + std::strlen(kRepetitions));
      if (count < 1) return usage();
      options->repetitions = static_cast<unsigned>(count);
    } else if (argument.rfind("--", 0) == 0) {
      return usage();
    } else {
      options->traces.push_back(argument);
    }
  }
  return !options->traces.empty() || usage();
}

// The programs that were built beside this one.
std::vector<Peer> find_peers() {
  char path[PATH_MAX];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
  const std::string self(path, length < 0 ? 0 : static_cast<size_t>(length));
  const std::string folder = self.substr(0, self.rfind('/') + 1);
  std::vector<Peer> peers;
  for (const char *name : kPeers) {
    const std::string program = folder + "replay-" + name;
    if (access(program.c_str(), X_OK) == 0) {
      peers.push_back({name, program, {}, {}});
    } else {
      std::fprintf(stderr, "skipped: %s, which was not there when the benchmarks were built\n",
                   name);
    }
  }
  return peers;
}

// Runs a program to its end; false when it could not be started or failed. What it prints on
// standard output goes to *output, its complaints where ours go.
bool run_program(std::vector<std::string> arguments, std::string *output) {
  std::vector<char *> argv;
  for (std::string &argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  int ends[2];
  if (pipe(ends) != 0) return false;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_addclose(&actions, ends[0]);
  posix_spawn_file_actions_addclose(&actions, ends[1]);
  pid_t child = -1;
  const int failed = posix_spawn(&child, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  char buffer[4096];
  for (ssize_t got; (got = read(ends[0], buffer, sizeof buffer)) > 0;) {
    output->append(buffer, static_cast<size_t>(got));
  }
  close(ends[0]);
  int status = 0;
  if (failed != 0 || waitpid(child, &status, 0) != child) return false;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool run_replay(const Options &options, const std::string &trace, Peer *peer) {
  std::vector<std::string> arguments = {peer->program};
  if (options.check) arguments.push_back("--check");
  arguments.push_back(trace);
  std::string output;
  double ns = 0, resident = 0;
  const bool ran = run_program(arguments, &output) &&
                   (options.check || std::sscanf(output.c_str(), "%lf %lf", &ns, &resident) == 2);
  if (!ran) {
    std::fprintf(stderr, "%s: the replay by %s failed\n", trace.c_str(), peer->name.c_str());
    return false;
  }
  peer->ns.values.push_back(ns);
  peer->resident.values.push_back(resident);
  return true;
}

// The fastest allocator that is not Loam; NULL when there is none.
const Peer *best_peer(const std::vector<Peer> &peers) {
  const Peer *best = nullptr;
  for (const Peer &peer : peers) {
    if (peer.name == kLoam || peer.name == kLoamCalls) continue;
    if (best == nullptr || peer.ns.median() < best->ns.median()) best = &peer;
  }
  return best;
}

void print_table(const replay::Header &header, const std::vector<Peer> &peers) {
  const auto operations = static_cast<double>(header.operations);
  const auto live = static_cast<double>(header.peak_live_bytes);
  std::printf("\n%s: %.1f M operations, at most %.2f MiB live\n", header.name, operations / 1e6,
              live / kMebibyte);
  std::printf("  %-12s %12s %17s %15s %16s\n", "", "ns per op", "min-max", "peak MiB",
              "peak / live");
  for (const Peer &peer : peers) {
    std::printf("  %-12s %12.2f %8.2f-%8.2f %15.2f %16.3f\n", peer.name.c_str(),
                peer.ns.median() / operations, peer.ns.at(0) / operations,
                peer.ns.at(1) / operations, peer.resident.median() / kMebibyte,
                peer.resident.median() / live);
  }
  const Peer *best = best_peer(peers);
  if (best == nullptr || peers.front().name != kLoam) return;
  const Peer &loam = peers.front();
  std::printf("  Loam is %.2f x as fast as the fastest peer, %s, in %.3f x its memory\n",
              best->ns.median() / loam.ns.median(), best->name.c_str(),
              loam.resident.median() / best->resident.median());
}

void print_rows(const replay::Header &header, const std::vector<Peer> &peers) {
  const auto operations = static_cast<double>(header.operations);
  for (const Peer &peer : peers) {
    for (double ns : peer.ns.values) {
      bench::print_row("Replays", header.name, peer.name.c_str(), "ns", ns / operations);
    }
    for (double bytes : peer.resident.values) {
      bench::print_row("Replays", header.name, peer.name.c_str(), "bytes at the peak", bytes);
    }
  }
}

bool replay_all(const Options &options, const std::vector<Peer> &peers) {
  const unsigned rounds = options.check ? 1 : options.repetitions;
  // A program that wants rows draws a bar of its own.
  Progress progress(options.traces.size() * peers.size() * rounds, !options.rows);
  for (const std::string &trace : options.traces) {
    replay::Header header;
    std::string error;
    if (!replay::read_header(trace.c_str(), &header, &error)) {
      std::fprintf(stderr, "%s\n", error.c_str());
      return false;
    }
    std::vector<Peer> measured = peers;
    // Memory that the machine has not used lately is slow to fault in: one replay finds it for all.
    Peer first = peers.front();
    if (!options.check && !run_replay(options, trace, &first)) return false;
    for (unsigned round = 0; round < rounds; ++round) {
      for (size_t turn = 0; turn < measured.size(); ++turn) {
        Peer &peer = measured[(turn + round) % measured.size()];
        progress.step(std::string(header.name) + ", " + peer.name);
        if (!run_replay(options, trace, &peer)) return false;
      }
    }
    progress.clear();
    if (options.check) {
      std::printf("%s: every block held its content, with each of %zu allocators\n", header.name,
                  measured.size());
    } else if (options.rows) {
      print_rows(header, measured);
    } else {
      print_table(header, measured);
    }
    std::fflush(stdout);
  }
  return true;
}

}  // namespace

int main(int argc, char **argv) {
  Options options;
  if (!parse(argc, argv, &options)) return 2;
  const std::vector<Peer> peers = find_peers();
  if (peers.empty()) {
    std::fprintf(stderr, "there is no replay-<allocator> beside this program\n");
    return 1;
  }
  return replay_all(options, peers) ? 0 : 1;
}
