// Invariants have tags. Each is defined once, in the DESIGN.md of its folder, by a line that starts
// with the tag in bold, and the code cites it where it is kept or checked.
#include <doctest/doctest.h>

#include <map>
#include <regex>

#include "source_tree.h"

using namespace loam::test;

namespace {

struct Folder {
  const char *letter;
  const char *name;
};
constexpr Folder kFolders[] = {{"A", "allocator"}, {"G", "gc"}, {"R", "runtime"}};

// Tag -> the places where it stands.
using Tags = std::map<std::string, std::vector<std::string>>;

void add_tags(const SourceFile &file, Tags *tags) {
  static const std::regex kTag(R"(\[([AGR]-[0-9]+)\])");
  for (std::size_t i = 0; i < file.lines.size(); ++i) {
    const std::string &line = file.lines[i];
    for (std::sregex_iterator it(line.begin(), line.end(), kTag), end; it != end; ++it) {
      (*tags)[(*it)[1]].push_back(file.at(i));
    }
  }
}

Tags definitions() {
  static const std::regex kDefinition(R"(^\*\*\[([AGR]-[0-9]+)\]\*\*.*$)");
  Tags tags;
  for (const Folder &folder : kFolders) {
    const SourceFile file = source_file(std::string(folder.name) + "/DESIGN.md");
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      std::smatch match;
      if (!std::regex_match(file.lines[i], match, kDefinition)) continue;
      const std::string tag = match[1];
      INFO(file.at(i), " defines [", tag, "], whose letter belongs to another folder");
      CHECK(starts_with(tag, folder.letter));
      tags[tag].push_back(file.at(i));
    }
  }
  return tags;
}

Tags citations_in_code() {
  Tags tags;
  for (const SourceFile &file : source_files({"allocator", "gc", "runtime", "tests", "bench"},
                                             {".h", ".cc", ".c", ".def"})) {
    if (!file.below("tests/meta")) add_tags(file, &tags);
  }
  return tags;
}

void check_defined(const Tags &cited, const Tags &defined) {
  for (const Tags::value_type &tag : cited) {
    INFO(tag.second.front(), " cites [", tag.first, "], which no DESIGN.md defines");
    CHECK(defined.count(tag.first) == 1);
  }
}

}  // namespace

TEST_CASE("each invariant is defined once") {
  const Tags defined = definitions();
  CHECK_FALSE(defined.empty());
  for (const Tags::value_type &tag : defined) {
    INFO("[", tag.first, "] is defined at ", tag.second.front(), " and at ", tag.second.back());
    CHECK(tag.second.size() == 1);
  }
}

TEST_CASE("every invariant that the code cites is defined") {
  check_defined(citations_in_code(), definitions());
}

TEST_CASE("every invariant that a document cites is defined") {
  Tags cited;
  for (const Folder &folder : kFolders) {
    add_tags(source_file(std::string(folder.name) + "/DESIGN.md"), &cited);
  }
  check_defined(cited, definitions());
}

TEST_CASE("every defined invariant is cited by code") {
  const Tags cited = citations_in_code();
  for (const Tags::value_type &tag : definitions()) {
    INFO("[", tag.first, "], defined at ", tag.second.front(), ", is cited nowhere");
    CHECK(cited.count(tag.first) == 1);
  }
}
