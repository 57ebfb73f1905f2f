// Counts at which a narrow counter would wrap, and edges that come more than once.
#include <doctest/doctest.h>

#include <vector>

#include "../support/host.h"

namespace {

using namespace loam::test;

constexpr std::size_t kBoundaries[] = {1, 2, 254, 255, 256, 257, 300, 65534, 65535, 65536, 65537};

// A hub that `spokes` refer to by `left`; the hub and the spokes form one ring by `right`.
// The test holds one reference to the hub.
Pair *hub_with_spokes(Host &host, std::size_t spokes) {
  Pair *hub = host.pair();
  Pair *last = hub;
  for (std::size_t i = 0; i < spokes; ++i) {
    Pair *spoke = host.pair();
    host.set(spoke->left, hub);
    host.give(last->right, spoke);
    last = spoke;
  }
  host.set(last->right, hub);
  return hub;
}

}  // namespace

TEST_CASE("any number of external references keeps a self-loop, and none lets it go") {
  Host host;
  loam_collect_disable(host.thread);
  for (std::size_t references : kBoundaries) {
    CAPTURE(references);
    Pair *self = host.pair();
    host.set(self->left, self);
    for (std::size_t i = 1; i < references; ++i) host.hold(self);
    CHECK(host.collect() == 0);
    REQUIRE(loam_refcount(as_object(self)) == references + 1);
    for (std::size_t i = 0; i < references; ++i) host.drop(self);
    CHECK(host.collect() == 1);
  }
}

TEST_CASE("any number of inner edges cancels exactly") {
  Host host;
  loam_collect_disable(host.thread);
  for (std::size_t spokes : kBoundaries) {
    CAPTURE(spokes);
    Pair *hub = hub_with_spokes(host, spokes);
    CHECK(host.collect() == 0);
    host.drop(hub);
    CHECK(host.collect() == spokes + 1);
  }
}

TEST_CASE("one external reference beside any number of inner edges keeps everything") {
  Host host;
  loam_collect_disable(host.thread);
  for (std::size_t spokes : kBoundaries) {
    CAPTURE(spokes);
    Pair *hub = hub_with_spokes(host, spokes);
    auto *spoke = reinterpret_cast<Pair *>(hub->right);
    host.hold(spoke);
    host.drop(hub);
    CHECK(host.collect() == 0);
    REQUIRE(loam_refcount(as_object(hub)) == spokes + 1);
    host.drop(spoke);
    CHECK(host.collect() == spokes + 1);
  }
}

TEST_CASE("external references and inner edges that together pass a boundary are told apart") {
  Host host;
  loam_collect_disable(host.thread);
  for (std::size_t spokes : {255u, 256u, 65535u, 65536u}) {
    for (std::size_t references : {1u, 255u, 256u, 65536u}) {
      CAPTURE(spokes);
      CAPTURE(references);
      Pair *hub = hub_with_spokes(host, spokes);
      for (std::size_t i = 1; i < references; ++i) host.hold(hub);
      CHECK(host.collect() == 0);
      for (std::size_t i = 0; i < references; ++i) host.drop(hub);
      CHECK(host.collect() == spokes + 1);
    }
  }
}

TEST_CASE("duplicate edges from one object each count") {
  Host host;
  loam_collect_disable(host.thread);
  for (std::size_t edges : kBoundaries) {
    CAPTURE(edges);
    Sized *holder = host.sized(edges);
    Pair *target = host.pair();
    for (std::size_t i = 0; i < edges; ++i) host.set(holder->refs[i], target);
    host.set(target->left, holder);
    host.set(target->right, holder);
    host.drop(holder);
    CHECK(host.collect() == 0);
    REQUIRE(loam_refcount(as_object(target)) == edges + 1);
    host.drop(target);
    CHECK(host.collect() == 2);
  }
}

TEST_CASE("duplicate edges through one array of tagged words each count") {
  Host host;
  loam_collect_disable(host.thread);
  for (std::size_t edges : kBoundaries) {
    CAPTURE(edges);
    List *list = host.list();
    for (std::size_t i = 0; i < edges; ++i) host.push(list, box(list));
    CHECK(host.collect() == 0);
    host.drop(list);
    CHECK(host.collect() == 1);
  }
}

TEST_CASE("a hub with a million edges into it is kept and collected like any other") {
  Host host;
  loam_collect_disable(host.thread);
  std::size_t spokes = scaled(1000000);
  Pair *hub = hub_with_spokes(host, spokes);
  CHECK(host.collect() == 0);
  CHECK(host.verify());
  host.drop(hub);
  CHECK(host.collect() == spokes + 1);
  CHECK(host.bytes() == 0);
}
