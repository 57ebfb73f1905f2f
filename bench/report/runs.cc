#include "runs.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "process.h"

namespace report {

namespace {

std::string escaped_for_regex(const std::string &text) {
  std::string escaped;
  for (char c : text) {
    if (std::string(".^$|()[]{}*+?\\").find(c) != std::string::npos) escaped += '\\';
    escaped += c;
  }
  return escaped;
}

// Google Benchmark appends "/iterations:1" and the like to the name in its lists.
std::string without_suffix(const std::string &name) { return name.substr(0, name.find('/')); }

std::string read_file(const std::string &path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<std::string> tests_of(const std::string &program, Results *results) {
  const Output output = run_program({program, "--benchmark_list_tests"});
  if (output.status != 0) results->failures.push_back(program + ":\n" + output.text);
  std::vector<std::string> tests;
  std::istringstream lines(output.text);
  for (std::string line; std::getline(lines, line);) {
    if (std::find(tests.begin(), tests.end(), line) == tests.end()) tests.push_back(line);
  }
  return tests;
}

struct Listed {
  std::vector<std::string> words;  // kind, program, arguments
  std::vector<std::string> tests;
};

void keep_json(const std::string &path, const std::string &program, Results *results) {
  const std::string text = read_file(path);
  std::remove(path.c_str());
  const size_t key = text.find("\"benchmarks\": [");
  const size_t end = text.rfind(']');
  if (key == std::string::npos || end == std::string::npos) {
    results->failures.push_back(program + " wrote no JSON that Google Benchmark's tools read");
    return;
  }
  const size_t start = text.find('[', key) + 1;
  const std::string entries = text.substr(start, end - start);
  for (Results::Json &json : results->json) {
    if (json.program != program) continue;
    json.entries += "," + entries;
    return;
  }
  results->json.push_back({program, text.substr(0, start), entries, text.substr(end)});
}

// Returns the number of rows.
size_t read_figures(const std::string &output, const std::string &command, Results *results) {
  size_t rows = 0;
  std::istringstream lines(output);
  Row row;
  Point point;
  row.command = point.command = command;
  for (std::string line; std::getline(lines, line);) {
    if (parse_row(line, &row)) {
      results->rows.push_back(row);
      ++rows;
    } else if (parse_point(line, &point)) {
      results->points.push_back(point);
    }
  }
  return rows;
}

void run_one(const Plan &plan, Command *command, Results *results) {
  const std::string json_path = plan.folder + "/run.json";
  std::vector<std::string> arguments = command->arguments;
  if (command->is_benchmark) arguments.push_back("--benchmark_out=" + json_path);
  const auto start = std::chrono::steady_clock::now();
  const Output output = run_program(arguments);
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
  command->spent_s += spent.count();

  if (read_figures(output.text, command->text(), results) == 0 || output.status != 0) {
    results->failures.push_back(command->text() + "\n" + output.text);
    command->failed = true;
    return;
  }
  if (command->is_benchmark) keep_json(json_path, command->program(), results);
}

// The patterns whose peers have time for another round.
std::set<std::string> unfinished(const Plan &plan, const std::vector<Command> &commands) {
  std::map<std::string, double> left_s;
  for (const Command &command : commands) {
    left_s[command.pattern()] += plan.seconds - command.spent_s;
  }
  std::set<std::string> patterns;
  for (const auto &[pattern, seconds] : left_s) {
    if (seconds > 0) patterns.insert(pattern);
  }
  return patterns;
}

// One line on a terminal, nothing elsewhere.
void show_progress(int round, size_t done, size_t total, const Command &command) {
  if (isatty(STDERR_FILENO) == 0) return;
  std::fprintf(stderr, "\r\033[Kround %d  %zu/%zu  %.60s", round, done, total,
               command.program().c_str());
  std::fflush(stderr);
}

}  // namespace

std::string Command::text() const {
  char working[4096];
  std::string prefix = getcwd(working, sizeof working) == nullptr ? "" : working;
  prefix += '/';
  std::string text;
  for (std::string word : arguments) {
    if (word.compare(0, prefix.size(), prefix) == 0) word.erase(0, prefix.size());
    const size_t value = word.find('=') + 1;  // 0: none, quote all of the word
    const bool plain = word.find_first_of(" $*()[]|'^\\\"") == std::string::npos;
    if (!plain) word = word.substr(0, value) + "'" + word.substr(value) + "'";
    text += (text.empty() ? "" : " ") + word;
  }
  return text;
}

std::string Command::program() const { return arguments[0].substr(arguments[0].rfind('/') + 1); }

std::string Command::pattern() const {
  std::string pattern;
  for (size_t i = 1; i < arguments.size(); ++i) pattern += arguments[i] + ' ';
  return pattern;
}

std::vector<Command> commands_of(const Plan &plan, Results *results) {
  std::vector<Listed> lines;
  std::vector<std::string> tests;  // of all programs, each once
  std::istringstream file(read_file(plan.runs_file));
  for (std::string line; std::getline(file, line);) {
    Listed listed;
    std::istringstream words(line);
    for (std::string word; std::getline(words, word, '\t');) listed.words.push_back(word);
    if (listed.words.size() < 2) continue;
    if (listed.words[0] == "each") listed.tests = tests_of(listed.words[1], results);
    for (const std::string &test : listed.tests) {
      if (std::find(tests.begin(), tests.end(), test) == tests.end()) tests.push_back(test);
    }
    lines.push_back(listed);
  }

  std::vector<Command> commands;
  const std::regex filter(plan.filter);
  const std::string min_time = std::to_string(plan.min_time_s);
  for (const std::string &test : tests) {
    const std::string name = without_suffix(test);
    if (!std::regex_search(name, filter)) continue;
    for (const Listed &listed : lines) {
      if (std::find(listed.tests.begin(), listed.tests.end(), test) == listed.tests.end()) continue;
      std::vector<std::string> arguments(listed.words.begin() + 1, listed.words.end());
      arguments.push_back("--benchmark_min_time=" + min_time.substr(0, min_time.find('.') + 4));
      arguments.push_back("--benchmark_filter=^" + escaped_for_regex(name) + "(/|$)");
      commands.push_back({arguments, true});
    }
  }
  for (const Listed &listed : lines) {
    if (listed.words[0] == "each") continue;
    std::vector<std::string> arguments(listed.words.begin() + 1, listed.words.end());
    if (listed.words[0] == "sized" && !plan.size.empty()) arguments.push_back(plan.size);
    const Command command{arguments, false};
    if (!std::regex_search(command.text(), filter)) continue;
    commands.push_back(command);
  }
  return commands;
}

void run_all(const Plan &plan, std::vector<Command> commands, Results *results) {
  for (int round = 1; round <= plan.rounds; ++round) {
    const std::set<std::string> patterns = unfinished(plan, commands);
    size_t done = 0;
    for (Command &command : commands) {
      show_progress(round, ++done, commands.size(), command);
      if (!command.failed && patterns.count(command.pattern()) != 0) {
        run_one(plan, &command, results);
      }
    }
    // There and back, so that no peer always runs behind the same other one.
    std::reverse(commands.begin(), commands.end());
  }
  if (isatty(STDERR_FILENO) != 0) std::fprintf(stderr, "\r\033[K");
}

}  // namespace report
