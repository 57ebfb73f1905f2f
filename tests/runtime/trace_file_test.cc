// options.trace_file: what is written, and what happens when it cannot be.
#include <cctype>
#include <cmath>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "support/host.h"

namespace loam::test {
namespace {

const std::string kPath = LOAM_SCRATCH_DIR "/trace_file_test.json";

std::string contents() {
  std::ifstream file(kPath, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// Accepts JSON and nothing else, but for escapes in strings, which no trace has.
class JsonChecker {
 public:
  explicit JsonChecker(const std::string &text) : text_(text) {}
  bool accepts() {
    const bool whole = value();
    blanks();
    return whole && at_ == text_.size();
  }

 private:
  void blanks() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }
  bool take(char c) {
    blanks();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool string() {
    if (!take('"')) return false;
    while (at_ < text_.size() && text_[at_] != '"' && text_[at_] != '\\') ++at_;
    return take('"');
  }
  bool digits() {
    const std::size_t first = at_;
    while (at_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_]))) ++at_;
    return at_ != first;
  }
  bool number() {
    const std::size_t first = at_;
    if (!digits() || (text_[first] == '0' && at_ != first + 1)) return false;
    if (at_ == text_.size() || text_[at_] != '.') return true;
    ++at_;
    return digits();
  }
  bool members(char end, bool named) {
    if (take(end)) return true;
    do {
      if (named && !(string() && take(':'))) return false;
      if (!value()) return false;
    } while (take(','));
    return take(end);
  }
  bool value() {
    blanks();
    if (at_ == text_.size()) return false;
    if (text_[at_] == '"') return string();
    if (take('{')) return members('}', true);
    if (take('[')) return members(']', false);
    return number();
  }

  const std::string &text_;
  std::size_t at_ = 0;
};

bool is_json(const std::string &text) { return JsonChecker(text).accepts(); }

// What stands behind "key": in an event, up to the next delimiter, quotes taken off.
std::string field(const std::string &event, const std::string &key) {
  const std::string label = "\"" + key + "\":";
  std::size_t start = event.find(label);
  REQUIRE(start != std::string::npos);
  start += label.size();
  std::string value = event.substr(start, event.find_first_of(",}", start) - start);
  if (value.front() == '"') value = value.substr(1, value.size() - 2);
  return value;
}

struct Stretch {
  std::string name;
  double start_us, duration_us;
  std::size_t objects, heap_bytes;
};

// One event per line: the stretches, each followed by its point of the heap's curve.
std::vector<Stretch> stretches(const std::string &text) {
  std::vector<Stretch> result;
  std::istringstream lines(text);
  bool expects_counter = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.size() < 2) continue;  // the brackets
    const std::string kind = field(line, "ph");
    CHECK((kind == "C") == expects_counter);
    expects_counter = kind == "X";
    if (kind == "X") {
      result.push_back({field(line, "name"), std::stod(field(line, "ts")),
                        std::stod(field(line, "dur")), std::stoul(field(line, "objects")), 0});
    } else if (kind == "C") {
      REQUIRE_FALSE(result.empty());
      Stretch &stretch = result.back();
      CHECK(field(line, "name") == "heap");
      const double end_us = stretch.start_us + stretch.duration_us;
      CHECK(std::stod(field(line, "ts")) == doctest::Approx(end_us).epsilon(1e-12));
      stretch.heap_bytes = std::stoul(field(line, "bytes"));
    } else {
      CHECK(kind == "M");
    }
  }
  CHECK_FALSE(expects_counter);
  return result;
}

loam_options tracing() { return options_from(("trace_file=" + kPath).c_str()); }

TEST_CASE("the checker of this file knows JSON") {
  for (const char *good : {"[]", "[1.5, {\"a\" : \"b\"}]\n", "{\"a\":[{}]}", "0.001"}) {
    CHECK(is_json(good));
  }
  for (const char *bad : {"", "[", "[1,]", "[1 2]", "{\"a\"}", "[01]", "[1.]", "[]]", "{a:1}"}) {
    CHECK_FALSE(is_json(bad));
  }
}

TEST_CASE("a trace is JSON, with each stretch of work in the order of their ends") {
  loam_stats stats = {};
  std::size_t heap_bytes = 0;
  constexpr int kRounds = 200;  // more than a buffer holds
  {
    Host host(tracing());
    host.on_event = [&](const loam_event &event) {
      if (event.kind == LOAM_EVENT_WORK) heap_bytes = event.bytes;
    };
    for (int i = 0; i < kRounds; ++i) {
      host.leak_ring(7);
      CHECK(loam_collect_young(host.thread) == 7);
      host.leak_ring(3);
      CHECK(host.collect() == 3);
    }
    stats = host.stats();
    host.on_event = nullptr;
  }
  const std::string text = contents();
  CHECK(is_json(text));
  std::size_t young = 0, full_objects = 0;
  long long last_end_ns = 0;
  const std::vector<Stretch> found = stretches(text);
  REQUIRE(found.size() >= 2 * kRounds);
  for (const Stretch &stretch : found) {
    const long long end_ns = std::llround((stretch.start_us + stretch.duration_us) * 1000);
    CHECK(end_ns >= last_end_ns);
    last_end_ns = end_ns;
    young += stretch.name == "young";
    if (stretch.name == "young") CHECK(stretch.objects == 7);
    if (stretch.name == "full") full_objects += stretch.objects;
  }
  CHECK(young == kRounds);
  CHECK(young == stats.work[LOAM_WORK_YOUNG].count);
  CHECK(full_objects >= 3 * kRounds);
  CHECK(found[2 * kRounds - 1].heap_bytes > 0);
  CHECK(heap_bytes > 0);
}

TEST_CASE("a trace that was cut short lacks its end and nothing else") {
  const auto die = [] {
    loam_options options = tracing();
    loam_runtime *runtime = nullptr;
    if (loam_runtime_create(&options, &runtime) != LOAM_OK) _exit(2);
    for (int i = 0; i < 200; ++i) loam_collect(loam_runtime_main_thread(runtime));
    _exit(0);
  };
  CHECK(fatal_message(die) == "");
  const std::string text = contents();
  CHECK_FALSE(is_json(text));
  CHECK(is_json(text + "]"));
  CHECK(stretches(text).size() > 100);
}

TEST_CASE("a child of fork leaves the trace of its parent alone") {
  std::size_t runs = 0;
  {
    Host host(tracing());
    for (int i = 0; i < 5; ++i) host.collect();
    CHECK(fatal_message([&] {
            for (int i = 0; i < 200; ++i) host.collect();
          }) == "");
    host.collect();
    runs = host.stats().collections[LOAM_COLLECTION_FULL].runs;
  }
  const std::string text = contents();
  CHECK(is_json(text));
  std::size_t full = 0;
  for (const Stretch &stretch : stretches(text)) full += stretch.name == "full";
  CHECK(full >= runs);
  CHECK(full < 200);
}

std::vector<std::string> told;
void tell(void *, const char *message) { told.push_back(message); }

TEST_CASE("a trace that cannot be created refuses the runtime, and says why") {
  loam_options options = options_from("trace_file=/nonexistent/folder/trace.json");
  options.message = tell;
  told.clear();
  loam_runtime *runtime = nullptr;
  CHECK(loam_runtime_create(&options, &runtime) == LOAM_EINVAL);
  CHECK(runtime == nullptr);
  REQUIRE(told.size() == 1);
  CHECK(contains(told[0], "/nonexistent/folder/trace.json"));
}

TEST_CASE("a trace that cannot be written says so once, and the runtime goes on") {
  loam_options options = options_from("trace_file=/dev/full");
  options.message = tell;
  told.clear();
  loam_runtime *runtime = nullptr;
  REQUIRE(loam_runtime_create(&options, &runtime) == LOAM_OK);
  for (int i = 0; i < 500; ++i) loam_collect(loam_runtime_main_thread(runtime));
  REQUIRE(told.size() == 1);
  CHECK(contains(told[0], "/dev/full"));
  loam_runtime_destroy(runtime);
  CHECK(told.size() == 1);
}

TEST_CASE("a trace is asked for by the environment too") {
  std::remove(kPath.c_str());
  const std::string text = "trace_file=" + kPath;
  REQUIRE(setenv("LOAM_OPTIONS", text.c_str(), 1) == 0);
  {
    loam_options options = {};
    options.use_environment = true;
    Host host(options);
    host.collect();
  }
  unsetenv("LOAM_OPTIONS");
  CHECK(is_json(contents()));
  CHECK_FALSE(stretches(contents()).empty());
}

TEST_CASE("a path ends at a comma, may be taken back, and must leave room for its zero") {
  loam_options options = options_from(" trace_file = a b/c=d.json , debug");
  CHECK(std::string(options.trace_file) == "a b/c=d.json");
  CHECK(options.debug);
  CHECK(loam_options_parse(&options, "trace_file=") == LOAM_OK);
  CHECK(std::string(options.trace_file).empty());
  CHECK(loam_options_parse(&options, "trace_file") == LOAM_EINVAL);
  const std::string longest(LOAM_OPTION_PATH_BYTES - 1, 'x');
  CHECK(loam_options_parse(&options, ("trace_file=" + longest).c_str()) == LOAM_OK);
  CHECK(options.trace_file == longest);
  CHECK(loam_options_parse(&options, ("trace_file=x" + longest).c_str()) == LOAM_EINVAL);
  CHECK(options.trace_file == longest);
  std::memset(options.trace_file, 'x', sizeof options.trace_file);
  loam_runtime *runtime = nullptr;
  CHECK(loam_runtime_create(&options, &runtime) == LOAM_EINVAL);
}

}  // namespace
}  // namespace loam::test
