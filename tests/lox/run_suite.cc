// Runs Lox programs and checks what they print and how they end.
//
//   lox_suite LOX_BINARY DIR [PART]
//
// Every *.lox below DIR is run with DIR as its working directory, in order of path; with PART, only
// those whose path contains it. A program with NAME.expected beside NAME.lox must print exactly
// that file and exit with 0; the words of NAME.args, if there is one, follow the script on the
// command line. Any other program states what it expects in its own comments, one to a line:
//
//   // expect: TEXT                     the next line of stdout
//   // expect no output                 nothing on stdout
//   // expect in output: TEXT           some line of stdout contains TEXT; the rest is free
//   // expect in errors: TEXT           the same for stderr
//   // expect runtime error: MESSAGE    exit code 70, raised on this very line
//   // expect trace: [line 3] in f()    the next line of the stack trace, then checked as a whole
//   // Error at 'x': MESSAGE            a compile error on this very line; exit code 65
//   // [line 3] Error at 'x': MESSAGE   a compile error on line 3
//   // args: WORDS                      words after the script
//   // options: WORDS                   words before the script
//
// Standard error holds the errors stated and nothing else.

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

namespace fs = std::filesystem;
using Lines = std::vector<std::string>;

constexpr int kExitCompileError = 65;
constexpr int kExitRuntimeError = 70;
constexpr int kExitNotStarted = 127;
constexpr std::size_t kMostLinesShown = 8;

struct Expectations {
  bool whole_output = false;  // NAME.expected decides: `output` is compared byte for byte
  std::string output;
  Lines output_lines;
  Lines output_parts;
  Lines error_parts;
  Lines compile_errors;
  std::string runtime_error;
  std::size_t runtime_error_line = 0;  // 0: no runtime error is expected
  Lines trace;
  Lines arguments;
  Lines options;
  bool stated = false;
  Lines mistakes;  // what is wrong with the test itself

  int exit_code() const {
    if (!compile_errors.empty()) return kExitCompileError;
    return runtime_error_line != 0 ? kExitRuntimeError : 0;
  }
};

struct Outcome {
  std::string output;
  std::string errors;
  int status = 0;  // as waitpid gives it
};

[[noreturn]] void give_up(const std::string &what) {
  std::fprintf(stderr, "lox_suite: %s: %s\n", what.c_str(), std::strerror(errno));
  std::exit(2);
}

std::string read_file(const fs::path &path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) give_up(path.string());
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

Lines split_lines(const std::string &text) {
  Lines lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

Lines split_words(const std::string &text) {
  std::istringstream stream(text);
  return {std::istream_iterator<std::string>(stream), std::istream_iterator<std::string>()};
}

// ---- Reading expectations

// The text behind `marker`, if the comment starts with it. One blank belongs to the marker.
bool starts_with(const std::string &comment, std::string_view marker, std::string *out_rest) {
  if (comment.compare(0, marker.size(), marker) != 0) return false;
  *out_rest = comment.substr(marker.size());
  if (!out_rest->empty() && out_rest->front() == ' ') out_rest->erase(0, 1);
  return true;
}

void read_comment(const std::string &comment, std::size_t line, Expectations *expected) {
  const std::string where = "[line " + std::to_string(line) + "] ";
  std::string rest;
  bool states_result = true;
  if (starts_with(comment, "expect:", &rest)) {
    expected->output_lines.push_back(rest);
  } else if (starts_with(comment, "expect in output:", &rest)) {
    expected->output_parts.push_back(rest);
  } else if (starts_with(comment, "expect in errors:", &rest)) {
    expected->error_parts.push_back(rest);
  } else if (starts_with(comment, "expect runtime error:", &rest)) {
    if (expected->runtime_error_line != 0) {
      expected->mistakes.push_back(where + "a second runtime error can never happen");
    }
    expected->runtime_error = rest;
    expected->runtime_error_line = line;
  } else if (starts_with(comment, "expect trace:", &rest)) {
    expected->trace.push_back(rest);
  } else if (comment.compare(0, 8, "Error at") == 0 || comment.compare(0, 6, "Error:") == 0) {
    expected->compile_errors.push_back(where + comment);
  } else if (comment.compare(0, 6, "[line ") == 0) {
    expected->compile_errors.push_back(comment);
  } else if (comment != "expect no output") {
    states_result = false;
    if (starts_with(comment, "args:", &rest)) {
      expected->arguments = split_words(rest);
    } else if (starts_with(comment, "options:", &rest)) {
      expected->options = split_words(rest);
    } else if (comment.compare(0, 6, "expect") == 0) {
      expected->mistakes.push_back(where + "unknown expectation: " + comment);
    }
  }
  if (states_result) expected->stated = true;
}

Expectations read_expectations(const fs::path &script) {
  Expectations expected;
  fs::path expected_path = script;
  expected_path.replace_extension(".expected");
  if (fs::exists(expected_path)) {
    expected.whole_output = true;
    expected.stated = true;
    expected.output = read_file(expected_path);
    fs::path arguments_path = script;
    arguments_path.replace_extension(".args");
    if (fs::exists(arguments_path)) expected.arguments = split_words(read_file(arguments_path));
    return expected;
  }
  std::size_t line = 0;
  for (const std::string &text : split_lines(read_file(script))) {
    ++line;
    const std::size_t comment = text.find("// ");
    if (comment != std::string::npos) read_comment(text.substr(comment + 3), line, &expected);
  }
  if (!expected.stated) expected.mistakes.push_back("the file states no expectation");
  if (!expected.output_lines.empty() && !expected.output_parts.empty()) {
    expected.mistakes.push_back("'expect:' and 'expect in output:' exclude each other");
  }
  return expected;
}

// ---- Running

struct Pipe {
  int read_end;
  int write_end;
};

Pipe open_pipe() {
  int ends[2];
  if (pipe(ends) != 0) give_up("pipe");
  return {ends[0], ends[1]};
}

[[noreturn]] void become(const Lines &command, const fs::path &directory, Pipe out, Pipe err) {
  const int nothing = open("/dev/null", O_RDONLY);
  if (nothing < 0 || chdir(directory.c_str()) != 0 || dup2(nothing, STDIN_FILENO) < 0 ||
      dup2(out.write_end, STDOUT_FILENO) < 0 || dup2(err.write_end, STDERR_FILENO) < 0) {
    _exit(kExitNotStarted);
  }
  for (int end : {nothing, out.read_end, out.write_end, err.read_end, err.write_end}) close(end);
  std::vector<char *> words;
  for (const std::string &word : command) words.push_back(const_cast<char *>(word.c_str()));
  words.push_back(nullptr);
  execv(words[0], words.data());
  std::fprintf(stderr, "cannot run %s: %s\n", words[0], std::strerror(errno));
  _exit(kExitNotStarted);
}

// Both pipes are drained together: a child that fills one while we wait for the other never ends.
void drain(int out, int err, Outcome *outcome) {
  pollfd watched[2] = {{out, POLLIN, 0}, {err, POLLIN, 0}};
  std::string *const texts[2] = {&outcome->output, &outcome->errors};
  for (int open_count = 2; open_count > 0;) {
    if (poll(watched, 2, -1) < 0) {
      if (errno == EINTR) continue;
      give_up("poll");
    }
    for (int i = 0; i < 2; ++i) {
      if (watched[i].fd < 0 || watched[i].revents == 0) continue;
      char buffer[16384];
      const ssize_t count = read(watched[i].fd, buffer, sizeof buffer);
      if (count > 0) {
        texts[i]->append(buffer, static_cast<std::size_t>(count));
      } else if (count == 0 || errno != EINTR) {
        close(watched[i].fd);
        watched[i].fd = -1;
        --open_count;
      }
    }
  }
}

Outcome run(const Lines &command, const fs::path &directory) {
  const Pipe out = open_pipe();
  const Pipe err = open_pipe();
  const pid_t child = fork();
  if (child < 0) give_up("fork");
  if (child == 0) become(command, directory, out, err);
  close(out.write_end);
  close(err.write_end);
  Outcome outcome;
  drain(out.read_end, err.read_end, &outcome);
  while (waitpid(child, &outcome.status, 0) < 0) {
    if (errno != EINTR) give_up("waitpid");
  }
  return outcome;
}

// ---- Judging

std::string quoted(const Lines &lines, std::size_t index) {
  return index < lines.size() ? "'" + lines[index] + "'" : std::string("nothing");
}

// Reports the first line that differs: what follows it is mostly its echo.
void compare(const char *what, const Lines &expected, const Lines &actual, Lines *failures) {
  if (expected == actual) return;
  std::size_t line = 0;
  while (line < expected.size() && line < actual.size() && expected[line] == actual[line]) ++line;
  failures->push_back(std::string(what) + ", line " + std::to_string(line + 1) + ": expected " +
                      quoted(expected, line));
  failures->push_back("  but got " + quoted(actual, line));
}

void find_parts(const char *what, const Lines &parts, const Lines &lines, Lines *failures) {
  for (const std::string &part : parts) {
    const bool found = std::any_of(lines.begin(), lines.end(), [&part](const std::string &line) {
      return line.find(part) != std::string::npos;
    });
    if (!found) failures->push_back(std::string(what) + ": no line contains '" + part + "'");
  }
}

void judge_output(const Expectations &expected, const std::string &output, Lines *failures) {
  if (expected.whole_output) {
    compare("stdout", split_lines(expected.output), split_lines(output), failures);
    if (failures->empty() && expected.output != output) {
      failures->push_back("stdout: differs in its last newline");
    }
    return;
  }
  const Lines lines = split_lines(output);
  find_parts("stdout", expected.output_parts, lines, failures);
  if (expected.output_parts.empty()) compare("stdout", expected.output_lines, lines, failures);
}

void judge_runtime_error(const Expectations &expected, const Lines &lines, Lines *failures) {
  compare("runtime error", {expected.runtime_error}, {lines.empty() ? std::string() : lines[0]},
          failures);
  const Lines trace(lines.begin() + (lines.empty() ? 0 : 1), lines.end());
  if (!expected.trace.empty()) compare("stack trace", expected.trace, trace, failures);
  const std::string place = "[line " + std::to_string(expected.runtime_error_line) + "] in ";
  if (trace.empty() || trace[0].compare(0, place.size(), place) != 0) {
    failures->push_back("stack trace: expected to start with '" + place + "'");
    failures->push_back("  but got " + quoted(trace, 0));
  }
}

void judge_exit(int expected_code, int status, Lines *failures) {
  if (WIFSIGNALED(status)) {
    failures->push_back("killed by signal " + std::to_string(WTERMSIG(status)) + " (" +
                        strsignal(WTERMSIG(status)) + ")");
  } else if (WEXITSTATUS(status) != expected_code) {
    failures->push_back("exit code: expected " + std::to_string(expected_code) + " but got " +
                        std::to_string(WEXITSTATUS(status)));
  }
}

Lines judge(const Expectations &expected, const Outcome &outcome) {
  Lines failures = expected.mistakes;
  judge_output(expected, outcome.output, &failures);
  const Lines error_lines = split_lines(outcome.errors);
  if (expected.runtime_error_line != 0) {
    judge_runtime_error(expected, error_lines, &failures);
  } else if (expected.error_parts.empty()) {
    compare("stderr", expected.compile_errors, error_lines, &failures);
  }
  find_parts("stderr", expected.error_parts, error_lines, &failures);
  judge_exit(expected.exit_code(), outcome.status, &failures);
  if (failures.empty() || error_lines.empty()) return failures;
  failures.push_back("stderr was:");
  for (std::size_t i = 0; i < error_lines.size() && i < kMostLinesShown; ++i) {
    failures.push_back("  " + error_lines[i]);
  }
  return failures;
}

bool run_test(const fs::path &lox, const fs::path &directory, const fs::path &script) {
  const Expectations expected = read_expectations(directory / script);
  Lines command = {lox.string()};
  command.insert(command.end(), expected.options.begin(), expected.options.end());
  command.push_back(script.string());
  command.insert(command.end(), expected.arguments.begin(), expected.arguments.end());
  const Lines failures = judge(expected, run(command, directory));
  if (failures.empty()) return true;
  std::printf("FAIL %s\n", script.c_str());
  for (const std::string &failure : failures) std::printf("  %s\n", failure.c_str());
  return false;
}

std::vector<fs::path> find_scripts(const fs::path &directory, const std::string &part) {
  std::vector<fs::path> scripts;
  for (const fs::directory_entry &entry : fs::recursive_directory_iterator(directory)) {
    if (!entry.is_regular_file() || entry.path().extension() != ".lox") continue;
    fs::path script = entry.path().lexically_relative(directory);
    if (script.string().find(part) != std::string::npos) scripts.push_back(std::move(script));
  }
  std::sort(scripts.begin(), scripts.end());
  return scripts;
}

}  // namespace

int main(int argc, char **argv) {
  if (argc != 3 && argc != 4) {
    std::fprintf(stderr, "usage: lox_suite LOX_BINARY DIR [PART]\n");
    return 2;
  }
  const fs::path lox = fs::absolute(argv[1]);
  const fs::path directory = fs::absolute(argv[2]);
  if (access(lox.c_str(), X_OK) != 0) give_up(lox.string());
  if (!fs::is_directory(directory)) {
    errno = ENOTDIR;
    give_up(directory.string());
  }
  int passed = 0;
  int failed = 0;
  for (const fs::path &script : find_scripts(directory, argc == 4 ? argv[3] : "")) {
    std::fflush(stdout);
    ++(run_test(lox, directory, script) ? passed : failed);
  }
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed == 0 && passed > 0 ? 0 : 1;
}
