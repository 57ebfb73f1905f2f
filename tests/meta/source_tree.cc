#include "source_tree.h"

#include <doctest/doctest.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>

namespace loam::test {

namespace fs = std::filesystem;

bool SourceFile::below(const std::string &folder) const { return starts_with(path, folder + "/"); }

bool SourceFile::has_extension(const std::string &extension) const {
  return fs::path(path).extension() == extension;
}

std::string SourceFile::at(std::size_t index) const {
  return path + ":" + std::to_string(index + 1);
}

SourceFile source_file(const std::string &path) {
  std::ifstream stream(fs::path(LOAM_SOURCE_DIR) / path, std::ios::binary);
  INFO("missing file: ", path);
  REQUIRE(stream);
  SourceFile file{path, {}};
  for (std::string line; std::getline(stream, line);) file.lines.push_back(line);
  return file;
}

std::vector<SourceFile> source_files(const std::vector<std::string> &folders,
                                     const std::vector<std::string> &extensions) {
  std::vector<std::string> paths;
  for (const std::string &folder : folders) {
    const fs::path root = fs::path(LOAM_SOURCE_DIR) / folder;
    if (!fs::exists(root)) continue;
    for (const fs::directory_entry &entry : fs::recursive_directory_iterator(root)) {
      const std::string extension = entry.path().extension().string();
      if (std::count(extensions.begin(), extensions.end(), extension) == 0) continue;
      paths.push_back(entry.path().lexically_relative(LOAM_SOURCE_DIR).generic_string());
    }
  }
  REQUIRE_FALSE(paths.empty());
  std::sort(paths.begin(), paths.end());
  std::vector<SourceFile> files;
  for (const std::string &path : paths) files.push_back(source_file(path));
  return files;
}

std::string joined(const std::vector<std::string> &lines) {
  std::string text;
  for (const std::string &line : lines) text += line + "\n";
  return text;
}

std::string trimmed(const std::string &text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

bool starts_with(const std::string &text, const std::string &start) {
  return text.compare(0, start.size(), start) == 0;
}

std::string scratch_path(const std::string &name) {
  return (fs::path(LOAM_SCRATCH_DIR) / name).string();
}

void write_file(const std::string &path, const std::string &text) {
  std::ofstream stream(path, std::ios::binary);
  stream << text;
  stream.close();
  REQUIRE(stream);
}

CommandResult run_command(const std::string &command) {
  INFO(command);
  std::FILE *pipe = popen(("{ " + command + "; } 2>&1").c_str(), "r");
  REQUIRE(pipe != nullptr);
  CommandResult result{-1, ""};
  char buffer[4096];
  for (std::size_t n; (n = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) {
    result.output.append(buffer, n);
  }
  const int status = pclose(pipe);
  if (WIFEXITED(status)) result.exit_code = WEXITSTATUS(status);
  return result;
}

}  // namespace loam::test
