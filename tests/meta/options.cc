// The table of options in runtime/DESIGN.md says what options.def says.
#include <doctest/doctest.h>
#include <loam/options.h>

#include <cstdint>

#include "source_tree.h"

using namespace loam::test;

namespace {

const char kHeading[] = "| option | kind | default | bounds | what |";
const char kNone[] = "–";

// 65536 -> "64K"; what is not whole stays in the smaller unit.
std::string size_text(std::uint64_t bytes) {
  const char *units[] = {"", "K", "M", "G", "T"};
  std::size_t unit = 0;
  while (bytes != 0 && bytes % 1024 == 0 && unit + 1 < sizeof units / sizeof *units) {
    bytes /= 1024;
    ++unit;
  }
  return std::to_string(bytes) + units[unit];
}

std::string row(const std::string &name, const std::string &kind, const std::string &value,
                const std::string &bounds, const std::string &text) {
  return "| `" + name + "` | " + kind + " | " + value + " | " + bounds + " | " + text + " |";
}

std::string row_SIZE(const char *name, std::uint64_t value, std::uint64_t min, std::uint64_t max,
                     const char *text) {
  return row(name, "size", size_text(value), size_text(min) + " to " + size_text(max), text);
}

std::string row_COUNT(const char *name, std::uint64_t value, std::uint64_t min, std::uint64_t max,
                      const char *text) {
  const std::string bounds = std::to_string(min) + " to " + std::to_string(max);
  return row(name, "count", std::to_string(value), bounds, text);
}

std::string row_FLAG(const char *name, int value, int, int, const char *text) {
  return row(name, "flag", value != 0 ? "on" : "off", "off, on", text);
}

std::string row_ORDER(const char *name, loam_collect_at value, int, int, const char *text) {
  return row(name, "order", value == LOAM_COLLECT_AT_NEW ? "new" : "safepoint", "new, safepoint",
             text);
}

std::string kind_of(const std::string &macro_kind) {
  return macro_kind == "FLAG" ? "flag" : "count";
}

std::vector<std::string> expected_table() {
  return {
      kHeading,
      "|---|---|---|---|---|",
#define LOAM_OPTION(kind, name, default_value, min, max, text) \
  row_##kind(#name, default_value, min, max, text),
#define LOAM_OPTION_PATH(name, text) \
  row(#name, "path", "none", "below " + std::to_string(LOAM_OPTION_PATH_BYTES) + " bytes", text),
#define LOAM_OPTION_HOOK(type, name, text) row(#name, "hook", "NULL", kNone, text),
#define LOAM_OPTION_TORTURE(kind, name, text) \
  row("torture." #name, kind_of(#kind), kind_of(#kind) == "flag" ? "off" : "0", kNone, text),
#include <loam/options.def>
  };
}

// Cells and the blanks between them do not matter to a reader, and so not here: "|a |  b|" is
// "| a | b |", and any run of dashes is a rule.
std::string normalised(const std::string &line) {
  std::string result = "|";
  std::size_t start = line.find('|') + 1;
  for (std::size_t end; (end = line.find('|', start)) != std::string::npos; start = end + 1) {
    std::string cell = trimmed(line.substr(start, end - start));
    if (!cell.empty() && cell.find_first_not_of("-:") == std::string::npos) cell = "---";
    result += " " + cell + " |";
  }
  return result;
}

std::vector<std::string> normalised_all(const std::vector<std::string> &lines) {
  std::vector<std::string> result;
  for (const std::string &line : lines) result.push_back(normalised(line));
  return result;
}

std::vector<std::string> table_in(const SourceFile &file) {
  std::vector<std::string> table;
  for (const std::string &line : file.lines) {
    if (table.empty() ? normalised(line) == kHeading : starts_with(line, "|")) {
      table.push_back(line);
    } else if (!table.empty()) {
      break;
    }
  }
  return table;
}

}  // namespace

TEST_CASE("the option table in runtime/DESIGN.md is that of options.def") {
  const std::vector<std::string> expected = expected_table();
  const std::vector<std::string> actual = table_in(source_file("runtime/DESIGN.md"));
  const bool same = normalised_all(actual) == normalised_all(expected);
  INFO("runtime/DESIGN.md must hold:\n\n", joined(expected));
  CHECK(same);
}
