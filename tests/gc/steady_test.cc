// Programs in the long run, with the pace that is the default: what collections cost as a heap
// grows, and how far it grows past what is live. Counted in objects and bytes, never in time.
#include <doctest/doctest.h>
#include <sys/prctl.h>

#include <algorithm>
#include <vector>

#include "../support/cycles.h"

namespace {

using namespace loam::test;

std::size_t all_units(const Cycles &cycles) {
  std::size_t sum = 0;
  for (std::size_t units : cycles.units) sum += units;
  return sum;
}

// The work of growing to `length` objects, none of them garbage.
std::size_t work_to_grow(std::size_t length) {
  Host host;
  Cycles cycles(host);
  Pair *last = nullptr;
  for (std::size_t i = 0; i < length; ++i) {
    Pair *pair = host.pair();
    if (last != nullptr) host.set(last->right, pair);
    host.give(pair->left, last);
    last = pair;
    loam_safepoint(host.thread);
  }
  CHECK(cycles.collected == 0);
  loam_collect_disable(host.thread);
  while (last != nullptr) {
    Pair *before = reinterpret_cast<Pair *>(last->left);
    last->left = nullptr;
    if (before != nullptr) host.set(before->right, nullptr);
    host.drop(last);
    last = before;
  }
  return all_units(cycles);
}

// Rings of pairs in places that a variable holds each.
struct Sessions {
  Host &host;
  std::vector<Pair *> places;
  std::size_t ring;

  Pair *make() {
    Pair *first = host.pair(), *last = first;
    for (std::size_t i = 1; i < ring; ++i) {
      Pair *next = host.pair();
      host.give(next->left, last);
      last = next;
      loam_safepoint(host.thread);
    }
    host.give(first->left, last);
    host.hold(first);
    return first;
  }
  void replace(std::size_t place) {
    if (places[place] != nullptr) host.drop(places[place]);  // garbage now, and old
    places[place] = make();
  }
  // Bytes that one takes.
  std::size_t bytes() const { return ring * 24; }
};

}  // namespace

TEST_CASE("the work of growing without garbage is linear in the size that is reached") {
  const std::size_t length = scaled(2000000);
  const std::size_t half = work_to_grow(length), whole = work_to_grow(2 * length);
  CAPTURE(half);
  CHECK(whole <= half * 3);  // a small build collects nothing at all
  CHECK(whole < 2 * length * 25 + 100000);
}

TEST_CASE("a heap whose live objects shrink to a tenth by counts and leak then stays bounded") {
  Host host;
  Cycles cycles(host);
  Sessions sessions{host, std::vector<Pair *>(scaled(10000)), 50};
  for (std::size_t i = 0; i < sessions.places.size(); ++i) sessions.replace(i);
  for (std::size_t i = sessions.places.size() / 10; i < sessions.places.size(); ++i) {
    host.set(sessions.places[i]->left, nullptr);  // broken up: counts free it
    host.drop(sessions.places[i]);
  }
  sessions.places.resize(sessions.places.size() / 10);
  const std::size_t live = sessions.places.size() * sessions.bytes();
  std::size_t peak = 0;
  const unsigned starts = cycles.starts;
  for (std::size_t i = 0; i < scaled(60000); ++i) {
    sessions.replace(i % sessions.places.size());
    // The first cycle after the fall starts by what was live before; it sets the pace anew.
    if (cycles.ends > starts) peak = std::max(peak, host.bytes());
  }
  CHECK(peak < 2 * std::max<std::size_t>(live, 4u << 20));
  if (scaled(100) == 100) CHECK(cycles.ends > starts + 5);
  for (Pair *first : sessions.places) {
    if (first != nullptr) host.drop(first);
  }
}

TEST_CASE("collections that find nothing and all in turns start the next as early as before") {
  Host host("full_minimum=256K");
  Cycles cycles(host);
  Sessions sessions{host, std::vector<Pair *>(scaled(1000)), 50};
  const std::size_t live = sessions.places.size() * sessions.bytes();
  std::size_t peak = 0;
  for (int turn = 0; turn < 12; ++turn) {
    // All is replaced, place by place, several times; then nothing dies for a while.
    for (int round = 0; round < 4; ++round) {
      for (std::size_t i = 0; i < sessions.places.size(); ++i) {
        sessions.replace(i);
        peak = std::max(peak, host.bytes());
      }
    }
    std::vector<Pair *> more;
    for (std::size_t i = 0; i < sessions.places.size(); ++i) more.push_back(sessions.make());
    peak = std::max(peak, host.bytes());
    for (Pair *first : more) {
      host.set(first->left, nullptr);
      host.drop(first);
    }
  }
  CHECK(peak < 4 * std::max<std::size_t>(live, 256 * 1024));
  if (scaled(100) == 100) CHECK(cycles.ends > 24);
  for (Pair *first : sessions.places) host.drop(first);
}

// Its stages are of few objects, and owe their work slowly.
TEST_CASE("a cycle in a small heap with little garbage ends within four allowances") {
  constexpr std::size_t kPairBytes = 24, kLeastBase = 65536;
  constexpr std::size_t kRefills = 2 * 255 * kPairBytes;  // before a chance to work comes
  Host host("full_minimum=64K");
  std::size_t allocated = 0, started = 0, base = kLeastBase, ended = 0;
  host.on_event = [&](const loam_event &event) {
    if (event.kind == LOAM_EVENT_WORK || event.collection != LOAM_COLLECTION_FULL) return;
    if (event.kind == LOAM_EVENT_COLLECTION_START) {
      started = allocated;
      return;
    }
    CHECK(allocated - started <= 4 * (base / 10) + kRefills);
    base = std::max(event.bytes, kLeastBase);
    ++ended;
  };
  Pair *last = nullptr;
  for (std::size_t i = 0; i < 60000; ++i) {
    Pair *pair = host.pair();
    host.give(pair->left, last);
    last = pair;
    allocated += kPairBytes;
    if (i % 1000 != 0) continue;
    Pair *lost = host.pair();
    host.set(lost->left, lost);
    host.drop(lost);
    allocated += kPairBytes;
  }
  CHECK(ended > 4);
  host.drop(last);
}

// A huge page backs the counts of 512 slabs, and ends the slice.
TEST_CASE("the tables of a heap of 40 MiB are backed in slices, before anything is counted") {
  constexpr std::size_t kSlice = 1000, kHugeSlice = 8192;
  bool huge = true;
  SUBCASE("with huge pages, if the OS has any and they are warm") {}
  SUBCASE("without") { huge = false; }
  REQUIRE(prctl(PR_SET_THP_DISABLE, !huge, 0, 0, 0) == 0);
  Host host("torture=slice:1000");
  loam_collect_disable(host.thread);
  List *list = host.list();
  for (std::size_t i = scaled(1800000); i > 0; --i) host.push_given(list, host.pair());
  Cycles cycles(host);
  std::size_t slices = 0, longest = 0;
  host.on_event = [&, counts = host.on_event](const loam_event &event) {
    counts(event);
    if (event.kind != LOAM_EVENT_WORK || event.work != LOAM_WORK_START) return;
    CHECK(cycles.units[LOAM_WORK_RESCUE] == 0);
    ++slices;
    longest = std::max(longest, event.objects);
  };
  loam_collect_enable(host.thread);
  run_cycle(host, cycles);
  CHECK((longest <= kSlice + 128 || (huge && longest == kHugeSlice)));  // one slab more
  if (scaled(100) == 100) CHECK(slices > (huge ? 2 : 600 * 128 / kSlice));
  REQUIRE(prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0) == 0);
  loam_collect_disable(host.thread);
  host.drop(list);
}

TEST_CASE("an array of millions is followed in parts, alive and as garbage") {
  const std::size_t kLength = scaled(10000000);
  Host host("torture=slice:1000");
  Cycles cycles(host);
  List *list = host.list();
  Pair *element = host.pair();
  for (std::size_t i = 0; i < kLength; ++i) {
    host.push(list, i % 1000 == 0 ? box(element) : number(i));
  }
  host.set(element->left, list);
  std::size_t longest = 0;
  host.on_event = [counts = host.on_event, &longest](const loam_event &event) {
    counts(event);
    const bool swept = event.work == LOAM_WORK_SWEEP || event.work == LOAM_WORK_FINAL;
    if (event.kind == LOAM_EVENT_WORK && !swept) longest = std::max(longest, event.objects);
  };
  run_cycle(host, cycles);
  run_cycle(host, cycles);
  CHECK(longest < 4096);
  CHECK(list->length == kLength);
  host.drop(element);
  host.drop(list);
  start_cycle(host, cycles);
  run_cycle(host, cycles);
  CHECK(host.bytes() == 0);
}
