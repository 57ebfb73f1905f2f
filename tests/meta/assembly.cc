// The hot calls, as compilers see them: on the path that hits there is no call and at most two
// conditional branches.
//
// A C file with one function per hot call is compiled to assembly at -O2. From each function's
// first instruction every path to a return is followed, both ways at each conditional branch. A
// path on which nothing is called is a hit; it may hold two branches at most. On every other path
// only the _slow partner of the call may be called, directly or by a tail jump. Which side of a
// branch falls through does not matter, so this holds however a compiler lays out the blocks.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include "source_tree.h"

using namespace loam::test;

namespace {

const char kProgram[] = R"(
#include <loam/loam.h>
void *hot_new(loam_thread *t, const loam_type *type) { return loam_new(t, type); }
void *hot_malloc_constant(loam_thread *t) { return loam_malloc(t, 48); }
void *hot_malloc_variable(loam_thread *t, size_t size) { return loam_malloc(t, size); }
void hot_free(loam_thread *t, void *block) { loam_free(t, block); }
void hot_free_sized(loam_thread *t, void *block) { loam_free_sized(t, block, 48); }
void hot_incref(loam_thread *t, loam_object *object) { loam_incref(t, object); }
void hot_decref(loam_thread *t, loam_object *object) { loam_decref(t, object); }
void hot_safepoint(loam_thread *t) { loam_safepoint(t); }
)";

constexpr int kMostBranches = 2;
constexpr int kMostSteps = 200;  // on one path; more is a loop

enum class Flow { kNext, kBranch, kJump, kCall, kReturn };

struct Instruction {
  Flow flow;
  std::string target;  // of a branch, jump or call
};

struct Assembly {
  std::vector<Instruction> instructions;
  std::map<std::string, std::size_t> labels;  // of the next instruction
};

// x86-64 and AArch64; their mnemonics do not collide.
Flow flow_of(const std::string &mnemonic) {
  static const std::set<std::string> kBranches = {"cbz", "cbnz", "tbz", "tbnz", "beq", "bne", "bcs",
                                                  "bcc", "bhs",  "blo", "bmi",  "bpl", "bvs", "bvc",
                                                  "bhi", "bls",  "bge", "blt",  "bgt", "ble"};
  if (mnemonic == "ret" || mnemonic == "retq") return Flow::kReturn;
  if (starts_with(mnemonic, "call") || mnemonic == "bl" || mnemonic == "blr") return Flow::kCall;
  if (starts_with(mnemonic, "jmp") || mnemonic == "b" || mnemonic == "br") return Flow::kJump;
  if (mnemonic[0] == 'j' || starts_with(mnemonic, "b.") || kBranches.count(mnemonic) == 1) {
    return Flow::kBranch;
  }
  return Flow::kNext;
}

void parse_line(std::string line, Assembly *assembly) {
  line = trimmed(line.substr(0, line.find("# ")));
  if (line.empty() || line[0] == '#' || starts_with(line, "//")) return;
  if (line.back() == ':') {
    line.pop_back();
    assembly->labels[line] = assembly->instructions.size();
    return;
  }
  if (line[0] == '.') return;
  std::istringstream words(line);
  std::string mnemonic, word, target;
  words >> mnemonic;
  if (mnemonic == "rep") words >> mnemonic;
  while (words >> word) target = word;
  if (target[0] == '*') target.erase(0, 1);  // by its address, where there is no stub
  assembly->instructions.push_back({flow_of(mnemonic), target.substr(0, target.find('@'))});
}

struct Paths {
  int hits = 0;
  int most_branches = 0;  // on a hit
  bool loops = false;
  std::set<std::string> called;
};

struct Position {
  std::size_t index;
  int steps, branches;
  bool called;
};

void follow(const Assembly &assembly, Position at, Paths *paths) {
  while (at.index < assembly.instructions.size() && !paths->loops) {
    const Instruction &instruction = assembly.instructions[at.index];
    const auto label = assembly.labels.find(instruction.target);
    const bool leaves = label == assembly.labels.end();
    if (++at.steps > kMostSteps) paths->loops = true;
    ++at.index;
    switch (instruction.flow) {
      case Flow::kNext:
        break;
      case Flow::kBranch:
        ++at.branches;
        if (leaves) {
          paths->called.insert(instruction.target);
        } else {
          follow(assembly, {label->second, at.steps, at.branches, at.called}, paths);
        }
        break;
      case Flow::kJump:
        if (leaves) {
          paths->called.insert(instruction.target);
          return;
        }
        at.index = label->second;
        break;
      case Flow::kCall:
        paths->called.insert(instruction.target);
        at.called = true;
        break;
      case Flow::kReturn:
        if (at.called) return;
        ++paths->hits;
        paths->most_branches = std::max(paths->most_branches, at.branches);
        return;
    }
  }
}

Assembly compile(const std::string &compiler, const std::string &flags, const std::string &name) {
  const std::string base = scratch_path("hot_calls_" + name);
  write_file(base + ".c", kProgram);
  const CommandResult result = run_command(
      "'" + compiler + "' -std=c11 -O2 -fno-asynchronous-unwind-tables " + flags +
      " -S -I'" LOAM_SOURCE_DIR "/runtime/include' -o '" + base + ".s' '" + base + ".c'");
  INFO(result.output);
  REQUIRE(result.exit_code == 0);
  const CommandResult text = run_command("cat '" + base + ".s'");
  Assembly assembly;
  std::istringstream stream(text.output);
  for (std::string line; std::getline(stream, line);) parse_line(line, &assembly);
  return assembly;
}

void check_hit_path(const Assembly &assembly, const std::string &function,
                    const std::set<std::string> &slow) {
  INFO(function);
  const auto entry = assembly.labels.find(function);
  REQUIRE(entry != assembly.labels.end());
  Paths paths;
  follow(assembly, {entry->second, 0, 0, false}, &paths);
  CHECK_FALSE(paths.loops);
  CHECK(paths.hits >= 1);
  CHECK(paths.most_branches <= kMostBranches);
  CHECK(paths.called == slow);
}

void check_hot_calls(const std::string &compiler, const std::string &name) {
  if (compiler.empty()) {
    MESSAGE(name, " is not installed: not checked");
    return;
  }
  // As hosts are built: position-independent or not, plain and in a shared library.
  for (const char *flags : {"", "-fno-pie", "-fPIC"}) {
    INFO(compiler, " -O2 ", flags);
    const Assembly assembly = compile(compiler, flags, name);
    check_hit_path(assembly, "hot_new", {"loam_new_slow"});
    check_hit_path(assembly, "hot_malloc_constant", {"loam_malloc_slow"});
    check_hit_path(assembly, "hot_malloc_variable", {"loam_malloc_slow"});
    check_hit_path(assembly, "hot_free", {"loam_free_slow"});
    check_hit_path(assembly, "hot_free_sized", {"loam_free_sized_slow"});
    check_hit_path(assembly, "hot_incref", {});
    check_hit_path(assembly, "hot_decref", {"loam_decref_slow"});
    check_hit_path(assembly, "hot_safepoint", {"loam_safepoint_slow"});
  }
}

}  // namespace

TEST_CASE("GCC: the hot calls hit without a call and with at most two branches") {
  check_hot_calls(LOAM_GCC, "gcc");
}

TEST_CASE("Clang: the hot calls hit without a call and with at most two branches") {
  check_hot_calls(LOAM_CLANG, "clang");
}

TEST_CASE("the analysis itself sees calls, third branches and loops") {
  Assembly assembly;
  for (const char *line : {"three:", "je .L1", "jne .L1", "js .L1", ".L1:", "ret", "caller:",
                           "call puts@PLT", "ret", "loop:", "jmp loop", "tail:", "jne .L2", "ret",
                           ".L2:", "jmp other", "table:", "jmp *third@GOTPCREL(%rip)"}) {
    parse_line(line, &assembly);
  }
  const auto paths_of = [&assembly](const char *function) {
    Paths paths;
    follow(assembly, {assembly.labels.at(function), 0, 0, false}, &paths);
    return paths;
  };
  CHECK(paths_of("three").most_branches == 3);
  CHECK(paths_of("caller").hits == 0);
  CHECK(paths_of("caller").called.count("puts") == 1);
  CHECK(paths_of("loop").loops);
  CHECK(paths_of("tail").hits == 1);
  CHECK(paths_of("tail").called.count("other") == 1);
  CHECK(paths_of("table").called.count("third") == 1);
}
