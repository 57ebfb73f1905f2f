// What the meta tests share: the project's files as lines of text, and the running of commands.
#ifndef LOAM_TESTS_META_SOURCE_TREE_H
#define LOAM_TESTS_META_SOURCE_TREE_H

#include <string>
#include <vector>

namespace loam::test {

struct SourceFile {
  std::string path;  // from the root of the sources, with slashes
  std::vector<std::string> lines;

  bool below(const std::string &folder) const;             // folder without a slash at its end
  bool has_extension(const std::string &extension) const;  // ".cc"
  std::string at(std::size_t index) const;                 // "path:line", counted from 1
};

// The files below `folders` whose extension is one of `extensions`, in order of path. It is a test
// failure when there are none: a test that looks at nothing proves nothing.
std::vector<SourceFile> source_files(const std::vector<std::string> &folders,
                                     const std::vector<std::string> &extensions);

// One file, which must exist.
SourceFile source_file(const std::string &path);

std::string joined(const std::vector<std::string> &lines);
std::string trimmed(const std::string &text);
bool starts_with(const std::string &text, const std::string &start);

// An absolute path in the build directory for files that a test makes.
std::string scratch_path(const std::string &name);
void write_file(const std::string &path, const std::string &text);

struct CommandResult {
  int exit_code;       // -1 when a signal ended it
  std::string output;  // stdout and stderr
};
CommandResult run_command(const std::string &command);

}  // namespace loam::test

#endif  // LOAM_TESTS_META_SOURCE_TREE_H
