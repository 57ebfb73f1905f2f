// Traces that do not tell the truth: too many edges keep an object and are reported, too few leak.
#include <doctest/doctest.h>

#include <string>

#include "../support/cycles.h"

namespace {

using namespace loam::test;

// How often the trace below reports each edge; 1 until a test says otherwise.
std::size_t reports_per_edge;

void trace_dishonestly(loam_object *self, loam_visitor *visitor) {
  Pair *pair = reinterpret_cast<Pair *>(self);
  for (std::size_t i = 0; i < reports_per_edge; ++i) {
    loam_visit(visitor, pair->left);
    loam_visit(visitor, pair->right);
  }
}

loam_type *dishonest_type(Host &host) {
  reports_per_edge = 1;
  loam_type_spec spec = spec_of("dishonest", sizeof(Pair));
  spec.trace = trace_dishonestly;
  return host.register_type(spec);
}

// Two pairs in a cycle, the first of the dishonest type; nothing holds them.
struct Cycle {
  Pair *dishonest, *honest;
};
Cycle leak_cycle(Host &host, loam_type *type) {
  Cycle cycle = {host.make<Pair>(type), host.pair()};
  host.give(cycle.dishonest->left, cycle.honest);
  host.set(cycle.honest->left, cycle.dishonest);
  host.drop(cycle.dishonest);
  return cycle;
}

bool mentioned(const Host &host, const std::string &part) {
  for (const std::string &message : host.messages) {
    if (contains(message, part)) return true;
  }
  return false;
}

std::uint64_t uncollectable(const Host &host, loam_collection kind) {
  return host.stats().collections[kind].uncollectable;
}

}  // namespace

TEST_CASE("objects with more edges reported than counted are kept and reported") {
  Host host;
  host.expect_messages();
  Cycle cycle = leak_cycle(host, dishonest_type(host));
  std::size_t before = host.bytes();
  reports_per_edge = 2;
  loam_collection kind = LOAM_COLLECTION_FULL;
  SUBCASE("by a full collection") { CHECK(host.collect() == 0); }
  SUBCASE("by a young collection") {
    kind = LOAM_COLLECTION_YOUNG;
    CHECK(loam_collect_young(host.thread) == 0);
  }
  CHECK(host.bytes() == before);
  CHECK(uncollectable(host, kind) > 0);
  REQUIRE(!host.messages.empty());
  CHECK(mentioned(host, "pair"));
  CHECK(cycle.honest->left == as_object(cycle.dishonest));
  CHECK(loam_refcount(as_object(cycle.honest)) == 1);

  reports_per_edge = 1;
  CHECK(host.collect() == 2);
  CHECK(host.bytes() == 0);
}

TEST_CASE("over-reporting spoils no garbage but its own") {
  Host host;
  host.expect_messages();
  leak_cycle(host, dishonest_type(host));
  host.leak_ring(100);
  reports_per_edge = 3;
  CHECK(host.collect() == 100);
  reports_per_edge = 1;
  CHECK(host.collect() == 2);
}

TEST_CASE("over-reported objects that live are not freed") {
  Host host;
  host.expect_messages();
  Cycle cycle = leak_cycle(host, dishonest_type(host));
  host.hold(cycle.dishonest);
  reports_per_edge = 2;
  CHECK(host.collect() == 0);
  CHECK(cycle.dishonest->left == as_object(cycle.honest));
  reports_per_edge = 1;
  host.drop(cycle.dishonest);
  CHECK(host.collect() == 2);
}

TEST_CASE("the verifier finds a trace that reports too much") {
  Host host;
  host.expect_messages();
  Cycle cycle = leak_cycle(host, dishonest_type(host));
  host.hold(cycle.dishonest);
  CHECK(loam_verify(host.runtime, 2) == LOAM_OK);
  reports_per_edge = 2;
  CHECK(loam_verify(host.runtime, 2) == LOAM_ESTATE);
  CHECK_FALSE(host.messages.empty());
  reports_per_edge = 1;
  CHECK(loam_verify(host.runtime, 2) == LOAM_OK);
  host.drop(cycle.dishonest);
}

TEST_CASE("edges that a trace leaves out leak, and no more") {
  Host host;
  leak_cycle(host, dishonest_type(host));
  host.leak_ring(10);
  std::size_t leaked = host.bytes();
  reports_per_edge = 0;
  CHECK(host.collect() == 10);
  CHECK(host.bytes() < leaked);
  CHECK(host.bytes() > 0);
  CHECK(host.messages.empty());
  CHECK(host.verify());
  reports_per_edge = 1;
  CHECK(host.collect() == 2);
  CHECK(host.bytes() == 0);
}

TEST_CASE("in slices too, over-reported objects are kept with all that they hold, and reported") {
  for (const char *options : {"torture=slice:5", "torture=slice:500"}) {
    CAPTURE(options);
    Host host(options);
    Cycles cycles(host);
    host.expect_messages();
    Cycle cycle = leak_cycle(host, dishonest_type(host));
    reports_per_edge = 2;  // before a collection sees them
    run_cycle(host, cycles);
    run_cycle(host, cycles);
    CHECK(mentioned(host, "traces report"));
    CHECK(cycle.dishonest->left == as_object(cycle.honest));
    CHECK(cycle.honest->left == as_object(cycle.dishonest));
    reports_per_edge = 1;
    run_cycle(host, cycles);
    run_cycle(host, cycles);
    CHECK(host.bytes() == 0);
  }
}

TEST_CASE("an over-report does not outweigh the reference that a variable holds to a neighbour") {
  const std::uint64_t seed = seed_or(1);
  INFO("LOAM_TEST_SEED=", seed);
  Random random(seed);
  Host host("torture=slice:1");
  Cycles cycles(host);
  host.expect_messages();
  loam_type *type = dishonest_type(host);
  // A variable holds the pair, and the pair the triple, which it reports twice; or the variable
  // holds the triple, and the triple the pair.
  Pair *pair = host.make<Pair>(type);
  Triple *triple = host.triple();
  loam_object *variable = as_object(pair);
  pair->left = as_object(triple);
  reports_per_edge = 2;
  bool whole = true;
  while (cycles.ends < scaled(4000) && whole) {
    if (random.below(2) == 0) {
      const bool at_pair = variable == as_object(pair);
      loam_object *&from = at_pair ? pair->left : triple->refs[0];
      loam_object *&to = at_pair ? triple->refs[0] : pair->left;
      to = variable;
      variable = from;
      from = nullptr;
    }
    loam_safepoint(host.thread);
    whole = pair->base.refcount == 1 && triple->base.refcount == 1;
  }
  CHECK(whole);
  reports_per_edge = 1;
  loam_decref(host.thread, variable);
}
