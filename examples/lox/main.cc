// lox [options] [FILE [ARGUMENT...]]: runs a file, or reads lines from standard input.
//
// The interpreter from the bottom up, each layer knowing only those above it in this list:
//
//   value.h                     a word: a number, a singleton, or a pointer to a Loam object
//   heap, object.h              memory from Loam; the layouts of objects
//   strings, table, map, print  data structures on them
//   scanner, parser             text to tokens, errors, recovery
//   compiler                    tokens to bytecode (emit, expressions, statements; opcode.h)
//   vm, calls, interpreter      running it (and finalizers)
//   types                       what Loam is told about the layouts: the heart of any port to Loam
//   native, and one file each   what Lox programs can call
//   file, report, main          the command
#include <cassert>
#include <cstdio>
#include <cstring>

#include "file.h"
#include "report.h"
#include "vm.h"

namespace lox {

namespace {

enum ExitCode { kExitOk = 0, kExitUsage = 64, kExitCompile = 65, kExitRuntime = 70, kExitIo = 74 };

struct Settings {
  loam_options loam;
  bool help;
  bool report;
  bool collects;
  const char *file;  // NULL: interactive
  char **arguments;
  int argument_count;
};

constexpr char kUsage[] =
    "Usage: lox [options] [FILE [ARGUMENT...]]\n"
    "  --limit SIZE   most memory that the program may use: 1M and up; K, M, G\n"
    "  --no-collect   no automatic collection of cycles\n"
    "  --gc-report    print at exit what the memory manager held and did\n"
    "  --help         print this\n";

bool parse_limit(const char *size, loam_options *options) {
  char text[64];
  int length = std::snprintf(text, sizeof text, "heap_limit=%s", size);
  return length < static_cast<int>(sizeof text) && std::strchr(size, ',') == nullptr &&
         loam_options_parse(options, text) == LOAM_OK;
}

bool parse(int count, char **words, Settings *out) {
  int i = 1;
  for (; i < count && words[i][0] == '-' && words[i][1] != '\0'; ++i) {
    const char *word = words[i];
    if (std::strcmp(word, "--help") == 0) {
      out->help = true;
    } else if (std::strcmp(word, "--gc-report") == 0) {
      out->report = true;
    } else if (std::strcmp(word, "--no-collect") == 0) {
      out->collects = false;
    } else if (std::strcmp(word, "--limit") == 0 && i + 1 < count) {
      if (!parse_limit(words[++i], &out->loam)) return false;
    } else if (std::strncmp(word, "--limit=", 8) == 0) {
      if (!parse_limit(word + 8, &out->loam)) return false;
    } else {
      return false;
    }
  }
  if (i < count) out->file = words[i++];
  out->arguments = words + i;
  out->argument_count = count - i;
  return true;
}

ExitCode exit_code(Outcome outcome) {
  switch (outcome) {
    case Outcome::kOk:
      return kExitOk;
    case Outcome::kCompileError:
      return kExitCompile;
    case Outcome::kRuntimeError:
      break;
  }
  return kExitRuntime;
}

ExitCode run_file(Vm &vm, const char *path) {
  Array<char> source = {};
  ExitCode code = kExitIo;
  FileStatus status = read_file(vm.heap, path, &source);
  if (status == FileStatus::kCannotOpen) {
    std::fprintf(stderr, "Could not open file \"%s\".\n", path);
  } else if (status == FileStatus::kCannotRead) {
    std::fprintf(stderr, "Could not read file \"%s\".\n", path);
  } else if (status == FileStatus::kNoMemory || !array_push(vm.heap, &source, '\0')) {
    std::fprintf(stderr, "Not enough memory to read \"%s\".\n", path);
  } else {
    code = exit_code(interpret(vm, {source.items, source.length - 1}));
  }
  array_free(vm.heap.thread, &source);
  return code;
}

// A line, without its end and with a NUL behind it. False at the end of the input.
bool read_line(Vm &vm, Array<char> *line) {
  line->length = 0;
  int c = std::getchar();
  if (c == EOF) return false;
  for (; c != EOF && c != '\n'; c = std::getchar()) {
    if (!array_push(vm.heap, line, static_cast<char>(c))) return false;
  }
  return array_push(vm.heap, line, '\0');
}

// Globals live from line to line, and errors end only their line.
ExitCode run_lines(Vm &vm) {
  Array<char> line = {};
  for (;;) {
    std::printf("> ");
    std::fflush(stdout);
    if (!read_line(vm, &line)) break;
    interpret(vm, {line.items, line.length - 1});
    // A locked heap could not even compile the line that unlocks it.
    for (; vm.heap_locks > 0; --vm.heap_locks) loam_heap_unlock(vm.heap.thread);
  }
  std::printf("\n");
  array_free(vm.heap.thread, &line);
  return kExitOk;
}

// What the program can no longer reach, and what became ready in its last instructions, is
// finalized.
void run_last_finalizers(Vm &vm) {
  for (; vm.heap_locks > 0; --vm.heap_locks) loam_heap_unlock(vm.heap.thread);
  if (vm.finalizers.watched != 0) loam_collect(vm.heap.thread);
  run_finalizers(vm);
}

void assert_nothing_left(loam_runtime *runtime) {
  loam_stats stats = {};
  stats.struct_size = sizeof stats;
  loam_status status = loam_stats_get(runtime, &stats);
  assert(status == LOAM_OK && stats.bytes_in_use == 0);
  (void)status;
}

ExitCode run_program(Vm &vm, const Settings &settings) {
  loam_runtime *runtime;
  loam_status status = loam_runtime_create(&settings.loam, &runtime);
  if (status != LOAM_OK) {
    bool bad_options = status == LOAM_EINVAL;
    std::fputs(bad_options ? "LOAM_OPTIONS is not valid.\n" : "Out of memory.\n", stderr);
    return bad_options ? kExitUsage : kExitRuntime;
  }
  ExitCode code = kExitRuntime;
  vm.heap.collects = settings.collects;
  vm.arguments = settings.arguments;
  vm.argument_count = settings.argument_count;
  if (!settings.collects) loam_collect_disable(loam_runtime_main_thread(runtime));
  if (open_vm(vm, runtime)) {
    code = settings.file != nullptr ? run_file(vm, settings.file) : run_lines(vm);
    run_last_finalizers(vm);
    if (settings.report) print_report(runtime);
  } else {
    std::fputs("Out of memory.\n", stderr);
  }
  close_vm(vm);
  assert_nothing_left(runtime);
  loam_runtime_destroy(runtime);
  return code;
}

int main(int count, char **words) {
  Vm vm = {};
  Settings settings = {};
  settings.collects = true;
  settings.loam.context = &vm;
  settings.loam.collect_at = LOAM_COLLECT_AT_SAFEPOINT;
  settings.loam.use_environment = true;  // so that Loam's torture can be applied to any program
  if (!parse(count, words, &settings)) {
    std::fputs(kUsage, stderr);
    return kExitUsage;
  }
  if (settings.help) {
    std::fputs(kUsage, stdout);
    return kExitOk;
  }
  return run_program(vm, settings);
}

}  // namespace

}  // namespace lox

int main(int count, char **words) { return lox::main(count, words); }
