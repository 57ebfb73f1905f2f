// The options: bounds, defaults and the text form, checked row by row against options.def.
#include <string>

#include "support/host.h"

namespace loam::test {
namespace {

struct Row {
  const char *name;
  std::string kind;
  std::uint64_t default_value, min, max;
  std::uint64_t (*get)(const loam_options &);
  void (*set)(loam_options &, std::uint64_t);
};

const Row kRows[] = {
#define LOAM_OPTION(kind, name, default_value, min, max, text)                                  \
  {#name,                                                                                       \
   #kind,                                                                                       \
   default_value,                                                                               \
   min,                                                                                         \
   max,                                                                                         \
   [](const loam_options &options) { return static_cast<std::uint64_t>(options.name); },        \
   [](loam_options &options, std::uint64_t value) {                                             \
     std::memcpy(&options.name, &value, sizeof options.name); /* also what no enumerator has */ \
   }},
#include <loam/options.def>
};

const Row kTortureRows[] = {
#define LOAM_OPTION_TORTURE(kind, name, text)                                                    \
  {#name,                                                                                        \
   #kind,                                                                                        \
   0,                                                                                            \
   0,                                                                                            \
   UINT64_MAX,                                                                                   \
   [](const loam_options &options) { return static_cast<std::uint64_t>(options.torture.name); }, \
   [](loam_options &options, std::uint64_t value) {                                              \
     std::memcpy(&options.torture.name, &value, sizeof options.torture.name);                    \
   }},
#include <loam/options.def>
};

bool same(const loam_options &a, const loam_options &b) {
  for (const Row &row : kRows) {
    if (row.get(a) != row.get(b)) return false;
  }
  for (const Row &row : kTortureRows) {
    if (row.get(a) != row.get(b)) return false;
  }
  return a.context == b.context && a.fatal == b.fatal && a.message == b.message &&
         a.out_of_memory == b.out_of_memory && a.event == b.event && a.struct_size == b.struct_size;
}

// Options in which every field differs from zero, to show that a refused text leaves all of them.
loam_options distinct() {
  loam_options options = {};
  for (const Row &row : kRows) row.set(options, row.max);
  std::uint64_t value = 0;
  for (const Row &row : kTortureRows) row.set(options, row.kind == "FLAG" ? 1 : ++value);
  return options;
}

bool refused(const std::string &text) {
  INFO("text: '", text, "'");
  loam_options options = distinct();
  bool status = loam_options_parse(&options, text.c_str()) == LOAM_EINVAL;
  CHECK(same(options, distinct()));
  return status;
}

loam_options parsed(const std::string &text) {
  INFO("text: '", text, "'");
  loam_options options = {};
  CHECK(loam_options_parse(&options, text.c_str()) == LOAM_OK);
  return options;
}

std::string as_text(const Row &row, std::uint64_t value) {
  if (row.kind == "ORDER") return value == LOAM_COLLECT_AT_SAFEPOINT ? "safepoint" : "new";
  return std::to_string(value);
}

loam_status create_with(const loam_options &given) {
  loam_options options = given;
  options.fatal = on_fatal;
  loam_runtime *runtime = reinterpret_cast<loam_runtime *>(&options);
  loam_status status = loam_runtime_create(&options, &runtime);
  CHECK((status == LOAM_OK) == (runtime != nullptr));
  loam_runtime_destroy(runtime);
  return status;
}

// Sets $LOAM_OPTIONS for its scope.
class Environment {
 public:
  explicit Environment(const char *text) { REQUIRE(setenv("LOAM_OPTIONS", text, 1) == 0); }
  ~Environment() { unsetenv("LOAM_OPTIONS"); }
};

TEST_CASE("text sets the field that it names, and no other") {
  for (const Row &row : kRows) {
    for (std::uint64_t value : {row.min, row.max}) {
      loam_options expected = {};
      row.set(expected, value);
      CHECK(same(parsed(std::string(row.name) + "=" + as_text(row, value)), expected));
    }
  }
  for (const Row &row : kTortureRows) {
    loam_options expected = {};
    row.set(expected, 1);
    CHECK(same(parsed(std::string("torture=") + row.name + ":1"), expected));
  }
}

TEST_CASE("text out of bounds is refused and changes nothing") {
  for (const Row &row : kRows) {
    std::string assign = std::string(row.name) + "=";
    CHECK(refused(assign + std::to_string(row.max + 1)));
    if (row.min > 1) CHECK(refused(assign + std::to_string(row.min - 1)));
    CHECK(refused(assign + "18446744073709551615"));
    CHECK(refused(assign + "18446744073709551616"));
    CHECK(refused(assign + "-1"));
    CHECK(refused(assign));
    CHECK(refused(assign + "?"));
    if (row.kind != "FLAG") CHECK(refused(row.name));
  }
}

TEST_CASE("a field out of bounds is refused by loam_runtime_create") {
  for (const Row &row : kRows) {
    if (row.kind == "FLAG") continue;
    INFO("option: ", row.name);
    loam_options options = {};
    row.set(options, row.max + 1);
    CHECK(create_with(options) == LOAM_EINVAL);
    if (row.min > 1) {
      options = {};
      row.set(options, row.min - 1);
      CHECK(create_with(options) == LOAM_EINVAL);
    }
  }
}

TEST_CASE("every option works at both of its bounds") {
  for (const Row &row : kRows) {
    for (std::uint64_t value : {row.min, row.max}) {
      INFO("option: ", row.name, " = ", value);
      loam_options options = {};
      row.set(options, value);
      CHECK(create_with(options) == LOAM_OK);
    }
  }
}

TEST_CASE("zero asks for the default") {
  for (const Row &row : kRows) {
    if (row.kind != "SIZE" && row.kind != "COUNT") continue;
    loam_options options = distinct();
    CHECK(loam_options_parse(&options, (std::string(row.name) + "=0").c_str()) == LOAM_OK);
    CHECK(row.get(options) == 0);
  }
  loam_options options = options_from("heap_limit=8M");
  REQUIRE(loam_options_parse(&options, "heap_limit=0") == LOAM_OK);
  Host host(options);
  CHECK(host.stats().heap_limit == 0);
}

TEST_CASE("sizes take K, M and G in either case, and do not wrap") {
  CHECK(parsed("heap_limit=1024K").heap_limit == 1048576);
  CHECK(parsed("heap_limit=1024k").heap_limit == 1048576);
  CHECK(parsed("heap_limit=3M").heap_limit == 3145728);
  CHECK(parsed("heap_limit=3m").heap_limit == 3145728);
  CHECK(parsed("heap_limit=2G").heap_limit == 2147483648);
  CHECK(parsed("heap_limit=2g").heap_limit == 2147483648);
  // 2^54 + 1024 KiB would be 1 MiB modulo 2^64.
  CHECK(refused("heap_limit=18014398509483008K"));
  CHECK(refused("heap_limit=17179869185G"));
  for (const char *value : {"M", "1MM", "1KB", "1T", "0x100000", "1.5M", "1 M", "+1M", "1e9"}) {
    CHECK(refused(std::string("heap_limit=") + value));
  }
  CHECK(refused("young_threshold=1K"));
}

TEST_CASE("flags take words, and their name alone switches them on") {
  for (const char *on : {"debug=1", "debug=true", "debug=on", "debug"}) CHECK(parsed(on).debug);
  for (const char *off : {"debug=0", "debug=false", "debug=off"}) {
    loam_options options = options_from("debug=1");
    CHECK(loam_options_parse(&options, off) == LOAM_OK);
    CHECK_FALSE(options.debug);
  }
  for (const char *bad : {"debug=2", "debug=yes", "debug=TRUE", "debug=01"}) CHECK(refused(bad));
}

TEST_CASE("torture takes a list of its own") {
  loam_torture torture = parsed("torture=fail_at:3+verify:1,debug=1").torture;
  CHECK(torture.fail_at == 3);
  CHECK(torture.verify);
  torture = parsed("torture = verify + seed : 18446744073709551615 + poison : on").torture;
  CHECK(torture.verify);
  CHECK(torture.seed == UINT64_MAX);
  CHECK(torture.poison);
  for (const char *bad :
       {"torture", "torture=", "torture=fail_at", "torture=fail_at:", "torture=fail_at:x",
        "torture=verify+", "torture=+verify", "torture=unknown:1", "torture=fail_at=3",
        "torture=debug:1", "fail_at=3", "torture=seed:18446744073709551616"}) {
    CHECK(refused(bad));
  }
}

TEST_CASE("separators may stand in white space, and a later item wins") {
  loam_options options = parsed("  heap_limit = 64M ,\tcollect_at= safepoint\n,debug ");
  CHECK(options.heap_limit == 67108864);
  CHECK(options.collect_at == LOAM_COLLECT_AT_SAFEPOINT);
  CHECK(options.debug);
  CHECK(parsed("heap_limit=8M,heap_limit=16M").heap_limit == 16777216);
}

TEST_CASE("empty text is no options, but an empty item is a mistake") {
  CHECK(same(parsed(""), loam_options{}));
  CHECK(same(parsed(" \t\n"), loam_options{}));
  for (const char *bad : {",", "debug,", ",debug", "debug,,debug", "=1", "=", "debug 1"}) {
    CHECK(refused(bad));
  }
}

TEST_CASE("names are whole, case matters, and hooks are not set by text") {
  for (const char *bad : {"heap_limi=8M", "heap_limits=8M", "HEAP_LIMIT=8M", "context=0", "fatal=0",
                          "struct_size=8", "unknown=1"}) {
    CHECK(refused(bad));
  }
}

TEST_CASE("one bad item refuses the whole text") {
  CHECK(refused("heap_limit=8M,debug=0,young_threshold=1000,unknown=1"));
}

TEST_CASE("parsing refuses NULL and a struct of another size") {
  loam_options options = {};
  CHECK(loam_options_parse(nullptr, "") == LOAM_EINVAL);
  CHECK(loam_options_parse(&options, nullptr) == LOAM_EINVAL);
  options.struct_size = sizeof options - 8;
  CHECK(loam_options_parse(&options, "debug=1") == LOAM_EINVAL);
  CHECK_FALSE(options.debug);
  options.struct_size = sizeof options;
  CHECK(loam_options_parse(&options, "debug=1") == LOAM_OK);
}

TEST_CASE("creation refuses a struct of another size, and takes ours spelt out") {
  loam_options options = {};
  options.struct_size = sizeof options;
  CHECK(create_with(options) == LOAM_OK);
  for (std::size_t size : {std::size_t{1}, sizeof options - 8, sizeof options + 8}) {
    options.struct_size = size;
    CHECK(create_with(options) == LOAM_EINVAL);
  }
}

TEST_CASE("the environment is applied on top when asked for, and only then") {
  Environment environment("heap_limit=32M");
  loam_options options = options_from("heap_limit=16M");
  {
    Host host(options);
    CHECK(host.stats().heap_limit == 16777216);
  }
  options.use_environment = true;
  {
    Host host(options);
    CHECK(host.stats().heap_limit == 33554432);
  }
}

TEST_CASE("a bad environment is refused, and an empty one is not") {
  loam_options options = {};
  options.use_environment = true;
  for (const char *bad : {"unknown=1", "heap_limit=1", ","}) {
    Environment environment(bad);
    CHECK(create_with(options) == LOAM_EINVAL);
  }
  Environment environment("");
  CHECK(create_with(options) == LOAM_OK);
}

}  // namespace
}  // namespace loam::test
