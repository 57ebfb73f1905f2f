// What the shared library shows to, and asks of, the programs that load it.
#include <doctest/doctest.h>

#include <sstream>

#include "source_tree.h"

using namespace loam::test;

namespace {

// The last word of each line that `command` prints.
std::vector<std::string> last_words(const std::string &command) {
  const CommandResult result = run_command(command);
  INFO(command, "\n", result.output);
  REQUIRE(result.exit_code == 0);
  std::vector<std::string> words;
  std::istringstream stream(result.output);
  for (std::string line; std::getline(stream, line);) {
    words.push_back(line.substr(line.rfind(' ') + 1));
  }
  REQUIRE_FALSE(words.empty());
  return words;
}

}  // namespace

TEST_CASE("libloam exports loam_* and nothing else") {
  for (const std::string &name : last_words("nm -D --defined-only '" LOAM_LIBRARY "'")) {
    INFO(name);
    CHECK(starts_with(name, "loam_"));
  }
}

TEST_CASE("libloam needs no C++ runtime") {
  for (const std::string &needed : last_words("readelf -d '" LOAM_LIBRARY "' | grep '(NEEDED)'")) {
    INFO(needed);
    CHECK(needed.find("++") == std::string::npos);
    CHECK(needed.find("gcc_s") == std::string::npos);
  }
  for (const std::string &name : last_words("nm -D --undefined-only '" LOAM_LIBRARY "'")) {
    INFO(name);
    CHECK_FALSE(starts_with(name, "_Z"));
    CHECK_FALSE(starts_with(name, "__cxa_pure"));
    CHECK_FALSE(starts_with(name, "__gxx"));
  }
}
