// The C test calls the whole public API.
#include <doctest/doctest.h>

#include <regex>
#include <set>

#include "source_tree.h"

using namespace loam::test;

namespace {

// Names declared in a header: what follows LOAM_API, or is static inline, up to its parenthesis.
void add_functions(const std::string &path, std::set<std::string> *names) {
  static const std::regex kFunction(
      R"((?:LOAM_API|LOAM_HOT|static inline)[\w\s*]*?\b(loam_\w+)\()");
  const std::string text = joined(source_file(path).lines);
  for (std::sregex_iterator it(text.begin(), text.end(), kFunction), end; it != end; ++it) {
    names->insert((*it)[1]);
  }
}

}  // namespace

TEST_CASE("tests/capi/every_call.c calls every public function") {
  std::set<std::string> names;
  add_functions("runtime/include/loam/loam.h", &names);
  add_functions("runtime/include/loam/inline.h", &names);
  CHECK(names.size() > 50);
  const std::string program = joined(source_file("tests/capi/every_call.c").lines);
  for (const std::string &name : names) {
    // The slow partners, and what hot calls share, are reached through those calls.
    if (std::regex_match(name, std::regex("loam_.*_slow|loam_push_freed"))) continue;
    INFO(name);
    CHECK(std::regex_search(program, std::regex("\\b" + name + "\\(")));
  }
}
