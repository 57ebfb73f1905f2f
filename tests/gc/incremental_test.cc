// Collections in slices: what the host does between them, and what it may see of them.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "../support/cycles.h"

namespace {

using namespace loam::test;

}  // namespace

TEST_CASE("a block counted in one life and young in the next is judged by its new references") {
  for (unsigned after = 0; after < 60; ++after) {
    Host host("torture=slice:8");
    Cycles cycles(host);
    Pair *holder = host.pair(), *old = host.pair();
    host.set(holder->left, old);
    host.drop(old);
    run_cycle(host, cycles);
    for (unsigned i = 0; i < after; ++i) loam_safepoint(host.thread);
    host.set(holder->left, nullptr);  // its block is the next to be handed out
    std::vector<Pair *> held;
    for (unsigned i = 0; i < 200; ++i) held.push_back(host.pair());
    loam_collect_young(host.thread);
    for (Pair *pair : held) REQUIRE(loam_type_of(host.runtime, as_object(pair)) != nullptr);
    for (Pair *pair : held) host.drop(pair);
    host.drop(holder);
  }
}

TEST_CASE("slices of any size end a cycle, and leave none of its garbage") {
  for (unsigned units = 1; units <= 9; ++units) {
    const std::string options = "torture=slice:" + std::to_string(units);
    CAPTURE(options);
    Host host(options.c_str());
    Cycles cycles(host);
    Pair *loop = host.pair();
    host.set(loop->left, loop);
    run_cycle(host, cycles);
    host.drop(loop);
    for (unsigned ends = cycles.ends, slices = 0; cycles.ends == ends; ++slices) {
      REQUIRE(slices < 100000);
      loam_safepoint(host.thread);
    }
    run_cycle(host, cycles);
    CHECK(host.bytes() == 0);
  }
}

TEST_CASE("a cycle goes on, and ends, while its host takes no memory but plain large blocks") {
  const auto take_new = [](loam_thread *thread, void *block) {
    loam_free(thread, block);
    return loam_malloc(thread, 5000);
  };
  const auto take_zeroed = [](loam_thread *thread, void *block) {
    loam_free(thread, block);
    return loam_calloc(thread, 1, 5000);
  };
  const auto grow_and_shrink = [](loam_thread *thread, void *block) {
    return loam_realloc(thread, loam_realloc(thread, block, 12000), 5000);
  };
  for (void *(*take)(loam_thread *, void *) : {+take_new, +take_zeroed, +grow_and_shrink}) {
    Host host("full_minimum=1M");
    void *blocks[64];
    for (void *&block : blocks) block = loam_malloc(host.thread, 5000);
    const auto collects = [&host] { return host.stats().collecting != LOAM_WORKS; };
    Pair *list = nullptr;
    for (unsigned i = 0; !collects(); ++i) {
      REQUIRE(i < 1000000);
      Pair *pair = host.pair();
      host.set(pair->left, list);
      if (list != nullptr) host.drop(list);
      list = pair;
      loam_safepoint(host.thread);
    }
    for (unsigned i = 0; collects(); ++i) {
      REQUIRE(i < 100000);
      void *&block = blocks[i % 64];
      block = take(host.thread, block);
      REQUIRE(block != nullptr);
      loam_safepoint(host.thread);
    }
    CHECK(host.verify());
    host.drop(list);
    for (void *block : blocks) loam_free(host.thread, block);
  }
}

// Else the next cycle would judge all that was born meanwhile in one go, before it starts.
TEST_CASE("young garbage goes while the garbage of a cycle is swept") {
  const std::size_t kOld = 200000, kRings = 2000;
  Host host("torture=slice:100,young_threshold=64");
  Cycles cycles(host);
  Pair *lost = host.ring(kOld);
  run_cycle(host, cycles);
  host.drop(lost);
  while (cycles.units[LOAM_WORK_SWEEP] == 0) loam_safepoint(host.thread);
  const auto collected = [&host] {
    return host.stats().collections[LOAM_COLLECTION_YOUNG].collected;
  };
  const std::uint64_t before = collected();
  Pair *finalized = host.finalized_pair();  // no finalizer runs between a cycle's own
  host.give(finalized->left, finalized);
  for (std::size_t i = 0; i < kRings; ++i) {
    host.drop(host.ring(2));
    loam_safepoint(host.thread);
  }
  CHECK(host.stats().collecting == LOAM_WORK_SWEEP);
  CHECK(collected() - before >= kRings / 4);  // after some that found nothing a few are left out
  CHECK(host.finalized == 0);
  end_cycle(host, cycles);
  run_cycle(host, cycles);
  CHECK(host.finalized == 1);
  CHECK(host.bytes() == 0);
}

TEST_CASE("nothing young is collected under a lock that a finalizer of a cycle left") {
  Host host("torture=slice:100,young_threshold=64,collect_at=safepoint");
  Cycles cycles(host);
  Pair *lost = host.finalized_pair();
  host.set(lost->left, lost);
  run_cycle(host, cycles);
  const auto runs = [&host] { return host.stats().collections[LOAM_COLLECTION_YOUNG].runs; };
  std::uint64_t before = 0;
  host.on_finalize = [&](Pair *) {
    for (int i = 0; i < 500; ++i) host.leak_ring(2);
    before = runs();
    loam_heap_lock(host.thread);
  };
  host.drop(lost);
  while (host.finalized == 0) loam_safepoint(host.thread);
  CHECK(runs() == before);
  loam_heap_unlock(host.thread);
  end_cycle(host, cycles);
  run_cycle(host, cycles);
  CHECK(host.bytes() == 0);
}

TEST_CASE("no cycle starts when a finalizer of its young collection disabled collection") {
  Host host("torture=slice:100,young_threshold=64,collect_at=safepoint");
  Cycles cycles(host);
  host.on_finalize = [&host](Pair *) { loam_collect_disable(host.thread); };
  Pair *lost = host.finalized_pair();
  host.give(lost->left, lost);
  loam_safepoint(host.thread);
  REQUIRE(host.finalized == 1);
  CHECK(cycles.starts == 0);
  loam_collect_enable(host.thread);
  run_cycle(host, cycles);
  CHECK(host.bytes() == 0);
}

TEST_CASE(
    "no collection for too much external memory after the end of a cycle disabled collection") {
  Host host("torture=slice:1,collect_at=safepoint,heap_limit=64M");
  Cycles cycles(host);
  Pair *lost = host.finalized_pair();
  host.set(lost->left, lost);
  run_cycle(host, cycles);  // it is old now
  host.on_finalize = [&host](Pair *) { loam_collect_disable(host.thread); };
  host.drop(lost);
  start_cycle(host, cycles);
  while (host.stats().condemned_objects == 0) loam_safepoint(host.thread);
  REQUIRE(host.finalized == 0);
  const unsigned starts = cycles.starts;
  loam_external_add(host.thread, std::ptrdiff_t{100} << 20);
  while (host.finalized == 0) loam_safepoint(host.thread);
  CHECK(cycles.starts == starts);
  loam_external_add(host.thread, -(std::ptrdiff_t{100} << 20));
  loam_collect_enable(host.thread);
  run_cycle(host, cycles);
  CHECK(host.bytes() == 0);
}

TEST_CASE("large garbage goes in a cycle though other large objects are live") {
  Host host("torture=slice:50");
  Cycles cycles(host);
  Sized *live = host.sized(100);
  Sized *loops[10];
  for (Sized *&loop : loops) {
    loop = host.sized(100);
    host.set(loop->refs[0], loop);
  }
  run_cycle(host, cycles);  // all are old now
  for (Sized *loop : loops) host.drop(loop);
  run_cycle(host, cycles);
  CHECK(cycles.collected == 10);
  host.drop(live);
}

TEST_CASE("large objects are passed over in slices") {
  constexpr std::size_t kSlice = 100, kLarge = 2000;
  Host host("torture=slice:100");
  Cycles cycles(host);
  Sized *live[kLarge];
  for (Sized *&object : live) object = host.sized(40);
  run_cycle(host, cycles);  // all are old now
  start_cycle(host, cycles);
  std::size_t slices = 0;
  for (; cycles.running(); ++slices) loam_safepoint(host.thread);
  // Counted, looked at, marked, looked at again, counted again, looked at, split and cleared.
  CHECK(slices >= 7 * 4 * kLarge / kSlice);
  for (Sized *object : live) host.drop(object);
}

TEST_CASE("a large object that a finalizer saved is the cycle's again") {
  Host host("torture=slice:5");
  Cycles cycles(host);
  Sized *held = host.sized(40);
  host.on_finalize = [&](Pair *pair) { host.set(held->refs[0], pair->left); };
  std::vector<Sized *> live;
  for (int i = 0; i < 60; ++i) {
    for (int at = 0; at < 20; ++at) live.push_back(host.sized(40));
    Pair *pair = host.finalized_pair();
    Sized *loop = host.sized(40);
    host.set(pair->left, loop);
    host.give(loop->refs[0], pair);
    host.drop(loop);
    for (int at = 0; at < i; ++at) loam_safepoint(host.thread);
    loam_collect_young(host.thread);
    CHECK(loam_verify(host.runtime, 2) == 0);
  }
  end_cycle(host, cycles);
  CHECK(loam_verify(host.runtime, 2) == 0);
  host.drop(held);
  for (Sized *object : live) host.drop(object);
}

TEST_CASE("a cycle that is abandoned leaves no mark on a large object that is condemned") {
  Host host("torture=slice:5");
  Cycles cycles(host);
  Sized *held = host.sized(40);
  run_cycle(host, cycles);
  host.leak_ring(50);
  start_cycle(host, cycles);
  Pair *pair = host.finalized_pair();
  Sized *loop = host.sized(40);  // born marked
  host.set(pair->left, loop);
  host.give(loop->refs[0], pair);
  host.drop(loop);
  bool saves = false;
  SUBCASE("by a collection in the finalizer of a young one") {
    SUBCASE("that saves it") { saves = true; }
    SUBCASE("that does not") {}
    host.on_finalize = [&](Pair *self) {
      if (saves) host.set(held->refs[0], self->left);
      loam_collect(host.thread);
    };
    loam_collect_young(host.thread);
  }
  SUBCASE("by freezing while the heap is locked") {
    host.on_finalize = [&host](Pair *) { loam_heap_lock(host.thread); };
    loam_collect_young(host.thread);
    REQUIRE(cycles.running());
    loam_freeze(host.thread);
    CHECK(loam_verify(host.runtime, 2) == 0);
    loam_unfreeze(host.thread);
    loam_heap_unlock(host.thread);
    loam_safepoint(host.thread);
  }
  end_cycle(host, cycles);
  CHECK(loam_verify(host.runtime, 2) == 0);
  host.set(held->refs[0], nullptr);
  run_cycle(host, cycles);
  CHECK(host.stats().large_blocks == 1);
  host.drop(held);
}

TEST_CASE("a cycle ends once, though a finalizer between its slices collects") {
  Host host("torture=slice:20");
  Cycles cycles(host);
  host.on_finalize = [&host](Pair *) {
    loam_collect(host.thread);
    host.leak_ring(3);
  };
  for (int i = 0; i < 40; ++i) {
    Pair *pair = host.finalized_pair();
    host.set(pair->left, pair);
    Pair *other = host.finalized_pair();
    for (int at = 0; at < i; ++at) loam_safepoint(host.thread);
    host.drop(pair);
    host.drop(other);
    run_cycle(host, cycles);
    CHECK(cycles.ends <= cycles.starts);
    CHECK(cycles.starts <= cycles.ends + 1);
  }
}

TEST_CASE(
    "a cycle starts at the first safepoint after collection was enabled, without allocation") {
  for (bool safepoint_before : {false, true}) {
    CAPTURE(safepoint_before);
    Host host("torture=slice:8");
    Cycles cycles(host);
    loam_collect_disable(host.thread);
    Pair *loop = host.pair();
    host.set(loop->left, loop);
    host.drop(loop);
    if (safepoint_before) loam_safepoint(host.thread);
    CHECK(cycles.starts == 0);
    loam_collect_enable(host.thread);
    loam_safepoint(host.thread);
    CHECK(cycles.starts == 1);
    for (unsigned slices = 0; host.bytes() != 0 && slices < 1000; ++slices) {
      loam_safepoint(host.thread);
    }
    CHECK(host.bytes() == 0);
  }
}
