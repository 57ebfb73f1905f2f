// What befalls a cycle between and inside of its slices: another collection, the heap lock, the
// limit, a callback that never returns. What it condemned is freed once, and nothing else.
#include <doctest/doctest.h>

#include <algorithm>
#include <csetjmp>
#include <functional>
#include <vector>

#include "../support/cycles.h"

namespace {

using namespace loam::test;

std::jmp_buf jump;

// A ring of finalized pairs, each of them held, and old: a cycle and no young collection finds it.
std::vector<Pair *> old_ring(Host &host, const Cycles &cycles, std::size_t count) {
  std::vector<Pair *> ring;
  for (std::size_t i = 0; i < count; ++i) {
    ring.push_back(host.finalized_pair());
    if (i > 0) host.set(ring[i]->left, ring[i - 1]);
  }
  host.set(ring[0]->left, ring[count - 1]);
  run_cycle(host, cycles);
  return ring;
}

void drop_all(Host &host, const std::vector<Pair *> &pairs) {
  for (Pair *pair : pairs) host.drop(pair);
}

// Slices until the cycle has condemned something that it has not freed.
bool await_condemned(Host &host, const Cycles &cycles) {
  start_cycle(host, cycles);
  while (host.stats().condemned_objects == 0 && cycles.running()) loam_safepoint(host.thread);
  return host.stats().condemned_objects != 0;
}

}  // namespace

TEST_CASE("a full collection inside a callback leaves a cycle's counts and marks in order") {
  for (unsigned after = 0; after < 60; ++after) {
    Host host("torture=slice:8");
    Cycles cycles(host);
    const std::vector<Pair *> lost = old_ring(host, cycles, 10);
    Pair *live = host.pair(), *dying = host.finalized_pair();
    host.set(live->left, live);
    run_cycle(host, cycles);
    drop_all(host, lost);
    start_cycle(host, cycles);
    for (unsigned i = 0; i < after; ++i) loam_safepoint(host.thread);
    host.on_finalize = [&](Pair *pair) {
      if (pair != dying) return;
      host.leak_ring(5);
      CHECK(host.collect() >= 5);
    };
    host.drop(dying);
    CHECK(host.finalized >= 1);
    for (int i = 0; i < 3; ++i) run_cycle(host, cycles);
    CHECK(host.finalized == 11);
    CHECK(host.disposed == 11);
    CHECK(host.verify());
    CHECK(live->left == as_object(live));
    host.drop(live);
  }
}

TEST_CASE("freezing under the heap lock spares what a cycle condemned, and keeps the rest") {
  Host host("torture=slice:8");
  Cycles cycles(host);
  Pair *live = host.pair();
  host.set(live->left, live);
  drop_all(host, old_ring(host, cycles, 10));
  host.on_finalize = [&](Pair *) { loam_heap_lock(host.thread); };
  REQUIRE(await_condemned(host, cycles));
  while (host.finalized == 0) loam_safepoint(host.thread);
  const std::size_t condemned = host.stats().condemned_objects;
  CHECK(condemned == 10);
  loam_freeze(host.thread);
  loam_safepoint(host.thread);
  CHECK(host.stats().condemned_objects == condemned);
  host.on_finalize = nullptr;
  loam_heap_unlock(host.thread);
  end_cycle(host, cycles);
  CHECK(host.finalized == 10);
  CHECK(host.disposed == 10);
  CHECK(live->left == as_object(live));
  host.drop(live);
  run_cycle(host, cycles);
  CHECK(host.bytes() != 0);  // frozen
  loam_unfreeze(host.thread);
  CHECK(host.collect() == 1);
}

TEST_CASE("at the limit what a cycle condemned is freed at once, and used again") {
  for (unsigned after = 0; after < 40; after += 10) {
    Host host("heap_limit=2M,torture=slice:3000,collect_at=safepoint");
    Cycles cycles(host);
    loam_collect_disable(host.thread);  // until the heap is nearly full of rings
    loam_object *first = nullptr;
    while (loam_mem_free(host.runtime) > 256 * 1024) {
      Pair *pair = host.pair();
      host.give(pair->right, reinterpret_cast<Pair *>(first));
      first = as_object(pair);
    }
    loam_collect_young(host.thread);
    loam_collect_enable(host.thread);
    const std::size_t full = host.bytes();
    for (Pair *at = reinterpret_cast<Pair *>(first); at != nullptr;) {
      Pair *next = reinterpret_cast<Pair *>(at->right);
      at->right = nullptr;
      at->left = as_object(at);  // our reference becomes its own
      at = next;
    }
    loam_collect_step(host.thread, 0);
    while (host.stats().condemned_objects == 0 && cycles.running()) loam_safepoint(host.thread);
    CHECK(host.stats().condemned_objects != 0);
    for (unsigned i = 0; i < after; ++i) loam_safepoint(host.thread);
    std::vector<Pair *> held;
    while (held.size() * 24 < full / 2) {
      held.push_back(static_cast<Pair *>(loam_new(host.thread, host.types.pair)));
      REQUIRE(held.back() != nullptr);
    }
    CHECK(host.verify());
    drop_all(host, held);
  }
}

TEST_CASE("a collection asked for takes place though a finalizer left by a jump meanwhile") {
  Host host("torture=slice:8");
  Cycles cycles(host);
  drop_all(host, old_ring(host, cycles, 10));
  REQUIRE(await_condemned(host, cycles));
  const std::vector<Pair *> later = old_ring(host, cycles, 10);
  drop_all(host, later);
  unsigned left = 0;
  host.on_finalize = [&](Pair *) {
    if (left == 3) return;
    ++left;
    loam_unwind(host.thread);
    std::longjmp(jump, 1);
  };
  const std::uint64_t runs = host.stats().collections[LOAM_COLLECTION_FULL].runs;
  loam_collect_request(host.runtime);
  for (volatile int turn = 0; turn < 10; turn = turn + 1) {
    if (setjmp(jump) == 0) loam_safepoint(host.thread);
  }
  CHECK(left == 3);
  CHECK(host.stats().collections[LOAM_COLLECTION_FULL].runs > runs);
  CHECK(host.finalized == 20);
  CHECK(host.disposed == 20);
}

TEST_CASE("a collection asked for waits while the end of a cycle left the heap locked") {
  Host host("torture=slice:8");
  Cycles cycles(host);
  Pair *lost = old_ring(host, cycles, 1).front();
  const auto runs = [&host] { return host.stats().collections[LOAM_COLLECTION_FULL].runs; };
  std::uint64_t before = 0;
  host.on_finalize = [&](Pair *pair) {
    if (pair == lost) {
      host.give(pair->right, host.finalized_pair());  // dies in the sweep
    } else {
      before = runs();
      loam_heap_lock(host.thread);
    }
  };
  host.drop(lost);
  REQUIRE(await_condemned(host, cycles));
  host.leak_ring(5);
  loam_collect_request(host.runtime);
  loam_safepoint(host.thread);
  REQUIRE(host.finalized == 2);
  CHECK(runs() == before);
  CHECK(host.disposed == 2);
  loam_heap_unlock(host.thread);
  loam_safepoint(host.thread);
  CHECK(runs() == before + 1);
  CHECK(host.bytes() == 0);
}

TEST_CASE("until the second look nobody reaches what a finalizer saved, but by its reference") {
  Host host("torture=slice:8");
  Cycles cycles(host);
  const std::vector<Pair *> lost = old_ring(host, cycles, 6000);  // in several slabs
  loam_weak *weak = nullptr;
  Pair *saved = nullptr;
  unsigned refused = 0;
  host.on_finalize = [&](Pair *pair) {
    if (saved != nullptr) return;
    saved = pair;
    host.hold(pair);
    CHECK(loam_weak_create(host.thread, as_object(pair), nullptr, nullptr, nullptr, &weak) ==
          LOAM_OK);
  };
  drop_all(host, lost);
  start_cycle(host, cycles);
  while (host.finalized < lost.size()) {
    loam_safepoint(host.thread);
    if (saved == nullptr || host.finalized == lost.size()) continue;
    CHECK(!loam_try_incref(host.thread, as_object(saved)));
    CHECK(loam_weak_get(host.thread, weak) == nullptr);
    ++refused;
  }
  CHECK(refused != 0);
  end_cycle(host, cycles);
  REQUIRE(saved != nullptr);
  REQUIRE(loam_try_incref(host.thread, as_object(saved)));
  REQUIRE(loam_weak_get(host.thread, weak) == as_object(saved));
  loam_weak_destroy(host.thread, weak);
  host.drop(saved);
  CHECK(host.stats().collections[LOAM_COLLECTION_FULL].resurrected >= 1);
  host.drop(saved);
  host.drop(saved);
}

TEST_CASE("what finalizers saved may die by count while the rest is swept in slices") {
  Host host("torture=slice:3000");
  Cycles cycles(host);
  constexpr std::size_t kSaved = 3000, kRing = 60000;  // more than a batch: FINAL condemns it
  std::vector<Pair *> saved, ring;
  loam_work last = LOAM_WORKS;
  const auto count_cycles = host.on_event;
  host.on_event = [&last, count_cycles](const loam_event &event) {
    if (event.kind == LOAM_EVENT_WORK) last = event.work;
    count_cycles(event);
  };
  host.on_finalize = [&host, &saved](Pair *pair) {
    host.hold(pair);
    saved.push_back(pair);
  };
  std::vector<Pair *> finalized;
  for (std::size_t i = 0; i < kSaved; ++i) finalized.push_back(host.finalized_pair());
  for (std::size_t i = 0; i < kRing; ++i) ring.push_back(host.pair());
  run_cycle(host, cycles);  // all are old now
  for (std::size_t i = 0; i < kSaved; ++i) {
    host.set(finalized[i]->left, finalized[i]);
    ring[i]->right = as_object(finalized[i]);
  }
  for (std::size_t i = 0; i < kRing; ++i) ring[i]->left = as_object(ring[(i + 1) % kRing]);
  start_cycle(host, cycles);
  bool dropped = false;
  while (cycles.running()) {
    loam_safepoint(host.thread);
    if (last != LOAM_WORK_SWEEP || dropped) continue;
    dropped = true;
    REQUIRE(saved.size() == kSaved);
    for (Pair *pair : saved) {
      host.set<Pair>(pair->left, nullptr);
      host.drop(pair);
    }
    CHECK(host.verify());
  }
  CHECK(dropped);
  CHECK(host.verify());
}

namespace {

// A closed set larger than a batch, which FINAL condemns as a whole, with a weak reference to each
// member.
struct WatchedRing {
  static constexpr std::size_t kMembers = 10000;
  Host &host;
  std::vector<Pair *> members;
  std::vector<loam_weak *> weaks;
  std::size_t calls = 0, full = 0;  // callbacks; references that gave something then
  std::function<void()> on_call;

  WatchedRing(Host &its_host, const Cycles &cycles, Pair *owner)
      : host(its_host), members(old_ring(host, cycles, kMembers)), weaks(kMembers) {
    for (std::size_t i = 0; i < kMembers; ++i) {
      REQUIRE(loam_weak_create(host.thread, as_object(members[i]), as_object(owner), called, this,
                               &weaks[i]) == LOAM_OK);
    }
  }
  ~WatchedRing() {
    for (loam_weak *weak : weaks) loam_weak_destroy(host.thread, weak);
  }
  void look() {
    for (std::size_t i = calls % 97; i < kMembers; i += 997) {
      if (weaks[i] != nullptr) full += loam_weak_get(host.thread, weaks[i]) != nullptr;
      full += loam_try_incref(host.thread, as_object(members[i]));
    }
  }

 private:
  static void called(loam_thread *, loam_weak *, void *context) {
    auto *ring = static_cast<WatchedRing *>(context);
    ++ring->calls;
    if (ring->calls % 64 == 0) ring->look();
    if (ring->on_call) ring->on_call();
  }
};

}  // namespace

TEST_CASE("references to much garbage are emptied in slices, and give nothing from the first on") {
  Host host("torture=slice:1000");
  Cycles cycles(host);
  WatchedRing ring(host, cycles, nullptr);
  std::size_t finalized_before = 0;
  ring.on_call = [&] { finalized_before = std::max(finalized_before, host.finalized); };
  drop_all(host, ring.members);
  REQUIRE(await_condemned(host, cycles));
  CHECK(host.stats().condemned_objects == ring.kMembers);
  std::size_t most = 0;
  while (ring.calls < ring.kMembers && cycles.running()) {
    ring.look();
    const std::size_t before = ring.calls;
    loam_safepoint(host.thread);
    most = std::max(most, ring.calls - before);
  }
  CHECK(ring.calls == ring.kMembers);
  CHECK(ring.full == 0);
  CHECK(finalized_before == 0);
  CHECK(most <= 7500);  // of two slices at the end, each a slab too long
  end_cycle(host, cycles);
  CHECK(host.finalized == ring.kMembers);
  CHECK(host.disposed == ring.kMembers);
}

TEST_CASE("until references to garbage are emptied they may be destroyed, or lose their owner") {
  for (unsigned after = 0; after < 9; ++after) {
    Host host("torture=slice:1000");
    Cycles cycles(host);
    Pair *owner = host.pair();
    WatchedRing ring(host, cycles, owner);
    drop_all(host, ring.members);
    REQUIRE(await_condemned(host, cycles));
    for (unsigned i = 0; i < after; ++i) loam_safepoint(host.thread);
    for (std::size_t i = 0; i < ring.kMembers; i += 2) {
      loam_weak_destroy(host.thread, ring.weaks[i]);
      ring.weaks[i] = nullptr;
    }
    const std::size_t calls = ring.calls;
    std::size_t owned_calls = 0;
    if (after % 3 == 0) loam_collect(host.thread);  // the rest at a stand
    if (after % 3 == 1) {
      host.drop(owner);
      owned_calls = ring.calls;
    }
    end_cycle(host, cycles);
    if (after % 3 == 1) {
      CHECK(ring.calls == owned_calls);
    } else {
      CHECK(ring.calls >= ring.kMembers / 2);
      CHECK(ring.calls <= calls + ring.kMembers / 2);
      host.drop(owner);
    }
    CHECK(host.finalized == ring.kMembers);
  }
}

TEST_CASE("at the limit garbage whose references are still to be emptied is freed at once") {
  for (bool called : {false, true}) {
    CAPTURE(called);
    // No Host: its types have finalizers, which would have to run first.
    loam_options options = options_from("heap_limit=4M,torture=slice:1000,collect_at=safepoint");
    options.fatal = on_fatal;
    loam_runtime *runtime = nullptr;
    REQUIRE(loam_runtime_create(&options, &runtime) == LOAM_OK);
    loam_thread *thread = loam_runtime_main_thread(runtime);
    const auto condemned = [runtime] {
      loam_stats stats = {};
      REQUIRE(loam_stats_get(runtime, &stats) == LOAM_OK);
      return stats.condemned_objects;
    };
    const loam_type_spec specs[] = {pair_spec("pair"), spec_of("leaf", sizeof(Leaf))};
    loam_type *pair = nullptr, *leaf = nullptr;
    REQUIRE(loam_type_register(runtime, &specs[0], &pair) == LOAM_OK);
    REQUIRE(loam_type_register(runtime, &specs[1], &leaf) == LOAM_OK);
    loam_collect_disable(thread);
    std::vector<Pair *> ring;
    for (int i = 0; i < 30000; ++i) ring.push_back(static_cast<Pair *>(loam_new(thread, pair)));
    REQUIRE(ring.back() != nullptr);
    loam_collect_young(thread);
    std::size_t calls = 0;
    const loam_weak_fn count = [](loam_thread *, loam_weak *, void *context) {
      ++*static_cast<std::size_t *>(context);
    };
    loam_weak *weak = nullptr;
    REQUIRE(loam_weak_create(thread, as_object(ring[0]), nullptr, called ? count : nullptr, &calls,
                             &weak) == LOAM_OK);
    for (std::size_t i = 0; i < ring.size(); ++i) {  // our reference moves there
      ring[i]->left = as_object(ring[(i + 1) % ring.size()]);
    }
    loam_collect_enable(thread);
    while (condemned() == 0) loam_safepoint(thread);
    std::vector<loam_object *> leaves;
    for (void *made; (made = loam_new(thread, leaf)) != nullptr;) {
      leaves.push_back(static_cast<loam_object *>(made));
    }
    CHECK(loam_weak_get(thread, weak) == nullptr);
    CHECK(condemned() == (called ? ring.size() : 0));  // a callback is to run first
    CHECK(calls == 0);
    for (loam_object *object : leaves) loam_decref(thread, object);
    while (condemned() != 0) loam_safepoint(thread);
    CHECK(calls == (called ? 1 : 0));
    CHECK(loam_verify(runtime, 2) == LOAM_OK);
    loam_weak_destroy(thread, weak);
    loam_runtime_destroy(runtime);
  }
}

TEST_CASE("a lock that a callback leaves does not hold up the end of its runtime") {
  static int starts, ends, finalized, made, called;
  starts = ends = finalized = made = called = 0;
  loam_options options = {};
  options.fatal = on_fatal;
  options.event = [](loam_thread *, const loam_event *event, void *) {
    starts += event->kind == LOAM_EVENT_COLLECTION_START;
    ends += event->kind == LOAM_EVENT_COLLECTION_END;
  };
  loam_runtime *runtime = nullptr;
  REQUIRE(loam_runtime_create(&options, &runtime) == LOAM_OK);
  loam_thread *thread = loam_runtime_main_thread(runtime);
  loam_type_spec spec = pair_spec("locking");
  spec.finalize = [](loam_thread *locker, loam_object *) {
    ++finalized;
    void *const block = loam_malloc(locker, 1000);
    made += block != nullptr;
    loam_free(locker, block);
    loam_heap_lock(locker);
    CHECK(loam_malloc(locker, 1000) == nullptr);
  };
  loam_type *type = nullptr;
  REQUIRE(loam_type_register(runtime, &spec, &type) == LOAM_OK);
  const loam_weak_fn call = [](loam_thread *locker, loam_weak *, void *) {
    ++called;
    loam_heap_lock(locker);
  };
  for (int i = 0; i < 6; ++i) {  // of which three are garbage
    auto *pair = static_cast<Pair *>(loam_new(thread, type));
    REQUIRE(pair != nullptr);
    if (i < 3) pair->left = as_object(pair);
    loam_weak *weak = nullptr;
    REQUIRE(loam_weak_create(thread, as_object(pair), nullptr, call, nullptr, &weak) == LOAM_OK);
  }
  loam_runtime_destroy(runtime);
  CHECK(starts == ends);
  CHECK(finalized == 6);
  CHECK(made == 6);
  CHECK(called == 6);
}
