// Registered roots are a hint: they change what a collection costs, never what it finds.
#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "../support/cycles.h"

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

// What RESCUE and MARK do in the next cycle.
std::size_t tracing_units_of_next(Host &host, const Cycles &cycles) {
  start_cycle(host, cycles);
  const auto done = [&cycles] {
    return cycles.units[LOAM_WORK_RESCUE] + cycles.units[LOAM_WORK_MARK];
  };
  const std::size_t before = done();
  end_cycle(host, cycles);
  return done() - before;
}

// A ring that three cycles found to hang on one variable: the next one takes that for a hint.
Pair *known_ring(Host &host, const Cycles &cycles, std::size_t count) {
  Pair *ring = host.ring(count);
  for (int i = 0; i < 3; ++i) run_cycle(host, cycles);
  return ring;
}

}  // namespace

TEST_CASE("a collection frees the same with all, some, repeated or no roots reported") {
  Host host("torture=slice:50");
  Cycles cycles(host);
  std::vector<Pair *> live;
  for (int i = 0; i < 20; ++i) {
    Pair *pair = self_loop(host);
    host.give(pair->right, self_loop(host));
    live.push_back(pair);
  }
  run_cycle(host, cycles);
  const std::size_t bytes = host.bytes() / live.size();
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
    run_cycle(host, cycles);
    CHECK(host.bytes() == live.size() * bytes);
    CHECK(host.verify());
  }
  for (Pair *pair : live) {
    CHECK(pair->left == as_object(pair));
    host.drop(pair);
  }
  loam_roots_unregister(host.runtime, handle);
  std::size_t calls = roots.calls;
  run_cycle(host, cycles);
  CHECK(host.bytes() == 0);
  CHECK(roots.calls == calls);
}

TEST_CASE("an automatic cycle frees garbage that a hint reports, and all that it holds") {
  for (const char *options : {"torture=slice:5", "torture=slice:500", "debug=1,torture=slice:50"}) {
    CAPTURE(options);
    Host host(options);
    Cycles cycles(host);
    Roots roots;
    loam_roots *handle = nullptr;
    REQUIRE(loam_roots_register(host.runtime, Roots::report, &roots, &handle) == LOAM_OK);
    Pair *live = self_loop(host), *lost = self_loop(host);
    host.give(lost->right, self_loop(host));
    // Held by what no hint leads to, and by another hint.
    Pair *outer = self_loop(host), *inner = self_loop(host);
    host.set(outer->right, inner);
    host.set(inner->right, lost);
    Sized *large = host.sized(100);
    host.set(large->refs[0], large);
    host.set(large->refs[1], lost);
    run_cycle(host, cycles);  // all are old now
    roots.objects = {as_object(live), as_object(lost), as_object(inner), as_object(large)};
    for (Pair *pair : {lost, outer, inner}) host.drop(pair);
    host.drop(large);
    run_cycle(host, cycles);
    CHECK(cycles.collected == 5);
    CHECK(live->left == as_object(live));
    // The next cycle asks no more, the one after it does.
    roots.objects = {as_object(live)};
    std::size_t calls = roots.calls;
    run_cycle(host, cycles);
    CHECK(roots.calls == calls);
    run_cycle(host, cycles);
    CHECK(roots.calls == calls + 1);
    loam_roots_unregister(host.runtime, handle);
    host.drop(live);
  }
}

// Their counts may be backed by huge pages after the hints were noted there.
TEST_CASE("a hint that is garbage is freed from a heap of 48 MiB") {
  Host host("torture=slice:5000");
  loam_collect_disable(host.thread);
  List *list = host.list();
  for (std::size_t i = scaled(1500000); i > 0; --i) host.push_given(list, host.triple());
  Triple *lost = host.triple();
  host.set(lost->refs[0], lost);
  loam_collect_enable(host.thread);
  Cycles cycles(host);
  run_cycle(host, cycles);  // all are old now
  Roots roots;
  roots.objects = {as_object(lost)};
  loam_roots *handle = nullptr;
  REQUIRE(loam_roots_register(host.runtime, Roots::report, &roots, &handle) == LOAM_OK);
  host.drop(lost);
  run_cycle(host, cycles);
  CHECK(cycles.collected == 1);
  loam_roots_unregister(host.runtime, handle);
  loam_collect_disable(host.thread);
  host.drop(list);
}

TEST_CASE("a hint shortens an automatic cycle, and is still good when its object changes hands") {
  constexpr std::size_t kNodes = 20000;
  std::size_t units[2];
  for (bool hinted : {false, true}) {
    Roots roots;  // goes after the runtime that asks for it
    Host host("torture=slice:100");
    Cycles cycles(host);
    loam_collect_disable(host.thread);  // else cycles learn what the root is
    Pair *first = host.pair(), *last = first;
    for (std::size_t i = 1; i < kNodes; ++i) {
      Pair *next = host.pair();
      host.set(next->right, last);
      host.give(last->left, next);
      last = next;
    }
    roots.objects = {as_object(first)};
    loam_roots *handle = nullptr;
    if (hinted) {
      REQUIRE(loam_roots_register(host.runtime, Roots::report, &roots, &handle) == LOAM_OK);
    }
    loam_collect_enable(host.thread);
    run_cycle(host, cycles);  // all are old now
    units[hinted] = tracing_units_of_next(host, cycles);
    host.leak_ring(100);
    start_cycle(host, cycles);
    // The hint is passed on, and a newborn object holds it in place of the variable.
    Pair *newborn = host.pair();
    host.give(newborn->left, first);
    end_cycle(host, cycles);
    run_cycle(host, cycles);
    CHECK(host.verify());
    CHECK(newborn->left == as_object(first));
    for (std::size_t i = 1; i < kNodes; ++i) first = reinterpret_cast<Pair *>(first->left);
    CHECK(first == last);
    host.drop(newborn);
    CHECK(host.collect() == kNodes);
  }
  CHECK(units[true] < units[false] * 2 / 3);
}

TEST_CASE("a hint may die, be reused and be reported twice while its cycle runs") {
  for (unsigned after = 0; after < 60; ++after) {
    Host host("torture=slice:4");
    Cycles cycles(host);
    std::vector<Pair *> hints;
    Roots roots;
    for (std::size_t i = 0; i < 30; ++i) {
      hints.push_back(host.pair());
      host.give(hints[i]->left, self_loop(host));
      if (i > 0) host.set(hints[i]->right, hints[i - 1]);
      roots.objects.insert(roots.objects.end(), 2, as_object(hints[i]));
    }
    run_cycle(host, cycles);
    loam_roots *handle = nullptr;
    REQUIRE(loam_roots_register(host.runtime, Roots::report, &roots, &handle) == LOAM_OK);
    start_cycle(host, cycles);
    for (unsigned i = 0; i < after; ++i) loam_safepoint(host.thread);
    roots.objects.clear();
    std::vector<Pair *> newborn;
    for (std::size_t i = hints.size(); i-- > 0;) {
      if (i % 3 != 0) host.drop(hints[i]);
      if (i % 5 == 0) newborn.push_back(self_loop(host));
    }
    end_cycle(host, cycles);
    for (std::size_t i = 0; i < hints.size(); i += 3) host.drop(hints[i]);
    for (Pair *pair : newborn) {
      CHECK(pair->left == as_object(pair));
      host.drop(pair);
    }
    run_cycle(host, cycles);
    run_cycle(host, cycles);
    CHECK(host.bytes() == 0);
    loam_roots_unregister(host.runtime, handle);
  }
}

TEST_CASE("several hints stand side by side, and go with the runtime") {
  Roots near, far;
  Host host("torture=slice:50");
  Cycles cycles(host);
  Pair *first = self_loop(host);
  Sized *large = host.sized(100);
  Leaf *leaf = host.leaf();
  near.objects = {as_object(first)};
  far.objects = {as_object(large), as_object(leaf)};
  loam_roots *handles[2] = {};
  REQUIRE(loam_roots_register(host.runtime, Roots::report, &near, &handles[0]) == LOAM_OK);
  REQUIRE(loam_roots_register(host.runtime, Roots::report, &far, &handles[1]) == LOAM_OK);
  run_cycle(host, cycles);
  CHECK(near.calls == far.calls);
  loam_roots_unregister(host.runtime, handles[0]);
  host.drop(first);
  run_cycle(host, cycles);
  CHECK(near.calls + 1 == far.calls);
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

TEST_CASE("a good hint is not refuted where passes upwards meet edges that are no fields") {
  struct Mixed {
    loam_object base;
    loam_object *fields[3];
    std::uint64_t *items;
    std::size_t length;
  };
  Host host("torture=slice:5000");  // enough for passes upwards to begin
  loam_type_spec spec = triple_spec("mixed");
  spec.instance_size = sizeof(Mixed);
  spec.value_mask = kTagMask;
  spec.value_bits = kTagReference;
  spec.pointer_mask = ~kTagMask;
  spec.items_offset = offsetof(Mixed, items);
  spec.length_offset = offsetof(Mixed, length);
  spec.dispose = [](loam_thread *thread, loam_object *self) {
    loam_free(thread, reinterpret_cast<Mixed *>(self)->items);
  };
  loam_type *type = nullptr;
  REQUIRE(loam_type_register(host.runtime, &spec, &type) == LOAM_OK);
  loam_collect_disable(host.thread);
  const auto make = [&](loam_object **holder) {
    auto *made = static_cast<Mixed *>(loam_new(host.thread, type));
    if (holder != nullptr) *holder = &made->base;
    return made;
  };
  Mixed *const hint = make(nullptr);
  Mixed *tail = hint;
  for (int i = 0; i < 4000; ++i) tail = make(&tail->fields[0]);
  // By two ways to the last one of each group: by the item of one object, and by another's field.
  for (int group = 0; group < 20; ++group) {
    Mixed *first = make(&tail->fields[0]), *one = make(&first->fields[0]);
    Mixed *other = make(&first->fields[1]), *next = make(&one->fields[0]);
    Mixed *last = make(&next->fields[0]);
    other->items = static_cast<std::uint64_t *>(loam_malloc(host.thread, sizeof(std::uint64_t)));
    other->items[0] = reinterpret_cast<std::uint64_t>(last) | kTagReference;
    other->length = 1;
    loam_incref(host.thread, &last->base);
    loam_incref(host.thread, &hint->base);
    last->fields[0] = &hint->base;
    tail = make(&first->fields[2]);
  }
  Roots roots;
  roots.objects = {&hint->base};
  loam_roots *handle = nullptr;
  REQUIRE(loam_roots_register(host.runtime, Roots::report, &roots, &handle) == LOAM_OK);
  loam_collect_enable(host.thread);
  Cycles cycles(host);
  for (std::size_t i = 1; i <= 4; ++i) {
    run_cycle(host, cycles);
    CHECK(roots.calls == i);  // a cycle that comes after a refuted hint does not ask
  }
  loam_roots_unregister(host.runtime, handle);
  loam_decref(host.thread, &hint->base);
}

TEST_CASE("a root that leads to most of the heap shortens the cycles after those that found it") {
  Host host("torture=slice:100");
  Cycles cycles(host);
  loam_collect_disable(host.thread);
  Pair *ring = host.ring(20000);
  loam_collect_enable(host.thread);
  const std::size_t first = tracing_units_of_next(host, cycles);
  for (int i = 0; i < 3; ++i) run_cycle(host, cycles);
  CHECK(tracing_units_of_next(host, cycles) < first * 2 / 3);
  host.drop(ring);
  run_cycle(host, cycles);
  CHECK(host.bytes() == 0);
}

TEST_CASE("one that cycles know to be a root may become garbage at any time") {
  for (unsigned after = 0; after < 200; ++after) {
    Host host("torture=slice:10");
    Cycles cycles(host);
    Pair *lost = known_ring(host, cycles, 500), *live = host.ring(10);
    start_cycle(host, cycles);
    for (unsigned i = 0; i < after; ++i) loam_safepoint(host.thread);
    host.drop(lost);
    end_cycle(host, cycles);
    run_cycle(host, cycles);
    CHECK(cycles.collected == 500);
    CHECK(host.verify());
    host.drop(live);
  }
}

TEST_CASE("what comes and goes beside a known root is none that cycles rely on") {
  constexpr std::size_t kNodes = 20000;
  Host host("torture=slice:100");
  Cycles cycles(host);
  loam_collect_disable(host.thread);
  Pair *root = host.ring(kNodes);
  loam_collect_enable(host.thread);
  std::vector<Pair *> sessions;
  std::size_t most = 0;
  for (int i = 0; i < 30; ++i) {
    const std::size_t units = tracing_units_of_next(host, cycles);
    if (i >= 6) most = std::max(most, units);  // they are known by then
    sessions.push_back(host.ring(50));
    if (sessions.size() <= 3) continue;
    start_cycle(host, cycles);
    host.drop(sessions.front());
    sessions.erase(sessions.begin());
    end_cycle(host, cycles);
  }
  CHECK(most < kNodes * 3 / 2);
  for (Pair *session : sessions) host.drop(session);
  host.drop(root);
}

TEST_CASE(
    "a root that leads to most of the heap is found beside small ones that were known before") {
  constexpr std::size_t kNodes = 20000;
  for (int small : {1, 4, 7}) {
    CAPTURE(small);
    Host host("torture=slice:100");
    Cycles cycles(host);
    loam_collect_disable(host.thread);
    std::vector<Pair *> roots;
    for (int i = 0; i < small; ++i) roots.push_back(host.ring(50));
    loam_collect_enable(host.thread);
    for (int i = 0; i < 6; ++i) run_cycle(host, cycles);
    loam_collect_disable(host.thread);
    roots.push_back(host.ring(kNodes));
    loam_collect_enable(host.thread);
    for (int i = 0; i < 6; ++i) run_cycle(host, cycles);
    CHECK(tracing_units_of_next(host, cycles) < kNodes * 3 / 2);
    for (Pair *root : roots) host.drop(root);
  }
}

TEST_CASE("garbage in the place of one that cycles knew to be a root goes in the next cycle") {
  Host host("torture=slice:100");
  Cycles cycles(host);
  Pair *root = host.pair();
  host.give(root->left, host.ring(500));
  for (int i = 0; i < 3; ++i) run_cycle(host, cycles);
  Pair *live = reinterpret_cast<Pair *>(root->left);
  root->left = nullptr;  // our reference
  host.drop(root);
  Pair *loops[1000];  // one of them has the block
  bool reused = false;
  for (Pair *&loop : loops) {
    loop = self_loop(host);
    reused = reused || loop == root;
  }
  REQUIRE(reused);
  loam_collect_young(host.thread);  // all are old now
  for (Pair *loop : loops) host.drop(loop);
  run_cycle(host, cycles);
  CHECK(cycles.collected == 1000);
  host.drop(live);
  run_cycle(host, cycles);
  CHECK(host.bytes() == 0);
}
