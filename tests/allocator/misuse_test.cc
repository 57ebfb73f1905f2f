// Misuse of memory and of counts: what debug mode tells, and what no mode may do silently.
//
// Each misuse runs in a child (fatal_message): what its fatal handler was told is the result.
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "support/host.h"

namespace loam::test {
namespace {

std::string address(const void *pointer) {
  char text[32];
  std::snprintf(text, sizeof text, "%p", pointer);
  return text;
}

// The report names the function, and the address where one is given.
void check_report(const std::string &report, const char *function, const void *pointer = nullptr) {
  INFO("report: '", report, "'");
  CHECK(contains(report, function));
  if (pointer != nullptr) CHECK(contains(report, address(pointer)));
  CHECK_FALSE(contains(report, "\n"));
}

// What is told about damage that `misuse` did: at once, by later work on blocks of the size, or by
// loam_verify.
std::string report_of_damage(Host &host, std::size_t size, const std::function<void()> &misuse) {
  return fatal_message([&] {
    misuse();
    for (int i = 0; i < 5000; ++i) loam_free(host.thread, loam_malloc(host.thread, size));
    if (loam_verify(host.runtime, 2) != LOAM_OK && !host.messages.empty()) {
      on_fatal(nullptr, host.messages.back().c_str());
    }
  });
}

TEST_CASE("a program without misuse is not reported in debug mode") {
  Host host("debug");
  std::string report = report_of_damage(host, 48, [&] {
    char *block = static_cast<char *>(loam_malloc(host.thread, 48));
    std::memset(block, 0x41, 48);
    loam_free(host.thread, block);
    host.drop(host.pair());
    host.leak_ring(3);
    host.collect();
  });
  CHECK(report == "");
}

TEST_CASE("a double free is named, small and large, at once and later") {
  Host host("debug");
  for (std::size_t size :
       {std::size_t{0}, std::size_t{24}, std::size_t{256}, std::size_t{257}, std::size_t{100000}}) {
    INFO("size: ", size);
    void *block = loam_malloc(host.thread, size), *other = loam_malloc(host.thread, size);
    check_report(fatal_message([&] {
                   loam_free(host.thread, block);
                   loam_free(host.thread, block);
                 }),
                 "loam_free", block);
    check_report(fatal_message([&] {
                   loam_free(host.thread, block);
                   loam_free(host.thread, other);
                   loam_free(host.thread, block);
                 }),
                 "loam_free", block);
    check_report(fatal_message([&] {
                   loam_free(host.thread, block);
                   loam_free_sized(host.thread, block, size);
                 }),
                 "loam_free", block);
    check_report(fatal_message([&] {
                   loam_free(host.thread, block);
                   loam_realloc(host.thread, block, size + 1);
                 }),
                 "loam_realloc", block);
    loam_free(host.thread, block);
    loam_free(host.thread, other);
  }
}

TEST_CASE("freeing a foreign pointer is named") {
  Host host("debug"), other("debug");
  alignas(16) static char local[64];
  void *from_libc = std::malloc(64);
  void *small = loam_malloc(other.thread, 64), *large = loam_malloc(other.thread, 6400);
  for (void *foreign : {static_cast<void *>(local + 32), from_libc, small, large,
                        reinterpret_cast<void *>(std::uintptr_t{0x1000})}) {
    check_report(fatal_message([&] { loam_free(host.thread, foreign); }), "loam_free", foreign);
    check_report(fatal_message([&] { loam_realloc(host.thread, foreign, 100); }), "loam_realloc",
                 foreign);
  }
  std::free(from_libc);
  loam_free(other.thread, small);
  loam_free(other.thread, large);
}

TEST_CASE("freeing an interior or unaligned pointer is named") {
  Host host("debug");
  for (std::size_t size : {std::size_t{64}, std::size_t{256}, std::size_t{10000}}) {
    char *block = static_cast<char *>(loam_malloc(host.thread, size));
    std::memset(block, 0, size);
    for (std::size_t offset :
         {std::size_t{1}, std::size_t{7}, std::size_t{8}, std::size_t{16}, size - 8, size - 1}) {
      INFO("size: ", size, " offset: ", offset);
      check_report(fatal_message([&] { loam_free(host.thread, block + offset); }), "loam_free",
                   block + offset);
    }
    loam_free(host.thread, block);
  }
}

TEST_CASE("freeing an object as memory is named, and so is dropping memory as an object") {
  Host host("debug");
  Pair *pair = host.pair();
  Sized *large = host.sized(100);
  void *block = loam_calloc(host.thread, 1, 64);
  check_report(fatal_message([&] { loam_free(host.thread, pair); }), "loam_free", pair);
  check_report(fatal_message([&] { loam_free(host.thread, large); }), "loam_free", large);
  static_cast<loam_object *>(block)->refcount = 1;
  check_report(fatal_message([&] { loam_decref(host.thread, static_cast<loam_object *>(block)); }),
               "loam_decref", block);
  loam_free(host.thread, block);
  host.drop(pair);
  host.drop(large);
}

TEST_CASE("a size that does not fit its block is named by loam_free_sized") {
  Host host("debug");
  for (std::size_t size : {std::size_t{40}, std::size_t{1000}}) {
    void *block = loam_malloc(host.thread, size);
    check_report(fatal_message([&] { loam_free_sized(host.thread, block, size + 1000); }),
                 "loam_free_sized", block);
    loam_free(host.thread, block);
  }
}

// Up to what is small with its guards: large blocks go back to the system at once.
TEST_CASE("a write into a freed small block is found") {
  Host host("debug");
  for (std::size_t size : {std::size_t{0}, std::size_t{24}, std::size_t{48}, std::size_t{240}}) {
    for (std::size_t offset : {std::size_t{0}, std::size_t{8}, std::size_t{15}, size - 1}) {
      if (offset > size + 15) continue;
      INFO("size: ", size, " offset: ", offset);
      char *block = static_cast<char *>(loam_malloc(host.thread, size));
      std::memset(block, 0x11, size);
      std::string report = report_of_damage(host, size, [&] {
        loam_free(host.thread, block);
        block[offset] = static_cast<char>(block[offset] ^ 0x5A);
      });
      CHECK(contains(report, address(block)));
      CHECK_FALSE(contains(report, "signal"));
      loam_free(host.thread, block);
    }
  }
}

TEST_CASE("a write into a freed large block is found") {
  if (instrumented()) return;  // there the tool finds it
  Host host("debug");
  for (std::size_t size : {std::size_t{257}, std::size_t{5000}, std::size_t{1} << 20}) {
    for (std::size_t offset : {std::size_t{0}, std::size_t{9}, size / 2, size - 1}) {
      INFO("size: ", size, " offset: ", offset);
      char *block = static_cast<char *>(loam_malloc(host.thread, size));
      std::memset(block, 0x11, size);
      const auto misuse = [&] {
        loam_free(host.thread, block);
        block[offset] = static_cast<char>(block[offset] ^ 0x5A);
      };
      CHECK(contains(report_of_damage(host, size, misuse), address(block)));
      std::string by_verify = fatal_message([&] {
        misuse();
        if (loam_verify(host.runtime, 0) != LOAM_OK) {
          on_fatal(nullptr, host.messages.back().c_str());
        }
      });
      CHECK(contains(by_verify, address(block)));
      loam_free(host.thread, block);
    }
  }
}

TEST_CASE("a write into a dead object is found") {
  Host host("debug");
  Triple *triple = host.triple();
  std::string report = report_of_damage(host, sizeof(Triple), [&] {
    host.drop(triple);
    triple->refs[2] = as_object(triple);
    for (int i = 0; i < 5000; ++i) host.drop(host.triple());
  });
  CHECK(contains(report, address(triple)));
  CHECK_FALSE(contains(report, "signal"));
  host.drop(triple);
}

TEST_CASE("an overflow by 1 and by 8 bytes is found when the block is freed or resized") {
  Host host("debug");
  for (std::size_t size : {std::size_t{0}, std::size_t{13}, std::size_t{16}, std::size_t{24},
                           std::size_t{48}, std::size_t{250}, std::size_t{256}, std::size_t{300},
                           std::size_t{4096}, std::size_t{100001}}) {
    for (std::size_t excess : {std::size_t{1}, std::size_t{8}}) {
      INFO("size: ", size, " excess: ", excess);
      char *block = static_cast<char *>(loam_malloc(host.thread, size));
      auto overflow = [&] {
        for (std::size_t i = 0; i < excess; ++i) {
          block[size + i] = static_cast<char>(block[size + i] ^ 0x5A);
        }
      };
      check_report(fatal_message([&] {
                     overflow();
                     loam_free(host.thread, block);
                   }),
                   "loam_free", block);
      check_report(fatal_message([&] {
                     overflow();
                     loam_realloc(host.thread, block, size + 1);
                   }),
                   "loam_realloc", block);
      loam_free(host.thread, block);
    }
  }
}

TEST_CASE("an overflow of an object is found when it dies, with its type's name") {
  Host host("debug");
  Leaf *leaf = host.leaf();
  Sized *large = host.sized(100);
  std::string report = fatal_message([&] {
    reinterpret_cast<char *>(leaf)[sizeof(Leaf)] ^= 0x5A;
    host.drop(leaf);
  });
  check_report(report, "loam_decref", leaf);
  CHECK(contains(report, "leaf"));
  report = fatal_message([&] {
    reinterpret_cast<char *>(large)[sized_bytes(100)] ^= 0x5A;
    host.drop(large);
  });
  check_report(report, "loam_decref", large);
  CHECK(contains(report, "sized"));
  host.drop(leaf);
  host.drop(large);
}

TEST_CASE("an overflow of garbage is found when it is collected, with its type's name") {
  Host host("debug");
  Triple *triple = host.triple();
  host.set(triple->refs[0], triple);
  std::string report = fatal_message([&] {
    reinterpret_cast<char *>(triple)[sizeof(Triple)] ^= 0x5A;
    host.drop(triple);
    host.collect();
  });
  check_report(report, "collector", triple);
  CHECK(contains(report, "triple"));
  host.drop(triple);
}

TEST_CASE("damage that nothing touched before is found by loam_runtime_destroy") {
  std::string report = fatal_message([] {
    loam_options options = options_from("debug");
    options.fatal = on_fatal;
    options.message = [](void *, const char *) {};
    loam_runtime *runtime = nullptr;
    REQUIRE(loam_runtime_create(&options, &runtime) == LOAM_OK);
    char *block = static_cast<char *>(loam_malloc(loam_runtime_main_thread(runtime), 40));
    block[40] ^= 0x5A;
    loam_runtime_destroy(runtime);
  });
  check_report(report, "loam_runtime_destroy");
}

TEST_CASE("a destroyed weak reference is named in debug mode") {
  Host host("debug");
  Pair *pair = host.pair();
  loam_weak *weak = nullptr;
  REQUIRE(loam_weak_create(host.thread, as_object(pair), nullptr, nullptr, nullptr, &weak) ==
          LOAM_OK);
  loam_weak_destroy(host.thread, weak);
  check_report(fatal_message([&] { loam_weak_get(host.thread, weak); }), "loam_weak_get", weak);
  check_report(fatal_message([&] { loam_weak_destroy(host.thread, weak); }), "loam_weak_destroy",
               weak);
  host.drop(pair);
}

TEST_CASE("freeing into a slab that is not in use is diagnosed in every mode") {
  for (const char *mode : {"", "debug"}) {
    INFO("mode: ", std::string(mode));
    Host host(mode);
    void *block = loam_malloc(host.thread, 64);
    loam_free(host.thread, block);
    loam_trim(host.thread);
    check_report(fatal_message([&] { loam_free(host.thread, block); }), "loam_free", block);
  }
}

TEST_CASE("dropping a dead object is diagnosed in every mode, in debug mode with its type") {
  for (const char *mode : {"", "debug", "torture=never_reuse"}) {
    INFO("mode: ", std::string(mode));
    Host host(mode);
    Pair *pair = host.pair();
    std::string report = fatal_message([&] {
      host.drop(pair);
      host.drop(pair);
    });
    check_report(report, "loam_decref", pair);
    if (std::string(mode) == "debug") CHECK(contains(report, "pair"));
    host.drop(pair);
  }
}

TEST_CASE("dropping a collected object is diagnosed with its type") {
  Host host("debug");
  Triple *triple = host.triple();
  host.set(triple->refs[0], triple);
  std::string report = fatal_message([&] {
    host.drop(triple);
    host.collect();
    host.drop(triple);
  });
  check_report(report, "loam_decref", triple);
  CHECK(contains(report, "triple"));
  host.drop(triple);
}

TEST_CASE("a NULL object or type is named in debug mode") {
  Host host("debug");
  check_report(fatal_message([&] { loam_new_sized(host.thread, nullptr, 64); }), "loam_new_sized");
  check_report(fatal_message([&] { loam_immortalize(host.thread, nullptr); }), "loam_immortalize");
  check_report(fatal_message([&] { loam_try_incref(host.thread, nullptr); }), "loam_try_incref");
  check_report(fatal_message([&] { loam_weak_get(host.thread, nullptr); }), "loam_weak_get");
}

TEST_CASE("a handle of another runtime is named in debug mode") {
  Host host("debug"), other("debug");
  Pair *stranger = other.pair();
  check_report(fatal_message([&] { loam_new(host.thread, other.types.pair); }), "loam_new");
  check_report(
      fatal_message([&] { loam_new_sized(host.thread, other.types.sized, sized_bytes(1)); }),
      "loam_new_sized");
  check_report(fatal_message([&] { host.drop(stranger); }), "loam_decref", stranger);
  other.drop(stranger);
}

TEST_CASE("a count that would overflow pins the object for ever") {
  Host host;
  host.keeps();
  Pair *pair = host.finalized_pair();
  pair->base.refcount = 0x7FFFFFFE;
  host.hold(pair);
  CHECK(loam_refcount(as_object(pair)) == 0x7FFFFFFF);
  host.hold(pair);
  CHECK(loam_refcount(as_object(pair)) == UINT32_MAX);
  std::uint32_t pinned = pair->base.refcount;
  for (int i = 0; i < 1000; ++i) host.drop(pair);
  for (int i = 0; i < 10; ++i) host.hold(pair);
  CHECK(pair->base.refcount == pinned);
  host.leak_ring(3);
  CHECK(host.collect() == 3);
  CHECK(host.finalized == 0);
  CHECK(loam_type_of(host.runtime, as_object(pair)) == host.types.finalized_pair);
  CHECK(host.verify());
}

TEST_CASE("what a pinned object refers to lives as long") {
  Host host;
  host.keeps();
  Pair *pair = host.pair(), *child = host.pair();
  host.give(pair->left, child);
  host.set(child->left, pair);
  pair->base.refcount = 0x7FFFFFFF;
  host.hold(pair);
  CHECK(host.collect() == 0);
  CHECK(loam_refcount(as_object(child)) == 1);
  CHECK(host.verify());
}

TEST_CASE("every reference up to 2^31 - 1 is counted") {
  Host host;
  Pair *pair = host.pair();
  pair->base.refcount = 0x7FFFFFFF;
  host.drop(pair);
  CHECK(loam_refcount(as_object(pair)) == 0x7FFFFFFE);
  pair->base.refcount = 1;
  host.drop(pair);
  CHECK(host.bytes() == 0);
}

TEST_CASE("loam_try_incref also pins at 2^31") {
  Host host;
  host.keeps();
  Pair *pair = host.pair();
  pair->base.refcount = 0x7FFFFFFF;
  CHECK(loam_try_incref(host.thread, as_object(pair)));
  CHECK(loam_refcount(as_object(pair)) == UINT32_MAX);
  CHECK(loam_try_incref(host.thread, as_object(pair)));
  CHECK(loam_refcount(as_object(pair)) == UINT32_MAX);
}

}  // namespace
}  // namespace loam::test
