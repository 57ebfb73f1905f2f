// Weak references: emptied before any host code sees the death, called back once, and never a way
// to reach what is condemned.
#include <doctest/doctest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "../support/cycles.h"

namespace {

using namespace loam::test;

// A weak reference whose callback the test can see.
struct Watch {
  Host *host;
  loam_weak *weak = nullptr;
  std::size_t calls = 0;
  bool was_empty = true;  // at every call
  std::function<void()> on_call;

  explicit Watch(Host *owner_host) : host(owner_host) {}
  Watch(Host *owner_host, void *target, void *owner = nullptr) : host(owner_host) {
    REQUIRE(create(target, owner) == LOAM_OK);
  }
  ~Watch() { loam_weak_destroy(host->thread, weak); }
  Watch(const Watch &) = delete;
  Watch &operator=(const Watch &) = delete;

  loam_status create(void *target, void *owner = nullptr) {
    return loam_weak_create(host->thread, static_cast<loam_object *>(target),
                            static_cast<loam_object *>(owner), called, this, &weak);
  }
  // Whether the target can still be had.
  bool full() const {
    loam_object *target = loam_weak_get(host->thread, weak);
    loam_xdecref(host->thread, target);
    return target != nullptr;
  }

 private:
  static void called(loam_thread *, loam_weak *weak, void *context) {
    auto *watch = static_cast<Watch *>(context);
    ++watch->calls;
    watch->was_empty = watch->was_empty && weak == watch->weak && !watch->full();
    if (watch->on_call) watch->on_call();
  }
};

void close_loop(Host &host, Pair *pair) { host.set(pair->left, pair); }

// Two finalized pairs that refer to each other; the test holds one reference to each.
void link_both(Host &host, Pair *first, Pair *second) {
  host.set(first->left, second);
  host.set(second->left, first);
}

std::size_t objects_alive(const Host &host) {
  std::size_t objects = 0;
  const auto add = [](const loam_type_stats *row, void *sum) {
    *static_cast<std::size_t *>(sum) += row->objects;
  };
  REQUIRE(loam_stats_types(host.runtime, add, &objects) == LOAM_OK);
  return objects;
}

}  // namespace

TEST_CASE("a weak reference gives a counted reference while its target lives") {
  Host host;
  Pair *target = host.pair();
  Watch watch(&host, target);
  CHECK(loam_refcount(as_object(target)) == 1);
  CHECK(loam_weak_get(host.thread, watch.weak) == as_object(target));
  CHECK(loam_refcount(as_object(target)) == 2);
  host.drop(target);
  CHECK(watch.full());
  CHECK(watch.calls == 0);
  host.drop(target);
  CHECK_FALSE(watch.full());
  CHECK(watch.calls == 1);
}

TEST_CASE("a callback fires once, when its reference is already empty") {
  Host host;
  Pair *target = host.pair();
  Watch watch(&host, target);
  SUBCASE("and the target dies by its count") { host.drop(target); }
  SUBCASE("and the target dies in a cycle") {
    close_loop(host, target);
    host.drop(target);
    CHECK(watch.calls == 0);
    CHECK(host.collect() == 1);
  }
  SUBCASE("and the target dies in a young collection") {
    close_loop(host, target);
    host.drop(target);
    CHECK(loam_collect_young(host.thread) == 1);
  }
  CHECK(watch.calls == 1);
  CHECK(watch.was_empty);
  host.collect();
  loam_safepoint(host.thread);
  CHECK(watch.calls == 1);
  CHECK(host.stats().weak_callbacks_run == 1);
}

TEST_CASE("a callback runs before the finalizer of its target") {
  Host host;
  Pair *target = host.finalized_pair();
  Watch watch(&host, target);
  std::string order;
  watch.on_call = [&] { order += "callback "; };
  host.on_finalize = [&](Pair *) {
    order += watch.full() ? "full " : "empty ";
    order += "finalizer ";
  };
  host.on_dispose = [&](Pair *) { order += "dispose"; };
  SUBCASE("by count") { host.drop(target); }
  SUBCASE("by the collector") {
    close_loop(host, target);
    host.drop(target);
    host.collect();
  }
  CHECK(order == "callback empty finalizer dispose");
}

TEST_CASE("all references into garbage are empty before the first callback") {
  Host host;
  std::vector<Pair *> ring(10);
  for (Pair *&pair : ring) pair = host.pair();
  for (std::size_t i = 0; i < ring.size(); ++i) host.set(ring[i]->left, ring[(i + 1) % 10]);
  Pair *apart = host.pair();  // another component of the same garbage
  close_loop(host, apart);
  std::vector<std::unique_ptr<Watch>> watches;
  for (Pair *pair : ring) watches.push_back(std::make_unique<Watch>(&host, pair));
  watches.push_back(std::make_unique<Watch>(&host, apart));
  std::size_t full = 0;
  for (auto &watch : watches) {
    watch->on_call = [&] {
      for (auto &other : watches) full += other->full();
    };
  }
  for (Pair *pair : ring) host.drop(pair);
  host.drop(apart);
  CHECK(host.collect() == 11);
  CHECK(full == 0);
  for (auto &watch : watches) CHECK(watch->calls == 1);
}

TEST_CASE("several references to one target are all emptied and called") {
  Host host;
  Pair *target = host.pair();
  Watch first(&host, target), second(&host, target), destroyed(&host, target);
  loam_weak_destroy(host.thread, destroyed.weak);
  destroyed.weak = nullptr;
  host.drop(target);
  CHECK(first.calls == 1);
  CHECK(second.calls == 1);
  CHECK(destroyed.calls == 0);
  CHECK(host.stats().weak_references == 2);
}

TEST_CASE("weak references can be destroyed from inside a callback") {
  Host host;
  Pair *target = host.pair();
  Watch self(&host, target), first(&host, target), second(&host, target);
  self.on_call = [&] {
    loam_weak_destroy(host.thread, self.weak);
    self.weak = nullptr;
  };
  // Whichever of the two is called first ends the other.
  first.on_call = [&] {
    loam_weak_destroy(host.thread, second.weak);
    second.weak = nullptr;
  };
  second.on_call = [&] {
    loam_weak_destroy(host.thread, first.weak);
    first.weak = nullptr;
  };
  host.drop(target);
  CHECK(self.calls == 1);
  CHECK(first.calls + second.calls == 1);
  CHECK(host.stats().weak_references == 1);
}

TEST_CASE("a callback whose owner is part of the garbage is skipped") {
  Host host;
  Pair *target = host.pair();
  Pair *owner = host.pair();
  link_both(host, target, owner);
  Watch owned(&host, target, owner), free_standing(&host, target);
  host.drop(target);
  host.drop(owner);
  CHECK(host.collect() == 2);
  CHECK(owned.calls == 0);
  CHECK_FALSE(owned.full());
  CHECK(free_standing.calls == 1);
}

TEST_CASE("a callback whose owner is garbage of another component is skipped") {
  Host host;
  Pair *target = host.pair();
  Pair *owner = host.pair();
  close_loop(host, target);
  close_loop(host, owner);
  Watch owned(&host, target, owner);
  host.drop(target);
  host.drop(owner);
  CHECK(host.collect() == 2);
  CHECK(owned.calls == 0);
  CHECK_FALSE(owned.full());
}

TEST_CASE("a callback whose owner lives is called") {
  Host host;
  Pair *target = host.pair();
  Pair *owner = host.pair();
  Watch owned(&host, target, owner);
  SUBCASE("by count") { host.drop(target); }
  SUBCASE("by the collector") {
    close_loop(host, target);
    host.drop(target);
    CHECK(host.collect() == 1);
  }
  CHECK(owned.calls == 1);
  CHECK(loam_refcount(as_object(owner)) == 1);
  host.drop(owner);
}

TEST_CASE("a callback whose owner died before is never called") {
  Host host;
  Pair *target = host.pair();
  Pair *owner = host.pair();
  Watch owned(&host, target, owner);
  host.drop(owner);
  CHECK(owned.full());
  SUBCASE("by count") { host.drop(target); }
  SUBCASE("by the collector") {
    close_loop(host, target);
    host.drop(target);
    CHECK(host.collect() == 1);
  }
  CHECK(owned.calls == 0);
  CHECK_FALSE(owned.full());
}

TEST_CASE("a callback owned by its own target is never called") {
  Host host;
  Pair *target = host.pair();
  Watch owned(&host, target, target);
  SUBCASE("by count") { host.drop(target); }
  SUBCASE("by the collector") {
    close_loop(host, target);
    host.drop(target);
    CHECK(host.collect() == 1);
  }
  CHECK(owned.calls == 0);
  CHECK_FALSE(owned.full());
}

TEST_CASE("no callback can reach condemned objects") {
  Host host;
  Pair *watched = host.pair();
  Pair *other = host.pair();
  link_both(host, watched, other);
  Watch calling(&host, watched), silent(&host, other);
  bool reached = false;
  calling.on_call = [&] {
    reached = reached || silent.full();
    reached = reached || loam_try_incref(host.thread, as_object(other));
    reached = reached || loam_try_incref(host.thread, as_object(watched));
    Watch late(&host);
    reached = reached || (late.create(other) == LOAM_OK && late.full());
    host.collect();
    reached = reached || loam_try_incref(host.thread, as_object(other));
  };
  host.drop(watched);
  host.drop(other);
  CHECK(host.collect() == 2);
  CHECK(calling.calls == 1);
  CHECK_FALSE(reached);
  CHECK(objects_alive(host) == 0);
}

TEST_CASE("finalizers cannot upgrade references to condemned objects") {
  Host host;
  Pair *first = host.finalized_pair();
  Pair *second = host.finalized_pair();
  link_both(host, first, second);
  Watch watch(&host, second);
  std::size_t upgraded = 0;
  host.on_finalize = [&](Pair *) {
    upgraded += watch.full();
    upgraded += loam_try_incref(host.thread, as_object(first));
    upgraded += loam_try_incref(host.thread, as_object(second));
  };
  host.drop(first);
  host.drop(second);
  CHECK(host.collect() == 2);
  CHECK(host.finalized == 2);
  CHECK(upgraded == 0);
  CHECK(objects_alive(host) == 0);
}

TEST_CASE("dispose cannot upgrade references to the dying") {
  Host host;
  Pair *first = host.finalized_pair();
  Pair *second = host.finalized_pair();
  Watch watch(&host, second);
  Pair *other = host.pair();
  std::size_t upgraded = 0, calls = 0;
  host.on_dispose = [&](Pair *self) {
    ++calls;
    upgraded += watch.full();
    upgraded += loam_try_incref(host.thread, as_object(self));
    Watch late(&host);
    CHECK(late.create(self) == LOAM_ESTATE);
    CHECK(late.create(other, self) == LOAM_ESTATE);
    CHECK(late.create(other) == LOAM_OK);
  };
  SUBCASE("by count") { host.give(first->left, second); }
  SUBCASE("by the collector") {
    link_both(host, first, second);
    host.drop(second);
  }
  host.drop(first);
  host.collect();
  CHECK(calls == 2);
  CHECK(upgraded == 0);
  host.drop(other);
  CHECK(objects_alive(host) == 0);
}

TEST_CASE("try_incref takes a reference to the living only") {
  Host host;
  Pair *pair = host.pair();
  CHECK(loam_try_incref(host.thread, as_object(pair)));
  CHECK(loam_refcount(as_object(pair)) == 2);
  host.drop(pair);
  loam_object *leaf = as_object(host.leaf());
  CHECK(loam_try_incref(host.thread, leaf));
  CHECK(loam_refcount(leaf) == 2);
  host.drop(leaf);
  host.drop(leaf);
  host.drop(pair);
}

TEST_CASE("an object that an uncounted table saved before it was condemned stays") {
  Host host;
  Pair *pair = host.pair();
  close_loop(host, pair);
  host.drop(pair);  // garbage, but not condemned yet
  REQUIRE(loam_try_incref(host.thread, as_object(pair)));
  CHECK(host.collect() == 0);
  host.drop(pair);
  CHECK(host.collect() == 1);
}

TEST_CASE("a reference made in the target's own finalizer follows the target") {
  for (bool by_collector : {false, true}) {
    for (bool resurrect : {false, true}) {
      CAPTURE(by_collector);
      CAPTURE(resurrect);
      Host host;
      Pair *target = host.finalized_pair();
      if (by_collector) close_loop(host, target);
      Watch watch(&host);
      loam_status status = LOAM_EINVAL;
      host.on_finalize = [&](Pair *self) {
        status = watch.create(self);
        if (resurrect) host.hold(self);
      };
      host.drop(target);
      if (by_collector) host.collect();
      CHECK(status == LOAM_OK);
      CHECK(watch.full() == resurrect);
      if (resurrect) {
        CHECK(watch.calls == 0);
        host.set(target->left, nullptr);
        host.drop(target);  // by count, and without a second finalizer
        CHECK(watch.calls == 1);
      }
      CHECK_FALSE(watch.full());
      CHECK(host.finalized == 1);
      CHECK(host.disposed == 1);
    }
  }
}

TEST_CASE("a reference to a resurrected object stays empty, and is called only once") {
  for (bool by_collector : {false, true}) {
    CAPTURE(by_collector);
    Host host;
    Pair *target = host.finalized_pair();
    if (by_collector) close_loop(host, target);
    Watch before(&host, target);
    host.on_finalize = [&](Pair *self) { host.hold(self); };
    host.drop(target);
    if (by_collector) host.collect();
    CHECK(before.calls == 1);
    CHECK_FALSE(before.full());
    Watch after(&host, target);
    CHECK(after.full());
    CHECK(loam_try_incref(host.thread, as_object(target)));
    host.drop(target);
    host.set(target->left, nullptr);
    host.drop(target);
    CHECK(before.calls == 1);
    CHECK(after.calls == 1);
    CHECK(host.finalized == 1);
  }
}

TEST_CASE("a collection inside a weak callback is safe, and no work is lost") {
  Host host;
  Pair *target = host.pair();
  Watch watch(&host, target);
  std::size_t nested = 0;
  watch.on_call = [&] {
    host.leak_ring(6);
    nested = host.collect();
  };
  SUBCASE("by count") { host.drop(target); }
  SUBCASE("by the collector") {
    close_loop(host, target);
    host.drop(target);
    host.collect();
  }
  CHECK(nested == 6);
  CHECK(watch.calls == 1);
  loam_safepoint(host.thread);
  CHECK(objects_alive(host) == 0);
  CHECK(host.verify());
}

TEST_CASE("under the heap lock references are emptied and their callbacks wait") {
  Host host;
  Pair *target = host.pair();
  Watch watch(&host, target);
  loam_heap_lock(host.thread);
  host.drop(target);
  CHECK_FALSE(watch.full());
  CHECK(watch.calls == 0);
  loam_heap_unlock(host.thread);
  loam_safepoint(host.thread);
  CHECK(watch.calls == 1);
}

TEST_CASE("under a lock that a callback left, the finalizer of its target waits") {
  Host host;
  Pair *target = host.finalized_pair();
  Watch watch(&host, target);
  watch.on_call = [&] { loam_heap_lock(host.thread); };
  host.drop(target);
  CHECK(watch.calls == 1);
  CHECK_FALSE(watch.full());
  loam_safepoint(host.thread);
  CHECK(host.finalized == 0);
  loam_heap_unlock(host.thread);
  loam_safepoint(host.thread);
  CHECK(watch.calls == 1);
  CHECK(host.finalized == 1);
  CHECK(host.disposed == 1);
  CHECK(objects_alive(host) == 0);
}

TEST_CASE("a weak reference outlives its target by any time, and empties by count too") {
  Host host;
  std::size_t count = scaled(100000);
  std::vector<loam_weak *> weaks(count);
  for (loam_weak *&weak : weaks) {
    Pair *target = host.pair();
    REQUIRE(loam_weak_create(host.thread, as_object(target), nullptr, nullptr, nullptr, &weak) ==
            LOAM_OK);
    host.drop(target);
  }
  CHECK(host.stats().weak_references == count);
  std::size_t full = 0;
  for (loam_weak *weak : weaks) {
    full += loam_weak_get(host.thread, weak) != nullptr;
    loam_weak_destroy(host.thread, weak);
  }
  CHECK(full == 0);
  CHECK(host.stats().weak_references == 0);
}

TEST_CASE("leaves and large objects can be watched") {
  Host host;
  Leaf *leaf = host.leaf();
  Sized *large = host.sized(100);
  Watch on_leaf(&host, leaf), on_large(&host, large);
  CHECK(on_leaf.full());
  CHECK(on_large.full());
  host.drop(leaf);
  host.set(large->refs[99], large);
  host.drop(large);
  CHECK(on_leaf.calls == 1);
  CHECK(on_large.full());
  CHECK(host.collect() == 1);
  CHECK(on_large.calls == 1);
}

TEST_CASE("what is swept in slices takes no reference, though a table still leads to it") {
  Host host("torture=slice:40");
  Cycles cycles(host);
  loam_collect_disable(host.thread);
  std::vector<Pair *> ring(100);
  for (Pair *&pair : ring) pair = host.pair();
  for (std::size_t i = 0; i < ring.size(); ++i) host.set(ring[i]->left, ring[(i + 1) % 100]);
  loam_collect_young(host.thread);
  loam_collect_enable(host.thread);
  for (Pair *pair : ring) host.drop(pair);
  Pair *other = host.pair();
  start_cycle(host, cycles);
  std::size_t refused = 0;
  while (objects_alive(host) > 1) {
    if (host.stats().condemned_objects == 100) {
      Watch target(&host), owner(&host);
      const loam_status status = target.create(ring[99]);
      CHECK(status == owner.create(other, ring[99]));
      refused += status == LOAM_ESTATE;
      if (refused > 0) CHECK(status == LOAM_ESTATE);  // from some slice on
    }
    loam_safepoint(host.thread);
  }
  CHECK(refused > 0);
  host.drop(other);
}
