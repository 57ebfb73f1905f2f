// Finalizers: once per object, on intact neighbours, free to do anything, resurrection included;
// from a count that reached zero and from the collector.
#include <doctest/doctest.h>

#include <algorithm>
#include <csetjmp>
#include <set>
#include <vector>

#include "../support/host.h"

namespace {

using namespace loam::test;

Pair *as_pair(loam_object *object) { return reinterpret_cast<Pair *>(object); }

// A ring of n finalized pairs by `left`; the test holds one reference to each.
std::vector<Pair *> finalized_ring(Host &host, std::size_t n) {
  std::vector<Pair *> ring(n);
  for (Pair *&pair : ring) pair = host.finalized_pair();
  for (std::size_t i = 0; i < n; ++i) host.set(ring[i]->left, ring[(i + 1) % n]);
  return ring;
}

void leak_finalized_ring(Host &host, std::size_t n) {
  for (Pair *pair : finalized_ring(host, n)) host.drop(pair);
}

// A self-loop; the test holds one reference.
Pair *self_loop(Host &host, Pair *pair) {
  host.set(pair->left, pair);
  return pair;
}

// Collects until nothing is found and no finalizer ran.
void settle(Host &host) {
  std::size_t before;
  do {
    before = host.finalized;
  } while (host.collect() != 0 || host.finalized != before);
}

std::jmp_buf jump;

// Whether `action` was left through leave().
template <class Action>
bool was_left(Action action) {
  if (setjmp(jump) != 0) return true;
  action();
  return false;
}

void leave(loam_thread *thread) {
  loam_unwind(thread);
  std::longjmp(jump, 1);
}

// How an object comes to die.
enum class Death { kByCount, kByCollector };

// A finalized pair that `kill` will let die in that way.
Pair *doomed(Host &host, Death death) {
  Pair *pair = host.finalized_pair();
  return death == Death::kByCollector ? self_loop(host, pair) : pair;
}

void kill(Host &host, Pair *pair, Death death) {
  host.drop(pair);
  if (death == Death::kByCollector) host.collect();
}

struct Tally {
  std::size_t finalized = 0, disposed = 0, made_late = 0;
  const loam_type *late_type = nullptr;
  std::vector<loam_object *> saved;
};

Tally &tally(loam_thread *thread) { return *static_cast<Tally *>(loam_thread_context(thread)); }

void finalize_and_save(loam_thread *thread, loam_object *self) {
  ++tally(thread).finalized;
  loam_incref(thread, self);
  tally(thread).saved.push_back(self);
}

void finalize_and_make(loam_thread *thread, loam_object *) {
  Tally &counts = tally(thread);
  ++counts.finalized;
  if (loam_new(thread, counts.late_type) != nullptr) ++counts.made_late;
}

void count_dispose(loam_thread *thread, loam_object *) { ++tally(thread).disposed; }

// A runtime whose end the test can look at from outside.
loam_runtime *tallied_runtime(Tally *counts, loam_finalize_fn finalize, Types *types) {
  loam_options options = {};
  options.fatal = on_fatal;
  options.context = counts;
  loam_runtime *runtime = nullptr;
  REQUIRE(loam_runtime_create(&options, &runtime) == LOAM_OK);
  REQUIRE(register_types(runtime, {finalize, count_dispose}, types) == LOAM_OK);
  counts->late_type = types->finalized_pair;
  return runtime;
}

}  // namespace

TEST_CASE("each object of a garbage ring is finalized once, then disposed once") {
  Host host;
  std::multiset<Pair *> seen;
  bool disposed_before = false;
  host.on_finalize = [&](Pair *self) {
    seen.insert(self);
    disposed_before = disposed_before || host.disposed != 0;
  };
  leak_finalized_ring(host, 100);
  CHECK(host.collect() == 100);
  CHECK(host.finalized == 100);
  CHECK(std::set<Pair *>(seen.begin(), seen.end()).size() == 100);
  CHECK_FALSE(disposed_before);
  CHECK(host.disposed == 100);
  CHECK(host.stats().finalizers_run == 100);
  CHECK(host.bytes() == 0);
}

TEST_CASE("a finalizer sees its neighbours whole") {
  Host host;
  std::vector<Pair *> ring = finalized_ring(host, 50);
  for (Pair *pair : ring) {
    Leaf *leaf = host.leaf();
    leaf->payload[0] = 0xFEEDu;
    host.give(pair->right, leaf);
  }
  bool whole = true;
  host.on_finalize = [&](Pair *self) {
    Pair *walker = self;
    for (std::size_t i = 0; i < ring.size(); ++i) {
      whole = whole && loam_type_of(host.runtime, as_object(walker)) == host.types.finalized_pair;
      whole = whole && reinterpret_cast<Leaf *>(walker->right)->payload[0] == 0xFEEDu;
      walker = as_pair(walker->left);
    }
    whole = whole && walker == self;
  };
  for (Pair *pair : ring) host.drop(pair);
  CHECK(host.collect() == 50);
  CHECK(host.finalized == 50);
  CHECK(whole);
}

TEST_CASE("an object that dies by its count is finalized once, with its children whole") {
  Host host;
  Pair *parent = host.finalized_pair();
  host.give(parent->left, host.finalized_pair());
  std::vector<Pair *> order;
  bool whole = true;
  host.on_finalize = [&](Pair *self) {
    if (self == parent) whole = self->left != nullptr && loam_refcount(self->left) == 1;
    order.push_back(self);
  };
  host.drop(parent);
  CHECK(whole);
  REQUIRE(order.size() == 2);
  CHECK(order[0] == parent);
  CHECK(host.disposed == 2);
  CHECK(host.bytes() == 0);
}

TEST_CASE("an object that saves itself lives, and is not finalized again") {
  for (Death death : {Death::kByCount, Death::kByCollector}) {
    Host host;
    Pair *saved = nullptr;
    host.on_finalize = [&](Pair *self) {
      host.hold(self);
      saved = self;
    };
    kill(host, doomed(host, death), death);
    REQUIRE(saved != nullptr);
    CHECK(host.disposed == 0);
    CHECK(host.bytes() > 0);
    CHECK(host.verify());
    CHECK(host.collect() == 0);
    kill(host, saved, death);
    CHECK(host.finalized == 1);
    CHECK(host.disposed == 1);
    CHECK(host.bytes() == 0);
  }
}

TEST_CASE("what the collector condemned and a finalizer saved is counted as resurrected") {
  Host host;
  std::vector<Pair *> saved;
  host.on_finalize = [&](Pair *self) {
    if (!saved.empty()) return;
    host.hold(self);
    saved.push_back(self);
  };
  leak_finalized_ring(host, 10);
  CHECK(host.collect() == 0);
  CHECK(host.finalized == 10);
  CHECK(host.stats().collections[LOAM_COLLECTION_FULL].resurrected == 10);
  CHECK(host.verify());
  host.drop(saved[0]);
  CHECK(host.collect() == 10);
  CHECK(host.finalized == 10);
}

TEST_CASE("a finalizer may save a peer, and with it all that the peer reaches") {
  Host host;
  Pair *finalized = host.finalized_pair();
  Pair *peer = host.pair();
  Pair *behind = self_loop(host, host.pair());
  host.set(finalized->left, peer);
  host.set(peer->left, finalized);
  host.give(peer->right, behind);
  host.on_finalize = [&](Pair *) { host.hold(peer); };
  host.drop(finalized);
  host.drop(peer);
  CHECK(host.collect() == 0);
  CHECK(peer->left == as_object(finalized));
  CHECK(as_pair(peer->right)->left == as_object(behind));
  CHECK(host.verify());
  host.drop(peer);
  CHECK(host.collect() == 3);
  CHECK(host.finalized == 1);
}

TEST_CASE("half of a component is saved whole, and the other half goes") {
  Host host;
  Pair *saved = self_loop(host, host.finalized_pair());
  Pair *reached = self_loop(host, host.pair());
  Pair *reaching = self_loop(host, host.pair());
  host.give(saved->right, reached);
  host.set(reaching->right, saved);
  host.on_finalize = [&](Pair *self) { host.hold(self); };
  host.drop(saved);
  host.drop(reaching);
  CHECK(host.collect() == 1);
  CHECK(loam_refcount(as_object(saved)) == 2);
  CHECK(saved->right == as_object(reached));
  CHECK(reached->left == as_object(reached));
  CHECK(host.verify());
  host.drop(saved);
  CHECK(host.collect() == 2);
  CHECK(host.bytes() == 0);
}

TEST_CASE("a finalizer may break its own cycle") {
  Host host;
  host.on_finalize = [&](Pair *self) { host.set(self->left, nullptr); };
  leak_finalized_ring(host, 5);
  settle(host);
  CHECK(host.finalized == 5);
  CHECK(host.disposed == 5);
  CHECK(host.bytes() == 0);
}

TEST_CASE("a finalizer may make new cycles, and tie them to itself") {
  for (Death death : {Death::kByCount, Death::kByCollector}) {
    Host host;
    host.on_finalize = [&](Pair *self) {
      host.leak_ring(3);
      Pair *fresh = host.pair();
      host.set(fresh->left, fresh);
      host.set(fresh->right, fresh);
      host.give(self->right, fresh);
    };
    kill(host, doomed(host, death), death);
    CHECK(host.verify());
    settle(host);
    CHECK(host.finalized == 1);
    CHECK(host.disposed == 1);
    CHECK(host.bytes() == 0);
  }
}

TEST_CASE("a finalizer may allocate a million objects, and leave garbage behind") {
  for (Death death : {Death::kByCount, Death::kByCollector}) {
    Host host;
    Pair *kept = nullptr;
    std::size_t count = scaled(1000000);
    host.on_finalize = [&](Pair *) {
      for (std::size_t i = 0; i < count; ++i) {
        Pair *next = host.pair();
        if (kept != nullptr) host.give(next->left, kept);
        kept = next;
        if (i % 10 == 0) host.leak_ring(2);
      }
    };
    kill(host, doomed(host, death), death);
    CHECK(host.disposed == 1);
    std::size_t length = 0;
    for (Pair *pair = kept; pair != nullptr; pair = as_pair(pair->left)) ++length;
    CHECK(length == count);
    host.drop(kept);
    settle(host);
    CHECK(host.bytes() == 0);
  }
}

TEST_CASE("a million objects dropped in a finalizer are freed at once") {
  for (Death death : {Death::kByCount, Death::kByCollector}) {
    Host host;
    std::size_t count = scaled(1000000);
    Pair *head = nullptr;
    for (std::size_t i = 0; i < count; ++i) {
      Pair *next = host.pair();
      if (head != nullptr) host.give(next->left, head);
      head = next;
    }
    Pair *dying = doomed(host, death);
    std::size_t freed = 0;
    host.on_finalize = [&](Pair *) {
      std::size_t before = host.bytes();
      host.drop(head);
      freed = before - host.bytes();
    };
    kill(host, dying, death);
    CHECK(freed >= count * sizeof(Pair));
    CHECK(host.bytes() == 0);
  }
}

TEST_CASE("finalized objects dropped in a finalizer are finalized too") {
  for (Death death : {Death::kByCount, Death::kByCollector}) {
    Host host;
    Pair *dying = doomed(host, death);
    Pair *other = host.finalized_pair();
    host.on_finalize = [&](Pair *self) {
      if (self == dying) host.drop(other);
    };
    kill(host, dying, death);
    loam_safepoint(host.thread);
    CHECK(host.finalized == 2);
    CHECK(host.disposed == 2);
    CHECK(host.bytes() == 0);
  }
}

TEST_CASE("a collection inside a finalizer frees what is not being judged, and no work is lost") {
  for (Death death : {Death::kByCount, Death::kByCollector}) {
    Host host;
    Pair *dying = doomed(host, death);
    Pair *live = self_loop(host, host.pair());
    std::size_t nested = 0;
    host.on_finalize = [&](Pair *self) {
      if (self != dying) return;
      host.leak_ring(7);
      leak_finalized_ring(host, 3);
      nested = host.collect();
      CHECK(host.collect() == 0);
    };
    kill(host, dying, death);
    CHECK(nested == 7);
    CHECK(host.disposed >= 1);
    loam_safepoint(host.thread);
    CHECK(host.finalized == 4);
    CHECK(host.disposed == 4);
    CHECK(live->left == as_object(live));
    CHECK(host.verify());
    host.drop(live);
    CHECK(host.collect() == 1);
  }
}

TEST_CASE("every finalizer of a ring may collect") {
  Host host;
  host.on_finalize = [&](Pair *) {
    host.leak_ring(2);
    host.collect();
  };
  leak_finalized_ring(host, 200);
  CHECK(host.collect() >= 200);
  CHECK(host.finalized == 200);
  CHECK(host.disposed == 200);
  CHECK(host.bytes() == 0);
}

TEST_CASE("a collection from dispose does nothing") {
  Host host;
  std::size_t collected = 1;
  host.on_dispose = [&](Pair *) { collected = host.collect(); };
  Pair *pair = host.finalized_pair();
  host.leak_ring(4);
  host.drop(pair);
  CHECK(collected == 0);
  CHECK(host.collect() == 4);
}

TEST_CASE("a finalizer left by longjmp costs nothing but its rest") {
  for (Death death : {Death::kByCount, Death::kByCollector}) {
    Host host;
    Pair *dying = doomed(host, death);
    host.give(dying->right, host.pair());
    host.on_finalize = [&](Pair *) { leave(host.thread); };
    CHECK(was_left([&] { kill(host, dying, death); }));
    host.on_finalize = nullptr;
    loam_safepoint(host.thread);
    settle(host);
    CHECK(host.finalized == 1);
    CHECK(host.disposed == 1);
    CHECK(host.bytes() == 0);
    CHECK(host.verify());
  }
}

TEST_CASE("every finalizer of a ring may be left by longjmp") {
  Host host;
  std::size_t left = 0;
  host.on_finalize = [&](Pair *) { leave(host.thread); };
  leak_finalized_ring(host, 20);
  if (was_left([&] { host.collect(); })) ++left;
  while (was_left([&] { loam_safepoint(host.thread); })) REQUIRE(++left <= 20);
  CHECK(left == 20);
  settle(host);
  CHECK(host.finalized == 20);
  CHECK(host.disposed == 20);
  CHECK(host.bytes() == 0);
}

TEST_CASE("a finalizer that another one set off may be left by longjmp") {
  Host host;
  Pair *outer = host.finalized_pair();
  Pair *inner = host.finalized_pair();
  host.on_finalize = [&](Pair *self) {
    if (self == inner) leave(host.thread);
    host.drop(inner);
  };
  // A decref inside a callback defers finalizers, so that only the inner one is left.
  CHECK(was_left([&] {
    host.drop(outer);
    loam_safepoint(host.thread);
  }));
  loam_safepoint(host.thread);
  CHECK(host.finalized == 2);
  CHECK(host.disposed == 2);
  CHECK(host.bytes() == 0);
}

TEST_CASE("a finalizer that saves its object and is left by longjmp keeps no other one waiting") {
  Host host;
  Pair *outer = host.finalized_pair(), *saved = nullptr;
  Pair *inner[] = {host.finalized_pair(), host.finalized_pair(), host.finalized_pair()};
  host.on_finalize = [&](Pair *self) {
    if (self == outer) {
      for (Pair *pair : inner) host.drop(pair);
    } else if (saved == nullptr) {
      saved = self;
      host.hold(self);
      leave(host.thread);
    }
  };
  CHECK(was_left([&] {
    host.drop(outer);
    loam_safepoint(host.thread);
  }));
  loam_safepoint(host.thread);
  CHECK(host.finalized == 4);
  CHECK(host.disposed == 3);
  CHECK(host.stats().pending_objects == 0);
  host.drop(saved);
  CHECK(host.disposed == 4);
}

TEST_CASE("a requested collection survives a finalizer that leaves the safepoint before it") {
  Host host;
  host.on_finalize = [&](Pair *) { leave(host.thread); };
  Pair *pair = host.finalized_pair();
  loam_heap_lock(host.thread);
  host.drop(pair);
  loam_heap_unlock(host.thread);
  loam_collect_request(host.runtime);
  CHECK(was_left([&] { loam_safepoint(host.thread); }));
  CHECK(host.stats().collections[LOAM_COLLECTION_FULL].pauses.count == 0);
  loam_safepoint(host.thread);
  CHECK(host.stats().collections[LOAM_COLLECTION_FULL].pauses.count == 1);
}

TEST_CASE("finalizers that touch thousands of objects set off no storm of collections") {
  Host host;
  std::vector<Pair *> touched(scaled(10000));
  for (Pair *&pair : touched) pair = host.pair();
  host.collect();
  host.on_finalize = [&](Pair *) {
    for (Pair *pair : touched) host.hold(pair);
    for (Pair *pair : touched) host.drop(pair);
  };
  auto runs = [&] {
    loam_stats stats = host.stats();
    return stats.collections[LOAM_COLLECTION_FULL].pauses.count +
           stats.collections[LOAM_COLLECTION_YOUNG].pauses.count;
  };
  std::uint64_t before = runs();
  for (std::size_t i = 0; i < 500; ++i) {
    host.drop(host.finalized_pair());
    loam_safepoint(host.thread);
  }
  CHECK(host.finalized == 500);
  CHECK(runs() - before <= 1);
  for (Pair *pair : touched) host.drop(pair);
}

TEST_CASE("young collections run finalizers with the same care") {
  Host host;
  std::vector<Pair *> saved;
  host.on_finalize = [&](Pair *self) {
    if (self->right == nullptr) return;
    host.hold(self);
    saved.push_back(self);
  };
  leak_finalized_ring(host, 4);
  Pair *special = self_loop(host, host.finalized_pair());
  host.set(special->right, special);
  host.drop(special);
  CHECK(loam_collect_young(host.thread) == 4);
  CHECK(host.finalized == 5);
  REQUIRE(saved.size() == 1);
  CHECK(host.verify());
  host.drop(saved[0]);
  CHECK(host.collect() == 1);
  CHECK(host.finalized == 5);
}

TEST_CASE("destroying a runtime finalizes what was left, once, and nothing twice") {
  Tally counts;
  Types types;
  loam_runtime *runtime = tallied_runtime(&counts, finalize_and_save, &types);
  loam_thread *thread = loam_runtime_main_thread(runtime);
  auto make = [&] { return static_cast<Pair *>(loam_new(thread, types.finalized_pair)); };

  make();               // still held when the runtime goes
  Pair *self = make();  // garbage that no collection has seen
  set(thread, self->left, self);
  loam_decref(thread, as_object(self));
  Pair *saved = make();  // finalized and saved before
  loam_decref(thread, as_object(saved));
  REQUIRE(counts.finalized == 1);
  loam_immortalize(thread, as_object(make()));

  loam_runtime_destroy(runtime);
  CHECK(counts.finalized == 4);
  CHECK(counts.disposed == 4);
}

TEST_CASE("objects made while a runtime is destroyed are disposed, and finalized at most once") {
  Tally counts;
  Types types;
  loam_runtime *runtime = tallied_runtime(&counts, finalize_and_make, &types);
  loam_thread *thread = loam_runtime_main_thread(runtime);
  for (int i = 0; i < 10; ++i) REQUIRE(loam_new(thread, types.finalized_pair) != nullptr);
  loam_runtime_destroy(runtime);
  CHECK(counts.finalized >= 10);
  CHECK(counts.finalized <= 10 + counts.made_late);
  CHECK(counts.disposed == 10 + counts.made_late);
}

// A large object keeps in its prefix what tables keep for small ones.
TEST_CASE("a collection in a finalizer notes nothing of large objects that are condemned") {
  for (const bool young : {false, true}) {
    CAPTURE(young);
    Host host;
    Pair *holder = host.pair(), *loop = host.finalized_pair(), *child = host.pair();
    Sized *large = host.sized(60);
    host.give(large->refs[0], child);
    host.set(large->refs[1], loop);
    host.give(loop->left, large);
    host.on_finalize = [&](Pair *self) {
      host.set(holder->left, self->left);
      if (young) {
        loam_collect_young(host.thread);
      } else {
        host.collect();
      }
    };
    host.drop(loop);
    CHECK(host.collect() == 0);
    CHECK(host.finalized == 1);
    CHECK(host.verify());
    CHECK(loam_type_of(host.runtime, as_object(child)) == host.types.pair);
    CHECK(loam_refcount(as_object(child)) == 1);
    host.drop(holder);
    CHECK(host.collect() == 3);
    CHECK(host.bytes() == 0);
  }
}
