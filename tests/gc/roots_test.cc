// Registered roots are a hint: they change what a collection costs, never what it finds.
#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "../support/host.h"

namespace {

using namespace loam::test;

// The hint of these tests: some of the live objects, NULL among them.
struct Roots {
  std::vector<loam_object *> objects;
  std::size_t calls = 0;

  static void report(loam_visitor *visitor, void *context) {
    auto *roots = static_cast<Roots *>(context);
    ++roots->calls;
    for (loam_object *object : roots->objects) loam_visit(visitor, object);
  }
};

Pair *self_loop(Host &host) {
  Pair *pair = host.pair();
  host.set(pair->left, pair);
  return pair;
}

}  // namespace

TEST_CASE("a collection frees the same with all, some, repeated or no roots reported") {
  Host host;
  std::vector<Pair *> live;
  for (int i = 0; i < 20; ++i) {
    Pair *pair = self_loop(host);
    host.give(pair->right, self_loop(host));
    live.push_back(pair);
  }
  host.collect();
  Roots roots;
  SUBCASE("none") {}
  SUBCASE("NULL only") { roots.objects = {nullptr}; }
  SUBCASE("all") {
    for (Pair *pair : live) roots.objects.push_back(as_object(pair));
  }
  SUBCASE("half, twice, and NULL") {
    for (int i = 0; i < 10; ++i) {
      roots.objects.insert(roots.objects.end(), {as_object(live[0]), nullptr, as_object(live[1])});
    }
  }
  SUBCASE("what a live object holds") { roots.objects = {live[0]->right}; }
  loam_roots *handle = nullptr;
  REQUIRE(loam_roots_register(host.runtime, Roots::report, &roots, &handle) == LOAM_OK);
  for (int i = 0; i < 5; ++i) {
    host.leak_ring(50);
    Pair *dying = live.back();  // old by now
    live.pop_back();
    roots.objects.erase(std::remove(roots.objects.begin(), roots.objects.end(), as_object(dying)),
                        roots.objects.end());
    host.drop(dying);
    CHECK(host.collect() == 52);
    CHECK(host.verify());
  }
  for (Pair *pair : live) {
    CHECK(pair->left == as_object(pair));
    host.drop(pair);
  }
  loam_roots_unregister(host.runtime, handle);
  std::size_t calls = roots.calls;
  CHECK(host.collect() == 2 * live.size());
  CHECK(roots.calls == calls);
}

TEST_CASE("several hints stand side by side, and go with the runtime") {
  Host host;
  Pair *first = self_loop(host);
  Sized *large = host.sized(100);
  Leaf *leaf = host.leaf();
  Roots near{{as_object(first)}}, far{{as_object(large), as_object(leaf)}};
  loam_roots *handles[2] = {};
  REQUIRE(loam_roots_register(host.runtime, Roots::report, &near, &handles[0]) == LOAM_OK);
  REQUIRE(loam_roots_register(host.runtime, Roots::report, &far, &handles[1]) == LOAM_OK);
  host.leak_ring(10);
  CHECK(host.collect() == 10);
  loam_roots_unregister(host.runtime, handles[0]);
  host.drop(first);
  CHECK(host.collect() == 1);
  far.objects.clear();
  host.drop(large);
  host.drop(leaf);
  CHECK(host.bytes() == 0);
}

TEST_CASE("roots without a function or a place for the handle are refused") {
  Host host;
  loam_roots *handle = reinterpret_cast<loam_roots *>(&host);
  CHECK(loam_roots_register(host.runtime, nullptr, nullptr, &handle) == LOAM_EINVAL);
  CHECK(handle == nullptr);
  CHECK(loam_roots_register(host.runtime, Roots::report, nullptr, nullptr) == LOAM_EINVAL);
  CHECK(loam_roots_register(nullptr, Roots::report, nullptr, &handle) == LOAM_EINVAL);
}
