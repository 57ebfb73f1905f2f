// The arrows of the house: runtime -> gc -> allocator, everyone -> <loam/layout.h>.
#include <doctest/doctest.h>

#include <regex>

#include "source_tree.h"

using namespace loam::test;

namespace {

struct Include {
  std::string where;
  std::string target;  // as written between the quotes or angle brackets
};

std::vector<Include> includes_of(const std::string &folder) {
  static const std::regex kInclude(R"re(^\s*#\s*include\s*["<]([^">]+)[">].*$)re");
  std::vector<Include> includes;
  for (const SourceFile &file : source_files({folder}, {".h", ".cc", ".c", ".def"})) {
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      std::smatch match;
      if (std::regex_match(file.lines[i], match, kInclude)) {
        includes.push_back({file.at(i), match[1]});
      }
    }
  }
  return includes;
}

void check_never_includes(const std::string &folder, const std::vector<std::string> &forbidden) {
  for (const Include &include : includes_of(folder)) {
    for (const std::string &start : forbidden) {
      INFO(include.where, " includes ", include.target);
      CHECK_FALSE(starts_with(include.target, start));
    }
  }
}

}  // namespace

TEST_CASE("allocator/ includes neither gc/ nor runtime/") {
  check_never_includes("allocator", {"gc/", "runtime/", "tests/", "examples/", "bench/"});
}

TEST_CASE("gc/ does not include runtime/") {
  check_never_includes("gc", {"runtime/", "tests/", "examples/", "bench/"});
}

TEST_CASE("runtime/ includes no test, example or benchmark") {
  check_never_includes("runtime", {"tests/", "examples/", "bench/"});
}

TEST_CASE("allocator/ and gc/ know of the public headers only loam/layout.h") {
  for (const char *folder : {"allocator", "gc"}) {
    for (const Include &include : includes_of(folder)) {
      if (!starts_with(include.target, "loam/")) continue;
      INFO(include.where);
      CHECK(include.target == "loam/layout.h");
    }
  }
}

TEST_CASE("no include climbs out of its folder, and so around the rules above") {
  for (const char *folder : {"allocator", "gc", "runtime"}) {
    for (const Include &include : includes_of(folder)) {
      INFO(include.where);
      CHECK(include.target.find("..") == std::string::npos);
    }
  }
}

TEST_CASE("examples use nothing of Loam but its public headers") {
  check_never_includes("examples", {"allocator/", "gc/", "runtime/"});
}
