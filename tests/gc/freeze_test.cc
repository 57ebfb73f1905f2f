// Frozen objects are set aside from collection, and come back whole.
#include <doctest/doctest.h>

#include <vector>

#include "../support/cycles.h"

namespace {

using namespace loam::test;

Pair *self_loop(Host &host) {
  Pair *pair = host.pair();
  host.set(pair->left, pair);
  return pair;
}

}  // namespace

TEST_CASE("frozen garbage is left alone, and goes when thawed") {
  Host host;
  host.leak_ring(50);
  loam_freeze(host.thread);
  CHECK(host.stats().frozen_objects == 50);
  CHECK(host.collect() == 0);
  CHECK(loam_collect_young(host.thread) == 0);
  CHECK(host.bytes() > 0);
  CHECK(host.verify());
  loam_unfreeze(host.thread);
  CHECK(host.stats().frozen_objects == 0);
  CHECK(host.collect() == 50);
  CHECK(host.bytes() == 0);
}

TEST_CASE("small, large and old containers are frozen alike") {
  Host host;
  host.leak_ring(3);
  Pair *old = self_loop(host);
  Sized *large = host.sized(100);
  host.set(large->refs[0], large);
  CHECK(host.collect() == 3);
  host.drop(old);
  host.drop(large);
  host.leak_ring(4);
  loam_freeze(host.thread);
  CHECK(host.stats().frozen_objects == 6);
  CHECK(host.collect() == 0);
  loam_unfreeze(host.thread);
  CHECK(host.collect() == 6);
}

TEST_CASE("what is made after a freeze is collected as ever") {
  Host host;
  Pair *frozen = self_loop(host);
  loam_freeze(host.thread);
  host.leak_ring(20);
  Pair *loop = self_loop(host);
  host.set(loop->right, frozen);
  host.drop(loop);
  CHECK(host.collect() == 21);
  CHECK(loam_refcount(as_object(frozen)) == 2);
  CHECK(host.stats().frozen_objects == 1);
  loam_unfreeze(host.thread);
  host.drop(frozen);
  CHECK(host.collect() == 1);
}

TEST_CASE("what frozen objects refer to is kept") {
  Host host;
  Pair *frozen = self_loop(host);
  loam_freeze(host.thread);
  Pair *fresh = self_loop(host);
  host.give(frozen->right, fresh);
  host.drop(frozen);
  CHECK(host.collect() == 0);
  CHECK(fresh->left == as_object(fresh));
  CHECK(host.verify());
  loam_unfreeze(host.thread);
  CHECK(host.collect() == 2);
}

TEST_CASE("a frozen object still dies by its count") {
  Host host;
  Pair *frozen = host.pair();
  host.give(frozen->left, host.pair());
  loam_freeze(host.thread);
  CHECK(host.stats().frozen_objects == 2);
  host.drop(frozen);
  CHECK(host.stats().frozen_objects == 0);
  CHECK(host.bytes() == 0);
  CHECK(host.verify());
  // Their blocks are used again, by objects that are not frozen.
  for (int i = 0; i < 10000; ++i) host.leak_ring(1);
  host.collect();
  CHECK(host.bytes() == 0);
  loam_unfreeze(host.thread);
}

TEST_CASE("freezing again adds what came since, and one thaw returns all") {
  Host host;
  host.leak_ring(10);
  loam_freeze(host.thread);
  host.leak_ring(5);
  loam_freeze(host.thread);
  CHECK(host.stats().frozen_objects == 15);
  CHECK(host.collect() == 0);
  loam_unfreeze(host.thread);
  CHECK(host.stats().frozen_objects == 0);
  CHECK(host.collect() == 15);
}

TEST_CASE("weak references and finalizers of frozen objects keep working") {
  Host host;
  Pair *frozen = host.finalized_pair();
  loam_weak *weak = nullptr;
  REQUIRE(loam_weak_create(host.thread, as_object(frozen), nullptr, nullptr, nullptr, &weak) ==
          LOAM_OK);
  loam_freeze(host.thread);
  CHECK(loam_weak_get(host.thread, weak) == as_object(frozen));
  host.drop(frozen);
  host.drop(frozen);
  CHECK(host.finalized == 1);
  CHECK(loam_weak_get(host.thread, weak) == nullptr);
  loam_weak_destroy(host.thread, weak);
  loam_unfreeze(host.thread);
}

TEST_CASE("freezing and thawing inside a finalizer are ignored") {
  Host host;
  Pair *live = self_loop(host);
  host.on_finalize = [&](Pair *) {
    loam_freeze(host.thread);
    loam_unfreeze(host.thread);
    loam_freeze(host.thread);
  };
  host.drop(host.finalized_pair());
  CHECK(host.finalized == 1);
  CHECK(host.stats().frozen_objects == 0);
  host.drop(live);
  CHECK(host.collect() == 1);
}

// The heap lock keeps the cycle where it is, and what SPLIT leaves to FINAL leads to what thaws.
TEST_CASE("what thaws in the middle of a cycle stays whole") {
  static bool locks;
  locks = true;
  std::size_t size = 0;
  SUBCASE("a large object") { size = 40; }
  SUBCASE("a small one") { size = 5; }
  Host host("torture=slice:400");
  Cycles cycles(host);
  loam_type_spec spec = spec_of("locking", 400);
  static const std::uint16_t offset = 8;
  spec.ref_offsets = &offset;
  spec.ref_count = 1;
  spec.finalize = [](loam_thread *thread, loam_object *) {
    if (locks) loam_heap_lock(thread);
    locks = false;
  };
  struct Locking {
    loam_object base;
    loam_object *next;
  };
  const loam_type *type = host.register_type(spec);
  Sized *frozen = host.sized(size);
  host.give(frozen->refs[0], host.sized(size));
  loam_freeze(host.thread);
  List *list = host.list();
  host.push(list, box(list));
  for (int i = 0; i < 3000; ++i) host.push(list, number(1));  // SPLIT passes it over
  host.push(list, box(frozen));
  auto *locking = host.make<Locking>(type);
  host.set(locking->next, locking);
  loam_collect_young(host.thread);
  host.drop(list);
  host.drop(locking);
  start_cycle(host, cycles);
  while (locks && cycles.running()) loam_safepoint(host.thread);
  REQUIRE(!locks);
  loam_unfreeze(host.thread);
  loam_heap_unlock(host.thread);
  end_cycle(host, cycles);
  CHECK(loam_verify(host.runtime, 2) == 0);
  host.collect();
  CHECK(frozen->base.refcount == 1);
  host.drop(frozen);
  CHECK(host.bytes() == 0);
}
