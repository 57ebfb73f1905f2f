// cascade_budget: a decref frees so many objects and no more; the others wait for safepoints, dead
// to everybody who looks.
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <string>
#include <vector>

#include "../support/host.h"
#include "../support/scale.h"

namespace {

using namespace loam::test;

// Within a slice this long nobody looks at the clock; of a longer one it may be the end.
constexpr std::size_t kUntimed = 32;
constexpr std::size_t kBudgets[] = {1, 7, kUntimed, 1000};

// Whether a slice of this budget, with so many objects left, may free so many.
bool is_slice(std::size_t freed, std::size_t budget, std::size_t left) {
  const std::size_t most = std::min(budget, left);
  return freed <= most && freed >= std::min(kUntimed, most);
}

// n objects linked by their first field, the newest first; the test holds the newest.
template <class Make>
Pair *chain(Host &host, std::size_t n, Make make) {
  Pair *newest = make();
  for (std::size_t i = 1; i < n; ++i) {
    Pair *next = make();
    host.give(next->left, newest);
    newest = next;
  }
  return newest;
}

Pair *chain(Host &host, std::size_t n) {
  return chain(host, n, [&] { return host.pair(); });
}

// A perfect binary tree of 2^levels - 1 pairs.
Pair *tree(Host &host, unsigned levels) {
  Pair *root = host.pair();
  if (levels > 1) {
    host.give(root->left, tree(host, levels - 1));
    host.give(root->right, tree(host, levels - 1));
  }
  return root;
}

std::size_t freed(const Host &host) { return host.stats().freed_by_count; }

// The objects freed by one call.
template <class Action>
std::size_t freed_by(const Host &host, Action action) {
  std::size_t before = freed(host);
  action();
  return freed(host) - before;
}

std::string options(std::size_t budget, const char *more = "") {
  return "collect_at=safepoint,cascade_budget=" + std::to_string(budget) + more;
}

}  // namespace

TEST_CASE("a decref and each safepoint free as many objects as the budget says") {
  constexpr std::size_t kObjects = 4095;
  for (const std::size_t budget : kBudgets) {
    CAPTURE(budget);
    for (bool deep : {true, false}) {
      Host host(options(budget).c_str());
      Pair *root = deep ? chain(host, kObjects) : tree(host, 12);
      std::size_t left = kObjects;
      const std::size_t first = freed_by(host, [&] { host.drop(root); });
      CHECK(is_slice(first, budget, left));
      CHECK(host.stats().pending_objects > 0);
      left -= first;
      while (left != 0) {
        std::size_t count = freed_by(host, [&] { loam_safepoint(host.thread); });
        REQUIRE(is_slice(count, budget, left));
        left -= count;
      }
      CHECK(host.stats().pending_objects == 0);
      CHECK(freed_by(host, [&] { loam_safepoint(host.thread); }) == 0);
    }
  }
}

TEST_CASE("a cascade within the budget leaves nothing") {
  Host host(options(kUntimed).c_str());
  Pair *root = chain(host, kUntimed);
  CHECK(freed_by(host, [&] { host.drop(root); }) == kUntimed);
  CHECK(host.stats().pending_objects == 0);
  CHECK(host.bytes() == 0);
}

TEST_CASE("a decref frees nothing of the cascades before it") {
  Host host(options(10).c_str());
  Pair *first = chain(host, 1000), *second = chain(host, 5);
  host.drop(first);
  CHECK(freed_by(host, [&] { host.drop(second); }) == 5);
  CHECK(freed(host) == 15);
}

TEST_CASE("a decref while much waits bounds itself and leaves the rest") {
  constexpr std::size_t kWide = 3000;  // more than the queue sets aside
  Host host(options(kUntimed).c_str());
  for (int i = 0; i < 3; ++i) {
    List *list = host.list();
    for (std::size_t j = 0; j < kWide; ++j) host.push_given(list, host.pair());
    CHECK(freed_by(host, [&] { host.drop(list); }) == kUntimed);
  }
  CHECK(host.stats().pending_objects == 3 * (kWide + 1 - kUntimed));
  CHECK(freed_by(host, [&] { host.drop(tree(host, 4)); }) == 15);
  CHECK(host.verify());
  while (host.stats().pending_objects != 0) loam_safepoint(host.thread);
  CHECK(freed(host) == 3 * (kWide + 1) + 15);
}

// Half of the objects are old, every seventh is held or none, and the tree is linked in any order.
TEST_CASE("objects that die in any order leave the others and their slabs whole") {
  constexpr std::size_t kObjects = 40000;
  const std::uint64_t seed = seed_or(20250417);
  INFO("LOAM_TEST_SEED=" << seed);
  struct Case {
    const char *mode;
    std::size_t held;  // one in so many
  };
  const Case kCases[] = {{"", 7},
                         {"", 2 * kObjects},
                         {"cascade_budget=1000", 7},
                         {"cascade_budget=3000,young_threshold=64", 7}};
  for (const Case &each : kCases) {
    const char *const mode = each.mode;
    const std::size_t held = each.held;
    CAPTURE(mode);
    CAPTURE(held);
    Host host(mode);
    std::vector<Pair *> nodes;
    for (std::size_t i = 0; i < kObjects; ++i) {
      nodes.push_back(host.pair());
      if (i == kObjects / 2) host.collect();
    }
    std::shuffle(nodes.begin(), nodes.end(), std::mt19937_64(seed));
    std::vector<bool> lives(kObjects);
    std::size_t dead = 0;
    for (std::size_t i = 0; i < kObjects; ++i) {
      lives[i] = i % held == held - 1 || (i > 0 && lives[(i - 1) / 2]);
      dead += lives[i] ? 0 : 1;
      if (i % held == held - 1) host.hold(nodes[i]);
    }
    for (std::size_t i = 1; i < kObjects; ++i) {
      Pair *parent = nodes[(i - 1) / 2];
      host.give(i % 2 == 1 ? parent->left : parent->right, nodes[i]);
    }
    host.drop(nodes[0]);
    while (host.stats().pending_objects != 0) loam_safepoint(host.thread);
    CHECK(freed(host) == dead);
    CHECK(host.verify());
    for (std::size_t i = held - 1; i < kObjects; i += held) host.drop(nodes[i]);
  }
}

// Slabs that have lost many blocks one by one lag behind between two of its calls.
TEST_CASE("a finalizer in the middle of a cascade finds its heap whole, and may fill it") {
  constexpr std::size_t kObjects = 60000, kFinalized = 700, kMade = 300;
  const std::uint64_t seed = seed_or(20261130);
  INFO("LOAM_TEST_SEED=" << seed);
  Host host("collect_at=safepoint");
  std::vector<Pair *> nodes, made;
  for (std::size_t i = 0; i < kObjects; ++i) {
    nodes.push_back(i % kFinalized == 0 ? host.finalized_pair() : host.pair());
  }
  std::shuffle(nodes.begin(), nodes.end(), std::mt19937_64(seed));
  for (std::size_t i = 1; i < kObjects; ++i) {
    Pair *parent = nodes[(i - 1) / 2];
    host.give(i % 2 == 1 ? parent->left : parent->right, nodes[i]);
  }
  std::vector<Pair *> held;
  for (std::size_t i = kObjects / 2; i < kObjects; i += 5) {
    host.hold(nodes[i]);
    held.push_back(nodes[i]);
  }
  std::size_t filled = 0;
  host.on_finalize = [&](Pair *) {
    CHECK(loam_verify(host.runtime, 1) == LOAM_OK);
    for (std::size_t i = 0; i < kMade; ++i) {
      Pair *pair = host.pair();
      filled += pair->left != nullptr || pair->right != nullptr || pair->base.refcount != 1;
      made.push_back(pair);
    }
    for (std::size_t i = 0; i < kMade / 2; ++i) {
      host.drop(made.back());
      made.pop_back();
    }
  };
  host.drop(nodes[0]);
  host.on_finalize = nullptr;
  CHECK(host.finalized > 0);
  CHECK(filled == 0);
  CHECK(host.verify());
  for (Pair *pair : made) {
    REQUIRE(pair->base.refcount == 1);
    host.drop(pair);
  }
  for (Pair *pair : held) {
    REQUIRE(pair->base.refcount == 1);
    host.drop(pair);
  }
  CHECK(host.stats().pending_objects == 0);
  CHECK(host.verify());
}

TEST_CASE("slabs that lose blocks one by one, and fill up again, account for each") {
  constexpr std::size_t kObjects = 60000, kRounds = 40, kLost = 23;  // one in so many
  Random random(seed_or(20261130));
  Host host("collect_at=safepoint");
  std::vector<Pair *> nodes;
  for (std::size_t i = 0; i < kObjects; ++i) nodes.push_back(host.pair());
  for (std::size_t round = 0; round < kRounds; ++round) {
    host.collect();  // what is old goes straight back to its slab
    Pair *chained = host.pair();
    for (std::size_t i = 0; i < kObjects / kLost; ++i) {
      Pair *&node = nodes[random.below(nodes.size())];
      host.give(node->left, chained);
      chained = node;
      node = nodes.back();
      nodes.pop_back();
    }
    host.drop(chained);
    CHECK(host.verify());
    while (nodes.size() < kObjects) nodes.push_back(host.pair());
    REQUIRE(host.verify());
  }
  for (Pair *node : nodes) host.drop(node);
}

TEST_CASE("slabs that lose their last blocks when they lag, or are about to") {
  constexpr std::size_t kSlabs = 200, kPerSlab = 256, kYoung = 120;  // of 256 bytes
  std::size_t left_in_slab = 0;                                      // old objects
  SUBCASE("so few that they would lag with the last") { left_in_slab = kPerSlab / 8 + 1; }
  SUBCASE("so many that the last wait on a list") { left_in_slab = kPerSlab / 2; }
  Host host("collect_at=safepoint");
  static constexpr std::uint16_t kOffsets[] = {8, 16};
  loam_type_spec spec = spec_of("large pair", 256);
  spec.ref_offsets = kOffsets;
  spec.ref_count = 2;
  loam_type *type = host.register_type(spec);
  std::vector<Pair *> all, nodes;
  for (std::size_t i = 0; i < kSlabs * kPerSlab; ++i) all.push_back(host.make<Pair>(type));
  for (Pair *pair : all) {
    const auto at = reinterpret_cast<std::uintptr_t>(pair) % (kPerSlab * 256) / 256;
    if (at < left_in_slab) {
      nodes.push_back(pair);
    } else {
      host.drop(pair);
    }
  }
  host.collect();
  std::shuffle(nodes.begin(), nodes.end(), std::mt19937_64(seed_or(20261201)));
  std::vector<Pair *> tree;  // what is young dies first, and goes to the list
  for (std::size_t i = 0; i < kYoung; ++i) tree.push_back(host.make<Pair>(type));
  tree.insert(tree.end(), nodes.begin(), nodes.end());
  for (std::size_t i = 1; i < tree.size(); ++i) {
    Pair *parent = tree[(i - 1) / 2];
    host.give(i % 2 == 1 ? parent->left : parent->right, tree[i]);
  }
  host.drop(tree[0]);
  CHECK(host.verify());
  CHECK(host.bytes() == 0);
}

TEST_CASE("what waits is freed at twice the rate of allocation") {
  Host host("cascade_budget=1,young_threshold=1073741824");
  constexpr std::size_t kObjects = 20000;
  host.drop(chain(host, kObjects));
  std::vector<Triple *> made;
  while (host.stats().pending_objects != 0) made.push_back(host.triple());
  CHECK(freed(host) == kObjects);
  // The blocks of one refill are counted when they are handed out, so before they are made.
  CHECK(made.size() <= kObjects / 2 + 256);
  for (Triple *triple : made) host.drop(triple);
}

TEST_CASE("counts are exact where no reference waits") {
  Host host(options(3).c_str());
  Pair *shared = host.pair();
  Pair *root = host.pair();
  for (int i = 0; i < 2; ++i) {
    Pair *child = host.pair();
    host.set(child->left, shared);
    host.give(i == 0 ? root->left : root->right, child);
  }
  CHECK(loam_refcount(as_object(shared)) == 3);
  host.drop(root);
  CHECK(loam_refcount(as_object(shared)) == 1);
  host.drop(shared);
}

TEST_CASE("a slice that takes too long ends, but not before twice what was allocated") {
  constexpr std::size_t kObjects = 2000, kMade = 400, kRefill = 256;
  using Clock = std::chrono::steady_clock;
  Host host(options(1000).c_str());
  host.on_dispose = [](Pair *) {  // 50 times of what it may take
    const Clock::time_point end = Clock::now() + std::chrono::microseconds(5);
    while (Clock::now() < end) {
    }
  };
  Pair *root = chain(host, kObjects, [&] { return host.finalized_pair(); });
  // The clock is looked at after so many steps, and found late after as many again.
  CHECK(freed_by(host, [&] { host.drop(root); }) == 2 * kUntimed);
  const std::size_t next = freed_by(host, [&] { loam_safepoint(host.thread); });
  CHECK(next > kUntimed);
  CHECK(next <= 2 * kUntimed);
  std::vector<Pair *> made;
  for (std::size_t i = 0; i < kMade; ++i) made.push_back(host.pair());
  const std::size_t at_once = freed_by(host, [&] { loam_safepoint(host.thread); });
  CHECK(at_once >= 2 * (kMade - kRefill));
  CHECK(at_once < 1000);
  CHECK(host.verify());
  host.on_dispose = nullptr;
  while (host.stats().pending_objects != 0) loam_safepoint(host.thread);
  CHECK(host.disposed == kObjects);
  for (Pair *pair : made) host.drop(pair);
}

// The leaves of a tree refer to objects that the test holds, and to rings that nobody does.
TEST_CASE("what a waiting reference leads to lives until its turn") {
  constexpr std::size_t kNodes = 4095, kLeaves = (kNodes + 1) / 2, kShared = 100;
  for (const char *more : {"", ",young_threshold=64", ",torture=slice:20"}) {
    CAPTURE(more);
    Host host(options(kUntimed, more).c_str());
    std::vector<Pair *> shared, nodes;
    for (std::size_t i = 0; i < kShared; ++i) shared.push_back(host.pair());
    for (std::size_t i = 0; i < kNodes; ++i) nodes.push_back(host.pair());
    for (std::size_t i = 1; i < kNodes; ++i) {
      Pair *parent = nodes[(i - 1) / 2];
      host.give(i % 2 == 1 ? parent->left : parent->right, nodes[i]);
    }
    for (std::size_t i = kNodes - kLeaves; i < kNodes; ++i) {
      host.set(nodes[i]->left, shared[i % kShared]);
      Pair *ring = host.pair();
      host.set(ring->left, ring);
      host.give(nodes[i]->right, ring);
    }
    host.drop(nodes[0]);
    while (host.stats().pending_objects != 0) {
      for (Pair *pair : shared) REQUIRE(loam_refcount(as_object(pair)) >= 1);
      loam_collect_young(host.thread);
      REQUIRE(host.verify());
      host.drop(host.pair());
      loam_safepoint(host.thread);
    }
    for (Pair *pair : shared) CHECK(loam_refcount(as_object(pair)) == 1);
    host.collect();
    CHECK(host.stats().freed_by_collector == kLeaves);
    for (Pair *pair : shared) host.drop(pair);
    CHECK(host.bytes() == 0);
  }
}

TEST_CASE("what waits is dead to those who look") {
  Host host(options(1).c_str());
  std::size_t calls = 0;
  auto count = [](loam_thread *, loam_weak *, void *context) {
    ++*static_cast<std::size_t *>(context);
  };
  Pair *child = host.pair(), *root = host.pair();
  loam_weak *weak = nullptr;
  REQUIRE(loam_weak_create(host.thread, as_object(child), nullptr, count, &calls, &weak) ==
          LOAM_OK);
  host.give(root->left, child);
  host.drop(root);
  CHECK(host.stats().pending_objects == 1);
  CHECK(loam_weak_get(host.thread, weak) == nullptr);
  CHECK_FALSE(loam_try_incref(host.thread, as_object(child)));
  loam_weak *late = nullptr;
  CHECK(loam_weak_create(host.thread, as_object(child), nullptr, nullptr, nullptr, &late) ==
        LOAM_ESTATE);
  CHECK(calls == 0);
  CHECK(host.verify());
  loam_safepoint(host.thread);
  CHECK(calls == 1);
  loam_weak_destroy(host.thread, weak);
}

TEST_CASE("finalizers run where their objects are reached, and may save them") {
  Host host(options(7).c_str());
  std::vector<Pair *> saved;
  host.on_finalize = [&](Pair *self) {
    if (host.finalized % 3 != 0) return;
    host.hold(self);
    saved.push_back(self);
  };
  host.drop(chain(host, 100, [&] { return host.finalized_pair(); }));
  CHECK(host.finalized == 3);  // the third was saved, and all behind it
  CHECK(host.disposed == 2);
  CHECK(host.stats().pending_objects == 0);
  for (int i = 0; i < 1000 && host.disposed < 100; ++i) {
    loam_safepoint(host.thread);
    while (!saved.empty()) {
      Pair *pair = saved.back();
      saved.pop_back();
      host.drop(pair);
    }
  }
  host.collect();
  CHECK(host.finalized == 100);
  CHECK(host.disposed == 100);
}

TEST_CASE("a finalizer in a slice drops more than the budget") {
  Host host(options(5).c_str());
  host.on_finalize = [&](Pair *) { host.drop(chain(host, 50)); };
  host.drop(chain(host, 20, [&] { return host.finalized_pair(); }));
  for (int i = 0; i < 1000 && host.stats().pending_objects != 0; ++i) loam_safepoint(host.thread);
  CHECK(host.finalized == 20);
  CHECK(freed(host) == 20 * 51);
}

TEST_CASE("loam_collect leaves nothing that waits") {
  Host host(options(1).c_str());
  host.drop(chain(host, 1000));
  host.leak_ring(10);
  CHECK(host.collect() == 10);
  CHECK(host.stats().pending_objects == 0);
  CHECK(host.bytes() == 0);
}

TEST_CASE("a collection frees what it condemned, and its acyclic children by slices") {
  Host host("cascade_budget=4,young_threshold=64,collect_at=safepoint");
  Pair *loop = host.pair();
  List *list = host.list();
  host.set(loop->left, loop);
  host.give(loop->right, list);
  for (int i = 0; i < 200; ++i) host.push_given(list, host.leaf());
  host.drop(loop);
  loam_collect_request(host.runtime);
  loam_safepoint(host.thread);
  CHECK(host.stats().freed_by_collector == 2);
  CHECK(freed(host) == 4);
  CHECK(host.stats().pending_objects == 196);
}

TEST_CASE("young collections pass over what waits") {
  Host host(options(2).c_str());
  host.drop(tree(host, 8));
  std::size_t before = freed(host);
  host.leak_ring(10);
  CHECK(loam_collect_young(host.thread) == 10);
  CHECK(freed(host) == before);
  CHECK(host.verify());
  while (host.stats().pending_objects != 0) loam_safepoint(host.thread);
  CHECK(freed(host) == 255);
}

TEST_CASE("an automatic full collection waits until nothing else does") {
  Host host(options(10, ",full_minimum=64K").c_str());
  host.drop(chain(host, 10000));
  loam_collect_request(host.runtime);
  loam_safepoint(host.thread);
  CHECK(host.stats().collections[LOAM_COLLECTION_FULL].runs == 0);
  while (host.stats().pending_objects != 0) loam_safepoint(host.thread);
  loam_safepoint(host.thread);
  CHECK(host.stats().collections[LOAM_COLLECTION_FULL].runs == 1);
}

TEST_CASE("idle time frees what waits") {
  Host host(options(10).c_str());
  host.drop(chain(host, 1000));
  CHECK(loam_collect_step(host.thread, 0));
  CHECK(freed(host) == 20);
  while (loam_collect_step(host.thread, 1000)) {
  }
  CHECK(host.stats().pending_objects == 0);
}

TEST_CASE("at the limit what waits is freed before anything else is tried") {
  Host host(options(10, ",heap_limit=2M").c_str());
  std::size_t asked = 0;
  host.on_out_of_memory = [&](std::size_t) { return ++asked == 0; };
  auto fill = [&] {
    Pair *head = nullptr;
    for (std::size_t i = 0; i < 100000; ++i) {
      auto *pair = static_cast<Pair *>(loam_new(host.thread, host.types.pair));
      if (pair == nullptr) return head;
      if (head != nullptr) host.give(pair->left, head);
      head = pair;
    }
    return head;
  };
  Pair *full = fill();
  CHECK(asked == 1);
  auto emergencies = [&] {
    return host.stats().collections[LOAM_COLLECTION_EMERGENCY].pauses.count;
  };
  std::uint64_t before = emergencies();
  host.drop(full);
  CHECK(host.stats().pending_objects != 0);
  Pair *next = host.pair();
  for (int i = 0; i < 1000; ++i) {
    Pair *one = host.pair();
    host.give(one->left, next);
    next = one;
  }
  CHECK(emergencies() == before);
  CHECK(asked == 1);
  host.drop(next);
}

TEST_CASE("at the limit finalizers of what waits still wait") {
  Host host(options(1, ",heap_limit=2M").c_str());
  host.drop(chain(host, 50, [&] { return host.finalized_pair(); }));
  CHECK(host.finalized == 1);
  Pair *head = nullptr;
  while (auto *pair = static_cast<Pair *>(loam_new(host.thread, host.types.pair))) {
    if (head != nullptr) host.give(pair->left, head);
    head = pair;
  }
  CHECK(host.finalized == 1);
  host.drop(head);
  for (int i = 0; i < 100000 && host.stats().pending_objects != 0; ++i) {
    loam_safepoint(host.thread);
  }
  CHECK(host.finalized == 50);
}

TEST_CASE("a locked heap frees up to the budget, and the rest after the unlock") {
  Host host(options(10).c_str());
  Pair *root = chain(host, 100);
  loam_heap_lock(host.thread);
  CHECK(freed_by(host, [&] { host.drop(root); }) == 10);
  CHECK(freed_by(host, [&] { loam_safepoint(host.thread); }) == 0);
  loam_heap_unlock(host.thread);
  CHECK(freed_by(host, [&] { loam_safepoint(host.thread); }) == 10);
  while (host.stats().pending_objects != 0) loam_safepoint(host.thread);
  CHECK(freed(host) == 100);
}

TEST_CASE("what waits survives freezing, trimming and watched modes") {
  for (const char *mode : {"", ",debug=1", ",torture=never_reuse:1", ",torture=random_slots:1",
                           ",torture=collect_every:5+verify:1"}) {
    CAPTURE(mode);
    Host host(options(3, mode).c_str());
    if (contains(mode, "never_reuse")) host.keeps();
    host.drop(tree(host, 6));
    loam_trim(host.thread);
    CHECK(host.verify());
    loam_freeze(host.thread);
    CHECK(host.stats().pending_objects == 0);
    host.drop(chain(host, 30));
    loam_unfreeze(host.thread);
    while (host.stats().pending_objects != 0) loam_safepoint(host.thread);
    CHECK(freed(host) == 93);
  }
}

TEST_CASE("wide and large objects wait like others") {
  for (const std::size_t budget : kBudgets) {
    CAPTURE(budget);
    Host host(options(budget).c_str());
    constexpr std::size_t kWide = 5000;
    List *list = host.list();
    for (std::size_t i = 0; i < kWide; ++i) {
      loam_object *object = i % 10 == 0 ? as_object(host.sized(60)) : as_object(host.pair());
      host.push(list, box(object));
      loam_decref(host.thread, object);
    }
    const std::size_t first = freed_by(host, [&] { host.drop(list); });
    CHECK(is_slice(first, budget, kWide + 1));
    CHECK(host.stats().pending_objects == kWide + 1 - first);
    while (host.stats().pending_objects != 0) loam_safepoint(host.thread);
    CHECK(freed(host) == kWide + 1);
  }
}

TEST_CASE("destroying a runtime frees and disposes what waits") {
  Host host(options(1).c_str());
  host.drop(chain(host, 10, [&] { return host.finalized_pair(); }));
  CHECK(host.disposed == 1);
  host.collect();
  CHECK(host.disposed == 10);
}
