// Objects with many edges: what a slice, or a young collection, does is bounded by the edges that
// it follows, and not by the objects alone.
#include <algorithm>
#include <cstddef>
#include <vector>

#include "runtime/runtime.h"
#include "support/cycles.h"

using namespace loam::test;

namespace {

// So many references behind a trace that counts what it reports.
constexpr size_t kWide = 500;
struct Wide {
  loam_object header;
  loam_object **refs;
};
size_t reported;  // by traces, since it was set to 0

void trace_wide(loam_object *self, loam_visitor *visitor) {
  const Wide *wide = reinterpret_cast<const Wide *>(self);
  if (wide->refs == nullptr) return;
  for (size_t i = 0; i < kWide; ++i) loam_visit(visitor, wide->refs[i]);
  reported += kWide;
}

void dispose_wide(loam_thread *thread, loam_object *self) {
  loam_free(thread, reinterpret_cast<Wide *>(self)->refs);
}

// All of them refer to `target`, the first of them by the next one's first reference and so on.
std::vector<Wide *> make_chain(Host &host, size_t count, Pair *target) {
  loam_type_spec spec = spec_of("wide", sizeof(Wide));
  spec.trace = trace_wide;
  spec.dispose = dispose_wide;
  loam_type *type = host.register_type(spec);
  std::vector<Wide *> chain;
  for (size_t i = 0; i < count; ++i) {
    Wide *wide = host.make<Wide>(type);
    void *items = loam_malloc(host.thread, kWide * sizeof(loam_object *));
    auto **refs = static_cast<loam_object **>(items);
    for (size_t ref = 0; ref < kWide; ++ref) {
      refs[ref] = as_object(target);
      host.hold(target);
    }
    wide->refs = refs;
    chain.push_back(wide);
  }
  for (size_t i = 0; i + 1 < count; ++i) host.set(chain[i]->refs[0], chain[i + 1]);
  host.set(chain[count - 1]->refs[1], chain[0]);
  return chain;
}

}  // namespace

TEST_CASE("slices are bounded by the edges that traces report") {
  constexpr size_t kCount = 600, kSlice = 1000;
  // A unit is four edges; a slice may end behind the object, or the 8192 edges of a word, that goes
  // past its end.
  constexpr size_t kMost = 4 * kSlice + 8192 + 2 * kWide;
  Host host("torture=slice:1000");
  Cycles cycles(host);
  loam_collect_disable(host.thread);
  Pair *target = host.pair();
  const std::vector<Wide *> chain = make_chain(host, kCount, target);
  size_t most[LOAM_WORKS] = {};
  const auto count_cycles = host.on_event;
  host.on_event = [&](const loam_event &event) {
    count_cycles(event);
    if (event.kind != LOAM_EVENT_WORK) return;
    most[event.work] = std::max(most[event.work], reported);
    reported = 0;
  };
  loam_collect_enable(host.thread);
  run_cycle(host, cycles);  // the young collection at its start takes all at once
  SUBCASE("live, at random") {}
  SUBCASE("live, all held") {
    for (Wide *wide : chain) host.hold(wide);
    run_cycle(host, cycles);
    for (Wide *wide : chain) host.drop(wide);
  }
  SUBCASE("mutated in the middle of it") {
    start_cycle(host, cycles);
    for (size_t i = 0; cycles.running(); ++i) {
      host.set(chain[(7 * i) % kCount]->refs[2], chain[(5 * i) % kCount]);
      loam_safepoint(host.thread);
    }
    for (Wide *wide : chain) host.set(wide->refs[2], target);
    CHECK(host.verify());
  }
  run_cycle(host, cycles);
  CHECK(cycles.collected == 0);
  for (Wide *wide : chain) host.drop(wide);
  run_cycle(host, cycles);
  run_cycle(host, cycles);
  CHECK(cycles.collected == kCount);
  CHECK(host.verify());
  for (const loam_work work : {LOAM_WORK_RESCUE, LOAM_WORK_MARK, LOAM_WORK_SWEEP}) {
    INFO("work ", static_cast<int>(work));
    CHECK(most[work] > 0);
    CHECK(most[work] <= kMost);
  }
  CHECK(as_object(target)->refcount == 1);
  host.drop(target);
}

TEST_CASE("a young collection looks at no long array, and keeps all that it leads to") {
  constexpr size_t kLong = 3000;
  Host host;
  List *list = host.list();
  std::vector<Pair *> pairs;
  for (size_t i = 0; i < kLong; ++i) {
    Pair *pair = host.pair();
    pairs.push_back(pair);
    host.push_given(list, pair);
  }
  host.set(pairs[kLong - 1]->left, list);
  SUBCASE("live") {
    CHECK(loam_collect_young(host.thread) == 0);
    CHECK(host.verify());
    CHECK(as_object(pairs[0])->refcount == 1);
    host.drop(list);
  }
  SUBCASE("garbage, for the next full collection") {
    host.drop(list);
    CHECK(loam_collect_young(host.thread) == 0);
    CHECK(host.verify());
  }
  SUBCASE("garbage that nothing refers to but itself") {
    host.set(pairs[kLong - 1]->left, static_cast<Pair *>(nullptr));
    host.set(pairs[0]->left, pairs[1]);
    host.drop(list);  // by its count
    CHECK(loam_collect_young(host.thread) == 0);
    CHECK(host.collect() == 0);
    return;
  }
  CHECK(host.collect() == kLong + 1);
}

TEST_CASE("what a long array of young garbage leads to is released") {
  Host host;
  Pair *target = host.pair();
  CHECK(host.collect() == 0);  // it is old now, and nothing else is young
  Pair *loop = host.pair();
  host.set(loop->left, loop);
  List *list = host.list();
  for (size_t i = 0; i < 3000; ++i) host.push(list, box(target));
  host.set(loop->right, list);
  host.drop(list);
  host.drop(loop);
  CHECK(loam_collect_young(host.thread) == 2);
  CHECK(as_object(target)->refcount == 1);
  host.drop(target);
}

TEST_CASE("young collections come early where young objects have arrays") {
  constexpr size_t kItems = 1000;
  Host host("young_threshold=100000,full_minimum=1G");
  List *lists[500];
  for (List *&list : lists) {
    list = host.list();
    for (size_t i = 0; i < kItems; ++i) host.push(list, number(i));
    loam_safepoint(host.thread);
  }
  CHECK(host.stats().collections[LOAM_COLLECTION_YOUNG].pauses.count == 0);  // too few of them
  std::vector<Pair *> pairs;
  for (size_t i = 0; i < 2000; ++i) pairs.push_back(host.pair());
  for (List *list : lists) {
    for (size_t i = 0; i < kItems; ++i) host.push(list, number(i));
    loam_safepoint(host.thread);
  }
  CHECK(host.stats().collections[LOAM_COLLECTION_YOUNG].pauses.count > 0);
  for (List *list : lists) host.drop(list);
  for (Pair *pair : pairs) host.drop(pair);
}

TEST_CASE("buffers that come and go set off no young collection") {
  Host host("young_threshold=100000,full_minimum=1G");
  std::vector<Pair *> pairs;
  for (size_t i = 0; i < 3000; ++i) pairs.push_back(host.pair());
  for (size_t i = 0; i < 1000; ++i) {
    loam_free(host.thread, loam_malloc(host.thread, 16384));
    loam_safepoint(host.thread);
  }
  CHECK(host.stats().collections[LOAM_COLLECTION_YOUNG].pauses.count == 0);
  for (Pair *pair : pairs) host.drop(pair);
}

TEST_CASE("a slab that empties while a slice is in the middle of one of its words") {
  constexpr size_t kItems = 2000, kRings = 16, kBytes = LOAM_MAX_BLOCK;
  struct Big {
    loam_object header;
    loam_object **items;
    size_t length;
  };
  for (size_t after = 0; after < 60; ++after) {
    INFO("slices before: ", after);
    Host host("torture=slice:1,collect_at=safepoint");
    Cycles cycles(host);
    loam_collect_disable(host.thread);
    loam_type_spec spec = spec_of("big", kBytes);
    spec.items_offset = offsetof(Big, items);
    spec.length_offset = offsetof(Big, length);
    loam_type *type = host.register_type(spec);
    Leaf *leaf = host.leaf();
    std::vector<loam_object *> items(kItems, as_object(leaf));
    std::vector<Big *> bigs;  // just a slab of them
    for (size_t i = 0; i < loam::alloc::kSlabBytes / kBytes; ++i) {
      Big *big = host.make<Big>(type);
      for (size_t item = 0; item < kItems; ++item) host.hold(leaf);
      big->items = items.data();
      big->length = kItems;
      bigs.push_back(big);
    }
    std::vector<Pair *> rings;
    for (size_t i = 0; i < kRings; ++i) {
      Pair *pair = host.pair(), *other = host.pair();
      host.set(pair->left, other);
      host.set(other->left, pair);
      host.drop(other);
      rings.push_back(pair);
    }
    loam_collect_enable(host.thread);
    run_cycle(host, cycles);  // its young collection makes all of them old
    for (Pair *pair : rings) host.drop(pair);
    start_cycle(host, cycles);
    for (size_t i = 0; i < after; ++i) loam_safepoint(host.thread);
    for (Big *big : bigs) host.drop(big);
    end_cycle(host, cycles);
    CHECK(cycles.collected == 2 * kRings);
    host.drop(leaf);
  }
}
