// What statistics and events say about collections.
#include <doctest/doctest.h>

#include <iterator>
#include <numeric>
#include <vector>

#include "../support/host.h"

namespace {

using namespace loam::test;

loam_collection_stats kind_of(const Host &host, loam_collection kind) {
  return host.stats().collections[kind];
}

std::uint64_t in_buckets(const loam_pauses &pauses) {
  return std::accumulate(std::begin(pauses.buckets), std::end(pauses.buckets), std::uint64_t{0});
}

}  // namespace

TEST_CASE("a full collection counts what it freed and what it kept") {
  Host host;
  Pair *live = host.pair();
  host.set(live->left, live);
  for (int i = 0; i < 9; ++i) {  // a list of ten containers in all
    Pair *next = host.pair();
    host.give(next->right, live);
    live = next;
  }
  host.leak_ring(7);
  CHECK(host.collect() == 7);
  loam_collection_stats full = kind_of(host, LOAM_COLLECTION_FULL);
  loam_collection_stats young = kind_of(host, LOAM_COLLECTION_YOUNG);
  CHECK(full.collected + young.collected == 7);
  CHECK(full.survivors == 10);
  CHECK(full.uncollectable == 0);
  CHECK(full.resurrected == 0);
  CHECK(host.stats().freed_by_collector == 7);
  host.collect();
  CHECK(kind_of(host, LOAM_COLLECTION_FULL).survivors == 20);
  host.drop(live);
}

TEST_CASE("a young collection judges only what is new") {
  Host host;
  Pair *old = host.pair();
  CHECK(loam_collect_young(host.thread) == 0);
  CHECK(kind_of(host, LOAM_COLLECTION_YOUNG).survivors == 1);
  Pair *young = host.pair();
  host.leak_ring(3);
  CHECK(loam_collect_young(host.thread) == 3);
  loam_collection_stats stats = kind_of(host, LOAM_COLLECTION_YOUNG);
  CHECK(stats.survivors == 2);
  CHECK(stats.collected == 3);
  CHECK(stats.pauses.count == 2);
  CHECK(kind_of(host, LOAM_COLLECTION_FULL).pauses.count == 0);
  host.drop(old);
  host.drop(young);
}

TEST_CASE("a collection inside a callback is counted as an emergency") {
  Host host;
  host.on_finalize = [&](Pair *) {
    host.leak_ring(4);
    CHECK(host.collect() == 4);
  };
  host.drop(host.finalized_pair());
  loam_collection_stats emergency = kind_of(host, LOAM_COLLECTION_EMERGENCY);
  CHECK(emergency.collected == 4);
  CHECK(emergency.pauses.count == 1);
}

TEST_CASE("every collection leaves one pause in the histogram") {
  Host host;
  for (int i = 0; i < 10; ++i) {
    host.leak_ring(100);
    host.collect();
  }
  loam_pauses pauses = kind_of(host, LOAM_COLLECTION_FULL).pauses;
  CHECK(pauses.count == 10);
  CHECK(in_buckets(pauses) == 10);
  CHECK(pauses.max_ns > 0);
  CHECK(pauses.total_ns >= pauses.max_ns);
}

TEST_CASE("what dies by its count is counted apart, children of the collected included") {
  Host host;
  host.drop(host.pair());
  CHECK(host.stats().freed_by_count == 1);
  Pair *self = host.pair();
  host.set(self->left, self);
  host.give(self->right, host.leaf());
  host.drop(self);
  CHECK(host.collect() == 1);
  CHECK(host.stats().freed_by_count == 2);
  CHECK(host.stats().freed_by_collector == 1);
}

TEST_CASE("events come once at the start and once at the end of a collection") {
  for (loam_collection kind : {LOAM_COLLECTION_YOUNG, LOAM_COLLECTION_FULL}) {
    CAPTURE(kind);
    Host host;
    std::vector<loam_event> events;
    host.on_event = [&](const loam_event &event) {
      if (event.kind != LOAM_EVENT_WORK && event.collection == kind) events.push_back(event);
    };
    Pair *live = host.pair();
    host.leak_ring(5);
    if (kind == LOAM_COLLECTION_FULL) {
      host.collect();
    } else {
      loam_collect_young(host.thread);
    }
    REQUIRE(events.size() == 2);
    CHECK(events[0].kind == LOAM_EVENT_COLLECTION_START);
    CHECK(events[0].objects == 0);
    CHECK(events[0].duration_ns == 0);
    CHECK(events[1].kind == LOAM_EVENT_COLLECTION_END);
    CHECK(events[1].objects == kind_of(host, kind).collected);
    CHECK(events[1].survivors == kind_of(host, kind).survivors);
    CHECK(events[1].time_ns >= events[0].time_ns);
    CHECK(events[1].duration_ns <= events[1].time_ns - events[0].time_ns);
    CHECK(events[1].bytes <= events[0].bytes);
    host.on_event = nullptr;
    host.drop(live);
  }
}

TEST_CASE("collecting from an event does nothing") {
  Host host;
  std::size_t calls = 0, collected = 0;
  host.on_event = [&](const loam_event &) {
    ++calls;
    collected += host.collect() + loam_collect_young(host.thread);
  };
  host.leak_ring(5);
  CHECK(host.collect() == 5);
  CHECK(calls >= 2);
  CHECK(collected == 0);
  host.on_event = nullptr;
}
