// What a program does to its objects between two slices of a cycle, without a barrier to tell of
// it: whatever moves where, what is live stays, and what was garbage at the start is gone at the
// end.
#include <doctest/doctest.h>

#include <vector>

#include "../support/cycles.h"

namespace {

using namespace loam::test;

Pair *left_of(const Pair *pair) { return reinterpret_cast<Pair *>(pair->left); }
Triple *child(const Triple *node, int side) { return reinterpret_cast<Triple *>(node->refs[side]); }

// A complete tree by refs[0] and refs[1] whose nodes know their parents.
Triple *tree(Host &host, unsigned depth) {
  Triple *node = host.triple();
  for (int side = 0; side < 2 && depth > 0; ++side) {
    Triple *below = tree(host, depth - 1);
    host.set(below->refs[2], node);
    host.give(node->refs[side], below);
  }
  return node;
}

// All references are moved: each object is referred to as often as before.
void rotate(Triple *top, int side) {
  Triple *risen = child(top, side);
  if (risen == nullptr || child(risen, 1 - side) == nullptr) return;
  // top -> risen -> middle becomes top -> middle, the other subtrees of both change places.
  std::swap(top->refs[1 - side], risen->refs[side]);
  for (Triple *node : {top, risen}) {
    for (int at = 0; at < 2; ++at) {
      if (node->refs[at] != nullptr) child(node, at)->refs[2] = as_object(node);
    }
  }
}

std::size_t nodes_below(Triple *node) {
  if (node == nullptr) return 0;
  std::size_t count = 1;
  for (int side = 0; side < 2; ++side) {
    if (child(node, side) != nullptr && child(node, side)->refs[2] != as_object(node)) return 0;
    count += nodes_below(child(node, side));
  }
  return count;
}

}  // namespace

TEST_CASE("a tree whose subtrees change places at every slice stays whole") {
  const std::uint64_t seed = seed_or(1);
  INFO("LOAM_TEST_SEED=", seed);
  Random random(seed);
  Host host("torture=slice:30");
  Cycles cycles(host);
  constexpr unsigned kDepth = 9;
  Triple *root = tree(host, kDepth);
  while (cycles.ends < scaled(30)) {
    Triple *node = root;
    for (std::size_t steps = random.below(kDepth); steps > 0; --steps) {
      Triple *next = child(node, static_cast<int>(random.below(2)));
      if (next != nullptr) node = next;
    }
    rotate(node, static_cast<int>(random.below(2)));
    loam_safepoint(host.thread);
  }
  CHECK(nodes_below(root) == (2u << kDepth) - 1);
  host.drop(root);
}

TEST_CASE("a deque that turns at every slice keeps its elements") {
  Host host("torture=slice:30");
  Cycles cycles(host);
  constexpr std::size_t kLength = 500;
  Pair *back = host.pair();  // a chain by `left` from the front, the last held by a variable too
  loam_object *front = as_object(back);
  host.hold(back);
  for (std::size_t i = 1; i < kLength; ++i) {
    Pair *pair = host.pair();
    host.give(pair->right, host.leaf());
    pair->left = front;
    front = as_object(pair);
  }
  while (cycles.ends < scaled(30)) {
    Pair *first = reinterpret_cast<Pair *>(front);  // goes to the back, by moves
    front = first->left;
    first->left = nullptr;
    host.hold(first);
    loam_decref(host.thread, as_object(back));
    back->left = as_object(first);
    back = first;
    loam_safepoint(host.thread);
  }
  std::size_t length = 0;
  for (loam_object *at = front; at != nullptr; at = reinterpret_cast<Pair *>(at)->left) ++length;
  CHECK(length == kLength);
  host.drop(back);
  loam_decref(host.thread, front);
}

TEST_CASE("a ring is reversed in place while cycles pass") {
  const std::size_t kLength = scaled(1000000);
  Host host("torture=slice:20000");
  Cycles cycles(host);
  Pair *first = host.ring(kLength);
  run_cycle(host, cycles);
  loam_object *previous = as_object(first), *at = first->left;  // both are references of ours
  first->left = nullptr;
  loam_object *const last = at;
  for (std::size_t i = 1; i < kLength; ++i) {
    loam_object *next = reinterpret_cast<Pair *>(at)->left;
    reinterpret_cast<Pair *>(at)->left = previous;
    previous = at;
    at = next;
    if (i % (kLength / 200 + 1) == 0) loam_safepoint(host.thread);
  }
  CHECK(at == as_object(first));
  first->left = previous;  // our reference to `first` is `at` now
  end_cycle(host, cycles);
  std::size_t length = 1;
  for (Pair *pair = left_of(first); pair != first; pair = left_of(pair)) ++length;
  CHECK(length == kLength);
  CHECK(reinterpret_cast<Pair *>(last)->left == as_object(first));
  host.drop(first);
  run_cycle(host, cycles);
  run_cycle(host, cycles);
  CHECK(host.bytes() == 0);
}

TEST_CASE("two objects that pass the only reference back and forth are never both overlooked") {
  const std::uint64_t seed = seed_or(1);
  INFO("LOAM_TEST_SEED=", seed);
  Random random(seed);
  for (const char *options : {"torture=slice:1", "torture=slice:3", "debug=1,torture=slice:1"}) {
    Host host(options);
    Cycles cycles(host);
    // Of different sizes, so that they are counted in different slices.
    Pair *pair = host.pair();
    Triple *triple = host.triple();
    loam_object *variable = as_object(pair);
    pair->left = as_object(triple);
    while (cycles.ends < scaled(2000)) {
      if (random.below(2) == 0) {  // the variable's object gives what it holds, and is held by it
        const bool at_pair = variable == as_object(pair);
        loam_object *&from = at_pair ? pair->left : triple->refs[0];
        loam_object *&to = at_pair ? triple->refs[0] : pair->left;
        to = variable;
        variable = from;
        from = nullptr;
      }
      loam_safepoint(host.thread);
      if (pair->base.refcount != 1 || triple->base.refcount != 1) break;
    }
    CHECK(pair->base.refcount == 1);
    CHECK(triple->base.refcount == 1);
    loam_decref(host.thread, variable);
    CHECK(host.bytes() == 0);
  }
}

TEST_CASE("what only a newborn object or a variable holds lives, however late it was moved there") {
  for (bool newborn : {false, true}) {
    for (unsigned after = 0; after < 80; ++after) {
      Host host("torture=slice:6");
      Cycles cycles(host);
      Pair *holder = host.pair(), *old = host.ring(5);
      host.give(holder->left, old);
      run_cycle(host, cycles);
      start_cycle(host, cycles);
      for (unsigned i = 0; i < after; ++i) loam_safepoint(host.thread);
      loam_object *variable = holder->left;
      holder->left = nullptr;
      if (newborn) {
        Pair *born = host.pair();
        born->left = variable;
        variable = as_object(born);
      }
      end_cycle(host, cycles);
      run_cycle(host, cycles);
      const Pair *at = newborn ? left_of(reinterpret_cast<Pair *>(variable))
                               : reinterpret_cast<Pair *>(variable);
      REQUIRE(at == old);
      for (int i = 0; i < 5; ++i) at = left_of(at);
      REQUIRE(at == old);
      loam_decref(host.thread, variable);
      host.drop(holder);
      CHECK(host.collect() == 5);
    }
  }
}

TEST_CASE("millions of objects behind a root that is new stay, and go when it does") {
  const std::size_t kLength = scaled(5000000);
  Host host("torture=slice:8000");
  Cycles cycles(host);
  Pair *holder = host.pair();
  host.give(holder->left, host.ring(kLength));
  run_cycle(host, cycles);
  start_cycle(host, cycles);
  for (int i = 0; i < 20; ++i) {
    Pair *newborn = host.pair();
    newborn->left = holder->left;
    holder->left = nullptr;
    for (int slices = 0; slices < 10; ++slices) loam_safepoint(host.thread);
    host.drop(holder);
    holder = newborn;
  }
  end_cycle(host, cycles);
  const Pair *at = left_of(holder);
  for (std::size_t i = 0; i < kLength; ++i) at = left_of(at);
  CHECK(at == left_of(holder));
  host.drop(holder);
  CHECK(host.collect() == kLength);
}

TEST_CASE("blocks whose objects die between slices serve other types, and slabs other classes") {
  const std::uint64_t seed = seed_or(1);
  INFO("LOAM_TEST_SEED=", seed);
  for (const char *options :
       {"torture=slice:40", "torture=slice:300", "cascade_budget=3,torture=slice:100",
        "torture=slice:60+poison:1+verify:1"}) {
    CAPTURE(options);
    Random random(seed);
    Host host(options);
    Cycles cycles(host);
    std::vector<loam_object *> held;
    for (unsigned round = 0; round < scaled(60); ++round) {
      // Each round fills slabs of one size and empties those of the others.
      for (int i = 0; i < 6000; ++i) {
        loam_object *object = round % 3 == 0   ? as_object(host.pair())
                              : round % 3 == 1 ? as_object(host.triple())
                                               : as_object(host.tagged());
        if (!held.empty() && round % 3 == 0) {
          loam_object *target = held[random.below(held.size())];
          host.set(reinterpret_cast<Pair *>(object)->left, target);
        } else if (round % 3 == 1) {
          host.set(reinterpret_cast<Triple *>(object)->refs[1], object);
          host.set(reinterpret_cast<Triple *>(object)->refs[1], nullptr);
        } else if (round % 3 == 2) {
          host.set_word(reinterpret_cast<Tagged *>(object)->words[0], box(object));
          host.set_word(reinterpret_cast<Tagged *>(object)->words[0], number(random.next()));
        }
        held.push_back(object);
        if (i % 500 == 0) loam_safepoint(host.thread);
      }
      while (held.size() > 6000) {
        const std::size_t at = random.below(held.size() - 5000);
        std::swap(held[at], held.back());
        loam_decref(host.thread, held.back());
        held.pop_back();
        if (random.below(200) == 0) loam_safepoint(host.thread);
      }
      if (round % 7 == 0) loam_trim(host.thread);
    }
    CHECK(host.verify());
    for (loam_object *object : held) loam_decref(host.thread, object);
    while (host.stats().pending_objects != 0) loam_safepoint(host.thread);
    loam_collect(host.thread);
    CHECK(host.bytes() == 0);
  }
}

TEST_CASE("a cascade that waits when the cycle reaches its last phases is freed once") {
  for (unsigned after = 0; after < 60; ++after) {
    Host host("cascade_budget=2,torture=slice:8");
    Cycles cycles(host);
    Pair *dying = host.pair();
    for (int i = 0; i < 30; ++i) {
      Pair *next = host.pair();
      host.give(next->left, dying);
      host.set(next->right, dying);
      dying = next;
    }
    Pair *lost = host.ring(10);
    host.set(lost->right, dying);
    run_cycle(host, cycles);
    host.drop(lost);
    start_cycle(host, cycles);
    for (unsigned i = 0; i < after; ++i) loam_safepoint(host.thread);
    host.drop(dying);
    end_cycle(host, cycles);
    run_cycle(host, cycles);
    CHECK(host.stats().pending_objects == 0);
    CHECK(host.bytes() == 0);
  }
}

TEST_CASE("a young collection between slices leaves the counts of the cycle's suspects alone") {
  for (unsigned after = 0; after < 40; ++after) {
    Host host("torture=slice:3");
    Cycles cycles(host);
    // 300 edges to one object, whose count goes on beyond its byte; its neighbours are free.
    constexpr unsigned kEdges = 300;
    std::vector<Pair *> old;
    for (int i = 0; i < 64; ++i) old.push_back(host.pair());
    Pair *hub = old[32];
    List *list = host.list();
    for (unsigned i = 0; i < kEdges; ++i) host.push(list, box(hub));
    host.set(hub->left, list);
    run_cycle(host, cycles);
    for (Pair *pair : old) {
      if (pair != hub) host.drop(pair);
    }
    // Until new pairs are handed out around it.
    std::vector<Pair *> young;
    do {
      young.push_back(host.pair());
    } while (young.back() < hub - 20 || young.back() > hub + 20);
    start_cycle(host, cycles);
    for (unsigned i = 0; i < after; ++i) {
      young.push_back(host.pair());
      loam_collect_young(host.thread);
      loam_safepoint(host.thread);
    }
    if (after % 3 == 0) end_cycle(host, cycles);  // else the collection below ends it
    for (Pair *pair : young) host.drop(pair);
    host.drop(hub);
    host.drop(list);
    CHECK(host.collect() == 2);
  }
}

TEST_CASE("a closed set larger than a batch goes in the cycle after it was lost") {
  const std::size_t kLength = 30000;
  Host host("torture=slice:5000");
  Cycles cycles(host);
  Pair *lost = host.ring(kLength);
  run_cycle(host, cycles);
  host.drop(lost);
  run_cycle(host, cycles);
  CHECK(cycles.collected == kLength);
  CHECK(host.bytes() == 0);
}

// Two objects of different slabs, which variables hold, refer to each other now and then. Where
// each edge was there when RESCUE counted it, and not when it noted the count of what it leads to,
// the edges explain the variables' references away: so some last until FINAL.
TEST_CASE("what is born late in a cycle is no suspect, whatever refers to it") {
  const std::uint64_t seed = seed_or(1);
  INFO("LOAM_TEST_SEED=", seed);
  Random random(seed);
  Host host("torture=slice:20");
  Cycles cycles(host);
  std::vector<Pair *> pairs;
  std::vector<Sized *> others, born;
  for (int i = 0; i < 200; ++i) {
    pairs.push_back(host.pair());
    others.push_back(host.sized(10));
  }
  loam_collect_disable(host.thread);
  const auto run_slice = [&host] {
    loam_collect_enable(host.thread);
    loam_safepoint(host.thread);
    loam_collect_disable(host.thread);
  };
  for (std::size_t i = 0; i < 40; ++i) {
    while (!cycles.running()) run_slice();
    while (cycles.running()) {
      for (std::size_t at = 0; at < pairs.size(); ++at) {
        host.set(pairs[at]->left, random.below(2) != 0 ? others[at] : nullptr);
        host.set(others[at]->refs[0], random.below(2) != 0 ? pairs[at] : nullptr);
        born.push_back(host.sized(20));  // in a slab that had no suspect
        host.set(pairs[at]->right, born.back());
      }
      run_slice();
    }
    REQUIRE(loam_verify(host.runtime, 2) == 0);
    for (Pair *pair : pairs) host.set(pair->right, nullptr);
    for (Sized *object : born) host.drop(object);
    born.clear();
  }
  CHECK(cycles.units[LOAM_WORK_FINAL] != 0);
  for (std::size_t at = 0; at < pairs.size(); ++at) {
    host.set(pairs[at]->left, nullptr);
    host.set(others[at]->refs[0], nullptr);
    host.drop(pairs[at]);
    host.drop(others[at]);
  }
}
