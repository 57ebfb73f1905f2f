// What do reference counts and cycles cost in Loam, beside CPython and the Boehm collector?
//
// The sources are the same for every peer; the include path decides whose objects.h they see. Each
// pattern runs in a child process, so that it meets a fresh heap; one pattern alone, once, runs in
// this process, where debuggers and profilers expect it.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "objects.h"
#include "patterns.h"
#include "require.h"

namespace {

struct Pattern {
  const char *name;
  void (*run)(peer::Heap heap, const cycles::Sizes &sizes);
  bool counts;  // only for peers that free at the last drop
  bool bounds;  // only for those that can bound what a drop frees
};

constexpr Pattern kPatterns[] = {
    {"new-drop", cycles::new_and_drop, true, false},
    {"resident", cycles::resident, false, false},
    {"collect-ordered", cycles::collect_ordered, false, false},
    {"collect-shuffled", cycles::collect_shuffled, false, false},
    {"collect-young", cycles::collect_young, true, false},
    {"churn", cycles::churn, false, false},
    {"release-chain", cycles::release_chain, true, false},
    {"release-ordered", cycles::release_ordered, true, false},
    {"release-shuffled", cycles::release_shuffled, true, false},
    {"drop-in-slices", cycles::drop_in_slices, true, true},
    {"grow", cycles::grow, false, false},
    {"sessions", cycles::sessions, false, false},
    {"leak", cycles::leak, false, false},
    {"cache", cycles::cache, false, false},
};

struct Command {
  const char *pattern = nullptr;  // NULL: all
  unsigned long rounds = 1;
  cycles::Sizes sizes;
};

void list_patterns() {
  for (const Pattern &pattern : kPatterns) std::printf("%s\n", pattern.name);
}

[[noreturn]] void fail_usage(const char *program) {
  std::fprintf(stderr,
               "usage: %s [--list] [--pattern=NAME] [--nodes=N | --quick | --full] [--rounds=N]\n",
               program);
  std::exit(2);
}

const char *value_of(const char *argument, const char *name) {
  const size_t length = std::strlen(name);
  return std::strncmp(argument, name, length) == 0 ? argument + length : nullptr;
}

unsigned long number(const char *text, const char *program) {
  char *end;
  const unsigned long value = std::strtoul(text, &end, 10);
  if (value == 0 || *end != '\0') fail_usage(program);
  return value;
}

Command parse(int argc, char **argv) {
  Command command;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--list") == 0) {
      list_patterns();
      std::exit(0);
    } else if (std::strcmp(argv[i], "--full") == 0) {
      command.sizes.full = true;
    } else if (std::strcmp(argv[i], "--quick") == 0) {
      command.sizes.quick = true;
    } else if (const char *name = value_of(argv[i], "--pattern=")) {
      command.pattern = name;
    } else if (const char *nodes = value_of(argv[i], "--nodes=")) {
      command.sizes.nodes = number(nodes, argv[0]);
    } else if (const char *rounds = value_of(argv[i], "--rounds=")) {
      command.rounds = number(rounds, argv[0]);
    } else {
      fail_usage(argv[0]);
    }
  }
  return command;
}

void run(const Pattern &pattern, const cycles::Sizes &sizes) {
  if (pattern.counts && !peer::kCounts) {
    std::printf("%s: skipped, %s frees nothing at the last drop\n", pattern.name, peer::kName);
    return;
  }
  if (pattern.bounds && !peer::kBounds) {
    std::printf("%s: skipped, %s bounds no drop\n", pattern.name, peer::kName);
    return;
  }
  pattern.run(peer::Heap::open(pattern.bounds ? cycles::kDropBudget : 0), sizes);
}

bool run_in_child(const Pattern &pattern, const cycles::Sizes &sizes) {
  std::fflush(stdout);
  const pid_t child = fork();
  bench::require(child >= 0, "fork");
  if (child == 0) {
    run(pattern, sizes);
    std::fflush(stdout);
    _exit(0);  // a heap that is about to vanish is not taken apart first
  }
  int status = 0;
  bench::require(waitpid(child, &status, 0) == child, "waitpid");
  const bool succeeded = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  if (!succeeded) std::fprintf(stderr, "cycles: %s: status %d\n", pattern.name, status);
  return succeeded;
}

}  // namespace

int main(int argc, char **argv) {
  const Command command = parse(argc, argv);
  const bool alone = command.pattern != nullptr && command.rounds == 1;
  bool found = false, succeeded = true;
  for (const Pattern &pattern : kPatterns) {
    if (command.pattern != nullptr && std::strcmp(command.pattern, pattern.name) != 0) continue;
    found = true;
    if (alone) run(pattern, command.sizes);
    for (unsigned long i = 0; !alone && i < command.rounds; ++i) {
      succeeded = run_in_child(pattern, command.sizes) && succeeded;
    }
  }
  if (!found) fail_usage(argv[0]);
  return succeeded ? 0 : 1;
}
