// Bounds on what a reader must take in at once.
#include <doctest/doctest.h>

#include <regex>

#include "source_tree.h"

using namespace loam::test;

namespace {

constexpr std::size_t kHeaderLines = 300;
constexpr std::size_t kSourceLines = 600;
constexpr std::size_t kFunctionLines = 60;
constexpr std::size_t kColumns = 100;
const char kPublicHeaders[] = "runtime/include";

std::vector<SourceFile> all_code() {
  return source_files({"allocator", "gc", "runtime", "tests", "bench", "examples"},
                      {".h", ".cc", ".c"});
}

std::vector<SourceFile> library_code() {
  return source_files({"allocator", "gc", "runtime"}, {".h", ".cc"});
}

// Code points, not bytes: every byte of UTF-8 but the continuation bytes 10xxxxxx starts one.
std::size_t columns(const std::string &line) {
  std::size_t count = 0;
  for (char c : line) count += (static_cast<unsigned char>(c) & 0xC0u) != 0x80u;
  return count;
}

std::size_t indent(const std::string &line) {
  const std::size_t first = line.find_first_not_of(' ');
  return first == std::string::npos ? line.size() : first;
}

bool opens_type_or_scope(const std::string &head) {
  static const std::regex kScope(
      R"(\s*(namespace|class|struct|enum|union|extern "C"|typedef|template.*(class|struct)).*)");
  return std::regex_match(head, kScope);
}

bool is_comment(const std::string &line) {
  const std::string text = trimmed(line);
  return starts_with(text, "//") || starts_with(text, "/*") || starts_with(text, "*");
}

struct Body {
  std::size_t start;  // index of the line on which the signature starts
  std::size_t lines;  // from the line of the opening brace to that of the closing one
};

// Function bodies, as clang-format lays them out: from a line that ends in ") {", ") const {" or
// "} {" to the "}" at the indent of the line on which the signature starts. Only bodies that are
// not inside another count: loops and lambdas are part of theirs.
std::vector<Body> function_bodies(const std::vector<std::string> &lines) {
  static const std::regex kBody(R"(^.*[)}]( const| noexcept| override)* \{$)");
  std::vector<Body> bodies;
  std::size_t start = 0;
  bool starts_here = true;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::string &line = lines[i];
    if (starts_here) start = i;
    if (std::regex_match(line, kBody) && !opens_type_or_scope(lines[start])) {
      const std::string end = std::string(indent(lines[start]), ' ') + "}";
      const std::size_t first = i;
      while (i < lines.size() && lines[i] != end) ++i;
      bodies.push_back({start, i - first + 1});
      starts_here = true;
    } else {
      // A signature starts behind what ends a declaration, a scope's head, a label or a comment.
      starts_here = line.empty() || line[0] == '#' || is_comment(line) ||
                    std::string(";}:{").find(line.back()) != std::string::npos;
    }
  }
  return bodies;
}

bool is_include_guard(const SourceFile &file, std::size_t index) {
  static const std::regex kGuard(R"(^#ifndef (\w+_H)$)");
  std::smatch match;
  return std::regex_match(file.lines[index], match, kGuard) && index + 1 < file.lines.size() &&
         file.lines[index + 1] == "#define " + match[1].str();
}

bool may_use_conditionals(const SourceFile &file) {
  const std::string name = file.path.substr(file.path.rfind('/') + 1);
  return file.below("allocator/base") || file.below(kPublicHeaders) || starts_with(name, "os_");
}

}  // namespace

TEST_CASE("headers have at most 300 lines, public ones excepted, and sources at most 600") {
  for (const SourceFile &file : all_code()) {
    if (file.below(kPublicHeaders)) continue;
    INFO(file.path);
    CHECK(file.lines.size() <= (file.has_extension(".h") ? kHeaderLines : kSourceLines));
  }
}

TEST_CASE("functions have fewer than 60 lines") {
  for (const SourceFile &file : all_code()) {
    // A bytecode loop is one function, so that its registers are the machine's.
    if (file.path == "examples/lox/interpreter.cc") continue;
    for (const Body &body : function_bodies(file.lines)) {
      INFO(file.at(body.start), ": a function of ", body.lines, " lines");
      CHECK(body.lines < kFunctionLines);
    }
  }
}

TEST_CASE("the rule for functions sees members, split signatures and nested braces") {
  const std::vector<std::string> lines = {
      "namespace loam {",                  // 0
      "class Heap {",                      // 1
      " public:",                          // 2
      "  explicit Heap(int a) : a_{a} {",  // 3: 3 lines
      "    if (a) {",                      //
      "  }",                               // 5
      "  int long_name(int a,",            // 6
      "                int b) const {",    // 7: 3 lines
      "    while (b) {",                   //
      "  }",                               // 9
      "};",                                //
      "constexpr int kTable[] = {",        //
      "    1, 2};",                        //
      "void one_line() { return; }",       //
      "/* a comment */",                   //
      "TEST_CASE(\"x\") {",                // 15: 2 lines
      "}",                                 //
      "}  // namespace loam",              //
  };
  const std::vector<Body> bodies = function_bodies(lines);
  REQUIRE(bodies.size() == 3);
  CHECK(bodies[0].start == 3);
  CHECK(bodies[0].lines == 3);
  CHECK(bodies[1].start == 6);
  CHECK(bodies[1].lines == 3);
  CHECK(bodies[2].start == 15);
  CHECK(bodies[2].lines == 2);
}

TEST_CASE("lines have at most 100 columns") {
  for (const SourceFile &file : all_code()) {
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      INFO(file.at(i), ": ", columns(file.lines[i]), " columns");
      CHECK(columns(file.lines[i]) <= kColumns);
    }
  }
}

TEST_CASE("no source includes another") {
  static const std::regex kSource(R"(^\s*#\s*include\s*["<].*\.(cc|c|cpp)[">].*$)");
  for (const SourceFile &file : all_code()) {
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      INFO(file.at(i), ": ", file.lines[i]);
      CHECK_FALSE(std::regex_match(file.lines[i], kSource));
    }
  }
}

TEST_CASE("preprocessor conditionals stay in allocator/base/, os_* and the public headers") {
  static const std::regex kConditional(R"(^\s*#\s*(if|ifdef|ifndef|elif)\b.*$)");
  for (const SourceFile &file : library_code()) {
    if (may_use_conditionals(file)) continue;
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      if (!std::regex_match(file.lines[i], kConditional)) continue;
      INFO(file.at(i), ": ", file.lines[i]);
      CHECK(is_include_guard(file, i));
    }
  }
}
