// Which shapes of garbage a full collection finds, and that what is still held stays whole.
#include <doctest/doctest.h>

#include <vector>

#include "../support/host.h"

namespace {

using namespace loam::test;

constexpr std::size_t kLargeRefs = 40;  // a Sized of 336 bytes: above LOAM_MAX_BLOCK

// One cycle through every way of describing references; the test holds one reference to each.
std::vector<loam_object *> mixed_cycle(Host &host) {
  Pair *pair = host.pair();
  List *list = host.list();
  Tagged *tagged = host.tagged();
  Pair *traced = host.make<Pair>(host.types.traced_pair);
  Sized *small = host.sized(2);
  Sized *large = host.sized(kLargeRefs);
  Triple *triple = host.triple();
  host.set(pair->right, list);
  for (std::uint64_t i = 0; i < 20; ++i) host.push(list, number(i));
  host.push(list, box(tagged));
  host.set_word(tagged->words[1], box(traced));
  host.set_word(tagged->words[0], number(7));
  host.set(traced->left, small);
  host.set(small->refs[1], large);
  host.set(large->refs[kLargeRefs - 1], triple);
  host.set(triple->refs[2], pair);
  return {as_object(pair),  as_object(list),  as_object(tagged), as_object(traced),
          as_object(small), as_object(large), as_object(triple)};
}

// A full binary tree by refs[0] and refs[1], every node but the root with its parent in refs[2].
Triple *tree_with_parents(Host &host, std::size_t nodes) {
  std::vector<Triple *> all(nodes);
  for (Triple *&node : all) node = host.triple();
  for (std::size_t i = 1; i < nodes; ++i) {
    Triple *parent = all[(i - 1) / 2];
    host.give(parent->refs[(i - 1) % 2], all[i]);
    host.set(all[i]->refs[2], parent);
  }
  return all[0];
}

// Two pairs that refer to each other by `left`; the test holds the first.
Pair *small_cycle(Host &host) {
  Pair *first = host.pair();
  Pair *second = host.pair();
  host.give(first->left, second);
  host.set(second->left, first);
  return first;
}

enum class Direction { kNewToOld, kOldToNew };

// Leaks cycles that form a chain by `right`; returns the number of objects. The first `settled` of
// them survive a collection before they are let go.
std::size_t leak_chain_of_cycles(Host &host, std::size_t cycles, std::size_t settled,
                                 Direction direction) {
  std::vector<Pair *> held;
  for (std::size_t i = 0; i < cycles; ++i) {
    Pair *next = small_cycle(host);
    if (i > 0 && direction == Direction::kNewToOld) host.set(next->right, held.back());
    if (i > 0 && direction == Direction::kOldToNew) host.set(held.back()->right, next);
    held.push_back(next);
    if (i + 1 == settled) CHECK(host.collect() == 0);
  }
  for (Pair *pair : held) host.drop(pair);
  return 2 * cycles;
}

}  // namespace

TEST_CASE("a self-loop is collected, and only once") {
  Host host;
  Pair *self = host.pair();
  host.set(self->left, self);
  CHECK(host.collect() == 0);
  host.drop(self);
  CHECK(host.bytes() > 0);
  CHECK(host.collect() == 1);
  CHECK(host.bytes() == 0);
  CHECK(host.collect() == 0);
}

TEST_CASE("a cycle takes the leaves and acyclic objects it holds with it, uncounted") {
  Host host;
  Pair *first = small_cycle(host);
  host.give(first->right, host.leaf());
  host.drop(first);
  CHECK(host.collect() == 2);
  CHECK(host.bytes() == 0);
}

TEST_CASE("a cycle through every kind of layout is collected whole") {
  Host host;
  std::vector<loam_object *> members = mixed_cycle(host);
  for (loam_object *member : members) host.drop(member);
  CHECK(host.verify());
  CHECK(host.collect() == members.size());
  CHECK(host.bytes() == 0);
}

TEST_CASE("one reference to any member keeps a mixed cycle alive") {
  for (std::size_t kept = 0; kept < 7; ++kept) {
    CAPTURE(kept);
    Host host;
    std::vector<loam_object *> members = mixed_cycle(host);
    REQUIRE(members.size() == 7);
    for (std::size_t i = 0; i < members.size(); ++i) {
      if (i != kept) host.drop(members[i]);
    }
    CHECK(host.collect() == 0);
    CHECK(loam_collect_young(host.thread) == 0);
    CHECK(host.verify());
    host.drop(members[kept]);
    CHECK(host.collect() == members.size());
  }
}

TEST_CASE("a garbage ring of a million is collected, a live one kept") {
  Host host;
  loam_collect_disable(host.thread);
  std::size_t count = scaled(1000000);
  host.leak_ring(count);
  Pair *live = small_cycle(host);
  CHECK(host.collect() == count);
  CHECK(live->left != nullptr);
  host.drop(live);
  CHECK(host.collect() == 2);
}

TEST_CASE("a tree with parent pointers lives by any of its nodes") {
  Host host;
  loam_collect_disable(host.thread);
  std::size_t count = scaled(100000);
  Triple *root = tree_with_parents(host, count);
  Triple *deepest = root;
  while (deepest->refs[0] != nullptr) deepest = reinterpret_cast<Triple *>(deepest->refs[0]);
  host.hold(deepest);
  host.drop(root);
  CHECK(host.collect() == 0);
  CHECK(host.verify());
  host.drop(deepest);
  CHECK(host.collect() == count);
  CHECK(host.bytes() == 0);
}

TEST_CASE("an old cycle that only young garbage refers to goes in a full collection") {
  Host host;
  Pair *old = small_cycle(host);
  CHECK(host.collect() == 0);
  Pair *young = small_cycle(host);
  host.give(young->right, old);
  host.drop(young);
  SUBCASE("at once") { CHECK(host.collect() == 4); }
  SUBCASE("after a young one took what is young") {
    CHECK(loam_collect_young(host.thread) == 2);
    CHECK(host.verify());
    CHECK(host.collect() == 2);
  }
  CHECK(host.bytes() == 0);
}

TEST_CASE("a young cycle that only old garbage refers to goes in a full collection, no sooner") {
  Host host;
  Pair *old = small_cycle(host);
  CHECK(host.collect() == 0);
  host.give(old->right, small_cycle(host));
  host.drop(old);
  CHECK(loam_collect_young(host.thread) == 0);
  CHECK(host.verify());
  CHECK(host.collect() == 4);
  CHECK(host.bytes() == 0);
}

TEST_CASE("a chain of 100,000 garbage cycles goes in one full collection") {
  Host host;
  loam_collect_disable(host.thread);
  std::size_t cycles = scaled(100000);
  std::size_t settled = 0;
  Direction direction = Direction::kNewToOld;
  SUBCASE("newer referring to older, all young") {}
  SUBCASE("older referring to newer, all young") { direction = Direction::kOldToNew; }
  SUBCASE("newer referring to older, half of them old") { settled = cycles / 2; }
  SUBCASE("older referring to newer, half of them old") {
    direction = Direction::kOldToNew;
    settled = cycles / 2;
  }
  std::size_t objects = leak_chain_of_cycles(host, cycles, settled, direction);
  CHECK(host.collect() == objects);
  CHECK(host.collect() == 0);
  CHECK(host.bytes() == 0);
}

TEST_CASE("a cycle across two runtimes leaks and does no harm") {
  Host near, far;
  Pair *here = near.pair();
  Pair *there = far.pair();
  here->left = as_object(there);  // the references of both makers move into the fields
  there->left = as_object(here);
  CHECK(near.collect() == 0);
  CHECK(far.collect() == 0);
  CHECK(loam_collect_young(near.thread) == 0);
  CHECK(loam_refcount(as_object(here)) == 1);
  CHECK(loam_refcount(as_object(there)) == 1);
  here->left = nullptr;
  there->left = nullptr;
  near.drop(here);
  far.drop(there);
}

// Where the object was large, only AddressSanitizer sees a look at it: the memory is mimalloc's.
TEST_CASE("an edge to an object of a destroyed runtime is not looked at") {
  struct Far {  // a pair, or what is too long for a pool
    loam_object base;
    loam_object *left;
    char rest[1000];
  };
  static constexpr std::uint16_t kOffsets[] = {offsetof(Far, left)};
  for (bool near_is_large : {false, true}) {
    for (bool far_is_large : {false, true}) {
      CAPTURE(near_is_large);
      CAPTURE(far_is_large);
      const auto make = [](Host &host, bool is_large) {
        loam_type_spec spec = spec_of("far", is_large ? sizeof(Far) : sizeof(loam_object) * 2);
        spec.ref_offsets = kOffsets;
        spec.ref_count = 1;
        return host.make<Far>(host.register_type(spec));
      };
      Host near;
      near.keeps();
      Far *here = make(near, near_is_large);
      Far *dropped = make(near, near_is_large);
      {
        Host far;
        far.keeps();
        Far *there = make(far, far_is_large);
        here->left = as_object(there);
        there->left = as_object(here);
        dropped->left = as_object(there);
      }
      CHECK(near.collect() == 0);
      CHECK(loam_collect_young(near.thread) == 0);
      near.drop(dropped);
      CHECK(loam_refcount(as_object(here)) == 1);
      CHECK(near.verify());
    }
  }
}

TEST_CASE("what leaks across runtimes is named when its runtime is destroyed") {
  std::vector<std::string> messages;
  loam_options options = options_from("report_leaks=1");
  options.fatal = on_fatal;
  options.context = &messages;
  options.message = [](void *context, const char *message) {
    static_cast<std::vector<std::string> *>(context)->emplace_back(message);
  };
  loam_runtime *runtime = nullptr;
  REQUIRE(loam_runtime_create(&options, &runtime) == LOAM_OK);
  Types types;
  REQUIRE(register_types(runtime, {nullptr, nullptr}, &types) == LOAM_OK);
  Host other;
  Pair *there = other.pair();
  auto *here = static_cast<Pair *>(loam_new(loam_runtime_main_thread(runtime), types.pair));
  REQUIRE(here != nullptr);
  here->left = as_object(there);
  other.hold(there);
  loam_runtime_destroy(runtime);
  REQUIRE(!messages.empty());
  bool named = false;
  for (const std::string &message : messages) named = named || contains(message, "pair");
  CHECK(named);
  CHECK(loam_refcount(as_object(there)) == 2);  // no runtime releases what is not its own
  other.drop(there);
  other.drop(there);
}

TEST_CASE("leaves and acyclic types are never judged by the collector") {
  Host host;
  loam_type_spec spec = pair_spec("acyclic_pair");
  spec.flags = LOAM_TYPE_ACYCLIC;
  loam_type *acyclic = host.register_type(spec);
  std::vector<loam_object *> held;
  for (std::size_t i = 0; i < 1000; ++i) {
    Pair *pair = host.make<Pair>(acyclic);
    host.give(pair->left, host.leaf());
    held.push_back(as_object(pair));
  }
  std::uint64_t before = host.stats().collections[LOAM_COLLECTION_FULL].survivors;
  CHECK(host.collect() == 0);
  CHECK(host.stats().collections[LOAM_COLLECTION_FULL].survivors == before);
  for (loam_object *object : held) host.drop(object);
  CHECK(host.bytes() == 0);
}

TEST_CASE("an acyclic type that closes a cycle leaks until the host breaks it, and no more") {
  Host host;
  loam_type_spec spec = pair_spec("acyclic_pair");
  spec.flags = LOAM_TYPE_ACYCLIC;
  loam_type *acyclic = host.register_type(spec);
  Pair *self = host.make<Pair>(acyclic);
  host.set(self->left, self);
  host.drop(self);
  std::size_t leaked = host.bytes();
  CHECK(leaked > 0);
  CHECK(host.collect() == 0);
  CHECK(host.bytes() == leaked);
  CHECK(host.verify());
  host.set(self->left, nullptr);
  CHECK(host.bytes() == 0);
}

TEST_CASE("an immortal object keeps its cycle and all that it refers to") {
  Host host;
  host.keeps();
  Pair *first = small_cycle(host);
  auto *second = reinterpret_cast<Pair *>(first->left);
  host.give(second->right, small_cycle(host));
  loam_immortalize(host.thread, as_object(first));
  host.drop(first);
  std::size_t kept = host.bytes();
  host.leak_ring(5);
  CHECK(host.collect() == 5);
  CHECK(host.bytes() == kept);
  CHECK(loam_refcount(as_object(first)) == UINT32_MAX);
  CHECK(loam_refcount(first->left) == 1);
  CHECK(host.verify());
}

TEST_CASE("garbage that refers to an immortal object goes without it") {
  Host host;
  host.keeps();
  Pair *immortal = host.pair();
  loam_immortalize(host.thread, as_object(immortal));
  std::size_t kept = host.bytes();
  Pair *cycle = small_cycle(host);
  host.set(cycle->right, immortal);
  host.drop(cycle);
  CHECK(host.collect() == 2);
  CHECK(host.bytes() == kept);
  CHECK(loam_refcount(as_object(immortal)) == UINT32_MAX);
}
