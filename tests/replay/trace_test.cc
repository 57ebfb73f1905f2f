// A replay reads what a recorder wrote; what no recorder wrote is refused, with a reason.
#include "bench/replay/trace.h"

#include <doctest/doctest.h>

#include <cstring>
#include <initializer_list>

#include "support/scale.h"

using namespace replay;

namespace {

using loam::test::Random;

const char kPath[] = LOAM_SCRATCH_DIR "/trace_test.trace";

void write_text(const std::string &text, size_t length) {
  std::FILE *file = std::fopen(kPath, "wb");
  REQUIRE(file != nullptr);
  CHECK(std::fwrite(text.data(), 1, length, file) == length);
  CHECK(std::fclose(file) == 0);
}

// Why the trace is refused, or nothing.
std::string refusal(const std::string &text, size_t length) {
  write_text(text, length);
  Trace trace;
  std::string error;
  const bool accepted = read_trace(kPath, &trace, &error);
  CHECK(accepted == error.empty());
  return error;
}
std::string refusal(const std::string &text) { return refusal(text, text.size()); }

bool contains(const std::string &text, const char *part) {
  return text.find(part) != std::string::npos;
}

struct Parts {
  Header header;
  std::string body;

  std::string text() const {
    return std::string(reinterpret_cast<const char *>(&header), sizeof header) + body;
  }
};

// A header that fits the operations, whose varints are all below 128.
Parts parts(std::initializer_list<int> bytes, uint64_t operations, uint64_t ids, uint64_t peak) {
  Parts made{};
  std::memcpy(made.header.magic, kMagic, sizeof kMagic);
  made.header.version = kVersion;
  made.header.operations = operations;
  made.header.ids = ids;
  made.header.peak_live_bytes = peak;
  made.header.body_bytes = bytes.size();
  std::strcpy(made.header.name, "by hand");
  for (int byte : bytes) made.body.push_back(static_cast<char>(byte));
  return made;
}

constexpr int allocate(int bytes) { return bytes * 4; }
constexpr int reallocate(int zigzag) { return zigzag * 4 + 1; }
constexpr int release(int zigzag) { return zigzag * 4 + 2; }

// Allocates 16 and 8, grows the first to 24, frees both.
Parts good() {
  return parts({allocate(16), allocate(8), reallocate(1), 24, release(2), release(1)}, 5, 2, 32);
}

}  // namespace

TEST_CASE("a trace holds the operations, sizes and ids that were written, and their peak") {
  const uint64_t seed = loam::test::seed_or(11);
  INFO("LOAM_TEST_SEED=", seed);
  Random random(seed);
  std::string error;
  for (const bool sized : {false, true}) {
    Writer writer;
    REQUIRE(writer.open(kPath, "random", sized, &error));
    std::vector<Operation> expected;
    std::vector<uint32_t> ids, sizes;
    uint64_t live = 0, peak = 0, most = 0;
    const auto add = [&](uint32_t id, Kind kind, uint32_t bytes) {
      expected.push_back({id << 2 | static_cast<uint32_t>(kind), bytes});
    };
    for (size_t i = 0; i < loam::test::scaled(300000); ++i) {
      const auto bytes = static_cast<uint32_t>(1 + (random.next() >> 34 >> random.below(30)));
      const size_t at = ids.empty() ? 0 : random.below(ids.size());
      const size_t what = ids.empty() ? 0 : random.below(5);
      if (what < 3 && ids.size() < 3000) {
        ids.push_back(writer.allocate(bytes));
        sizes.push_back(bytes);
        live += bytes;
        add(ids.back(), Kind::kAllocate, bytes);
      } else if (what == 3) {
        writer.reallocate(ids[at], bytes);
        live += bytes;
        live -= sizes[at];
        sizes[at] = bytes;
        add(ids[at], Kind::kReallocate, bytes);
      } else {
        writer.release(ids[at]);
        live -= sizes[at];
        add(ids[at], sized ? Kind::kReleaseSized : Kind::kRelease, sizes[at]);
        ids.erase(ids.begin() + static_cast<ptrdiff_t>(at));
        sizes.erase(sizes.begin() + static_cast<ptrdiff_t>(at));
      }
      peak = live > peak ? live : peak;
      most = ids.size() > most ? ids.size() : most;
    }
    REQUIRE(writer.finish(&error));
    Trace trace;
    REQUIRE_MESSAGE(read_trace(kPath, &trace, &error), error);
    CHECK(trace.header.operations == expected.size());
    CHECK(trace.header.peak_live_bytes == peak);
    CHECK(trace.header.ids == most);
    CHECK(std::string(trace.header.name) == "random");
    CHECK(std::memcmp(trace.operations, expected.data(), expected.size() * sizeof(Operation)) == 0);
  }
}

TEST_CASE("no trace appears under its name before it is complete, or when it is abandoned") {
  std::remove(kPath);
  std::string error;
  Writer writer;
  REQUIRE(writer.open(kPath, "abandoned", false, &error));
  writer.allocate(16);
  CHECK(std::fopen(kPath, "rb") == nullptr);
  writer.abandon();
  CHECK(std::fopen(kPath, "rb") == nullptr);
  CHECK(std::fopen(LOAM_SCRATCH_DIR "/trace_test.trace.part", "rb") == nullptr);
}

TEST_CASE("a size that a trace cannot hold fails its recording") {
  for (const size_t bytes : {size_t{0}, size_t{kMostBytes} + 1}) {
    std::string error;
    Writer writer;
    REQUIRE(writer.open(kPath, "sizes", false, &error));
    writer.allocate(bytes);
    CHECK_FALSE(writer.finish(&error));
    CHECK(contains(error, "size"));
  }
}

TEST_CASE("a trace that was cut, at any length, or that goes on behind its end is refused") {
  const std::string text = good().text();
  REQUIRE(refusal(text) == "");
  for (size_t length = 0; length < text.size(); ++length) {
    INFO(length, " of ", text.size());
    CHECK(contains(refusal(text, length), "truncated"));
  }
  CHECK(contains(refusal(text + "x"), "bytes behind the last operation"));
  // The same where the header agrees with the length.
  Parts cut = good();
  cut.body.pop_back();
  --cut.header.body_bytes;
  CHECK(contains(refusal(cut.text()), "operation 4: truncated"));
  Parts longer = good();
  longer.body += "x";
  ++longer.header.body_bytes;
  CHECK(contains(refusal(longer.text()), "bytes behind the last operation"));
}

TEST_CASE("a header that is not a trace's is refused") {
  Parts other = good();
  other.header.magic[3] = 'M';
  CHECK(contains(refusal(other.text()), "not a trace"));
  other = good();
  ++other.header.version;
  CHECK(contains(refusal(other.text()), "version"));
  other = good();
  std::memset(other.header.name, 'x', sizeof other.header.name);
  CHECK(contains(refusal(other.text()), "name"));
  other = good();
  other.header.operations = 0;
  CHECK(contains(refusal(other.text()), "recording did not end"));
  other = good();
  other.header.operations = uint64_t{1} << 60;
  CHECK(contains(refusal(other.text()), "more operations than bytes"));
  other = good();
  other.header.ids = uint64_t{1} << 40;
  CHECK(contains(refusal(other.text()), "too many ids"));
  other = good();
  other.header.ids = 3;
  CHECK(contains(refusal(other.text()), "fewer ids"));
  other = good();
  other.header.ids = 1;
  CHECK(contains(refusal(other.text()), "more ids"));
  other = good();
  ++other.header.peak_live_bytes;
  CHECK(contains(refusal(other.text()), "the peak"));
  std::remove(kPath);
  Trace trace;
  std::string error;
  CHECK_FALSE(read_trace(kPath, &trace, &error));
  CHECK(contains(error, "No such file"));
}

TEST_CASE("operations that no program can have done are refused, with their number") {
  const int a = allocate(16);
  CHECK(contains(refusal(parts({a, release(2)}, 2, 1, 16).text()), "operation 1: id out of range"));
  CHECK(contains(refusal(parts({a, release(1)}, 2, 1, 16).text()), "id out of range"));
  CHECK(contains(refusal(parts({a, reallocate(4), 9}, 2, 1, 16).text()), "id out of range"));
  CHECK(contains(refusal(parts({a, release(0), release(0)}, 3, 1, 16).text()),
                 "operation 2: release of a free id"));
  CHECK(contains(refusal(parts({a, release(0), reallocate(0), 9}, 3, 1, 16).text()),
                 "reallocation of a free id"));
  CHECK(contains(refusal(parts({allocate(0)}, 1, 1, 0).text()), "size out of range"));
  CHECK(contains(refusal(parts({a, reallocate(0), 0}, 2, 1, 16).text()), "size out of range"));
  CHECK(contains(refusal(parts({a, 3}, 2, 1, 16).text()), "unknown kind"));
  const int most = 255;  // a varint that does not end within 64 bits
  CHECK(contains(
      refusal(
          parts({most, most, most, most, most, most, most, most, most, most, 1}, 1, 1, 16).text()),
      "truncated"));
}
