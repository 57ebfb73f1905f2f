// The README's example does what the README says.
#include <doctest/doctest.h>

#include "source_tree.h"

using namespace loam::test;

namespace {

// The text between the first line that is `fence` from `*position` on and the next "```".
std::string block_after(const SourceFile &file, const std::string &fence, std::size_t *position) {
  std::size_t i = *position;
  while (i < file.lines.size() && file.lines[i] != fence) ++i;
  INFO(file.path, " has no block that starts with ", fence);
  REQUIRE(i < file.lines.size());
  std::string text;
  for (++i; i < file.lines.size() && file.lines[i] != "```"; ++i) text += file.lines[i] + "\n";
  REQUIRE(i < file.lines.size());
  *position = i;
  return text;
}

std::string folder_of(const std::string &path) { return path.substr(0, path.rfind('/')); }

}  // namespace

TEST_CASE("the first C example in README.md prints the text block behind it") {
  const SourceFile readme = source_file("README.md");
  std::size_t position = 0;
  const std::string source = block_after(readme, "```c", &position);
  const std::string expected = block_after(readme, "```text", &position);

  const std::string program = scratch_path("readme_example");
  write_file(program + ".c", source);
  const CommandResult built = run_command(
      LOAM_C_COMPILER " -std=c11 -Wall -Wextra -Werror -I'" LOAM_SOURCE_DIR "/runtime/include' '" +
      program + ".c' -o '" + program +
      "' '" LOAM_LIBRARY "' " LOAM_EXTRA_LIBRARIES " -Wl,-rpath,'" + folder_of(LOAM_LIBRARY) +
      "' " LOAM_LINK_FLAGS);
  INFO(built.output);
  REQUIRE(built.exit_code == 0);

  const CommandResult ran = run_command("'" + program + "'");
  CHECK(ran.exit_code == 0);
  CHECK(ran.output == expected);
}
