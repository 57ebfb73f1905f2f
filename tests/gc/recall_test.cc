// A full collection that starts from the roots of the last one (gc/recall.cc), and a cycle's MARK
// (gc/mark.cc), in heaps linked in all the orders that make the latter choose its way: upwards,
// downwards, at random, and upwards but for a part that sends it back at each step. Then remembered
// roots that are none any more, or that others refer to.
#include <algorithm>
#include <random>
#include <vector>

#include "runtime/runtime.h"
#include "support/cycles.h"

using namespace loam::test;

namespace {

struct Wide {
  static constexpr std::size_t kCount = 100;
  loam_object base;
  loam_object *refs[kCount];  // more than a small block has room for
};

// Without a type that has a trace: where there is one, nothing is recalled.
class FieldsHost : public Host {
 public:
  explicit FieldsHost(const char *options = "") : Host(options_from(options), false) {
    std::uint16_t offsets[Wide::kCount];
    for (std::size_t i = 0; i < Wide::kCount; ++i) {
      offsets[i] = static_cast<std::uint16_t>(offsetof(Wide, refs) + i * sizeof(loam_object *));
    }
    loam_type_spec spec = spec_of("wide", sizeof(Wide));
    spec.ref_offsets = offsets;
    spec.ref_count = Wide::kCount;
    wide_ = register_type(spec);
  }
  Wide *wide() { return make<Wide>(wide_); }

 private:
  loam_type *wide_;
};

constexpr size_t kNodes = 20000;  // several times what is looked at before a way is chosen

// The nodes in the order of their addresses.
std::vector<Triple *> make_nodes(FieldsHost &host) {
  std::vector<Triple *> nodes;
  for (size_t i = 0; i < kNodes; ++i) nodes.push_back(host.triple());
  std::sort(nodes.begin(), nodes.end());
  return nodes;
}

// A binary tree with links to the parents, over the nodes in the order given; only its root is
// held afterwards.
Triple *link_tree(FieldsHost &host, const std::vector<Triple *> &nodes) {
  for (size_t i = 1; i < nodes.size(); ++i) {
    Triple *parent = nodes[(i - 1) / 2];
    host.set(nodes[i]->refs[2], parent);
    parent->refs[i % 2] = as_object(nodes[i]);  // our reference moves there
  }
  return nodes[0];
}

// Links a heap of `count` objects, of which the root that it returns is held, and collects it twice
// live, the second time from memory, and then as garbage: at a stand, and in slices that are long
// enough to choose a way.
template <typename Link>
void check_life_at_a_stand(size_t count, Link link) {
  FieldsHost host;
  auto *root = link(host);
  CHECK(host.collect() == 0);
  CHECK(host.collect() == 0);
  CHECK(host.verify());
  host.drop(root);
  CHECK(host.collect() == count);
}

template <typename Link>
void check_life_in_slices(size_t count, Link link) {
  FieldsHost host("torture=slice:3000");
  Cycles cycles(host);
  auto *root = link(host);
  run_cycle(host, cycles);
  run_cycle(host, cycles);
  CHECK(cycles.collected == 0);
  CHECK(cycles.units[LOAM_WORK_FINAL] == 0);  // nothing live is left for it
  CHECK(host.verify());
  host.drop(root);
  run_cycle(host, cycles);
  CHECK(cycles.collected == count);
}

template <typename Link>
void check_life(size_t count, Link link) {
  SUBCASE("at a stand") { check_life_at_a_stand(count, link); }
  SUBCASE("in slices") { check_life_in_slices(count, link); }
}

}  // namespace

TEST_CASE("a heap linked upwards from its last object") {
  check_life(kNodes, [](FieldsHost &host) {
    std::vector<Triple *> nodes = make_nodes(host);
    std::rotate(nodes.begin(), nodes.end() - 1, nodes.end());
    return link_tree(host, nodes);
  });
}

TEST_CASE("a heap linked downwards") {
  check_life(kNodes, [](FieldsHost &host) {
    std::vector<Triple *> nodes = make_nodes(host);
    std::reverse(nodes.begin(), nodes.end());
    return link_tree(host, nodes);
  });
}

TEST_CASE("a heap linked at random") {
  check_life(kNodes, [](FieldsHost &host) {
    std::vector<Triple *> nodes = make_nodes(host);
    std::shuffle(nodes.begin(), nodes.end(), std::mt19937(3));
    return link_tree(host, nodes);
  });
}

TEST_CASE("a heap linked at random over so many addresses that most edges lead far") {
  constexpr size_t kMany = 10 * kNodes;
  check_life(kMany, [](FieldsHost &host) {
    loam_type *filler = host.register_type(spec_of("filler", 256));
    std::vector<Triple *> nodes;
    std::vector<loam_object *> fillers;
    for (size_t i = 0; i < kMany; ++i) {  // 57 MB in all
      nodes.push_back(host.triple());
      fillers.push_back(static_cast<loam_object *>(loam_new(host.thread, filler)));
    }
    std::shuffle(nodes.begin(), nodes.end(), std::mt19937_64(seed_or(20261126)));
    for (loam_object *object : fillers) host.drop(object);
    return link_tree(host, nodes);
  });
}

TEST_CASE("a heap linked upwards, with a way that leads up and down a hundred times") {
  check_life(kNodes, [](FieldsHost &host) {
    std::vector<Triple *> nodes = make_nodes(host);
    constexpr size_t kTurns = 100;
    // The way goes on from the last leaf.
    std::vector<Triple *> tree(nodes.begin() + kTurns, nodes.end() - kTurns);
    Triple *root = link_tree(host, tree), *at = tree.back();
    for (size_t turn = 0; turn < kTurns; ++turn) {
      for (Triple *next : {nodes[turn], nodes[kNodes - kTurns + turn]}) {
        at->refs[0] = as_object(next);
        host.set(next->refs[2], at);
        at = next;
      }
    }
    return root;
  });
}

TEST_CASE("a heap linked upwards through large objects and long arrays") {
  constexpr size_t kBridges = 50, kItems = 3000;
  check_life(kNodes + 2 * kBridges, [](FieldsHost &host) {
    std::vector<Triple *> nodes = make_nodes(host);
    std::vector<Triple *> tree(nodes.begin() + 2 * kBridges, nodes.end());
    Triple *root = link_tree(host, tree), *at = tree.back();
    for (size_t i = 0; i < kBridges; ++i) {  // each of two nodes is reached through a bridge alone
      Wide *large = host.wide();
      at->refs[0] = as_object(large);
      large->refs[99] = as_object(nodes[2 * i]);
      host.set(nodes[2 * i]->refs[2], large);
      List *list = host.list();
      nodes[2 * i]->refs[0] = as_object(list);
      for (size_t item = 1; item < kItems; ++item) host.push(list, number(item));
      host.push(list, box(nodes[2 * i + 1]));
      host.drop(nodes[2 * i + 1]);
      at = nodes[2 * i + 1];
    }
    return root;
  });
}

TEST_CASE("a heap linked upwards, and large objects that lead to older ones") {
  constexpr size_t kLarge = 3000;  // more than there are passes
  check_life(kNodes + kLarge, [](FieldsHost &host) {
    std::vector<Triple *> nodes = make_nodes(host);
    Wide *newest = host.wide();
    for (size_t i = 1; i < kLarge; ++i) {
      Wide *next = host.wide();
      next->refs[0] = as_object(newest);
      newest = next;
    }
    std::rotate(nodes.begin(), nodes.end() - 1, nodes.end());
    nodes.back()->refs[0] = as_object(newest);
    host.set(newest->refs[1], nodes.back());
    return link_tree(host, nodes);
  });
}

TEST_CASE("a heap of one type, linked by the last of its few references") {
  for (size_t fields = 1; fields <= 6; ++fields) {
    for (const bool down : {false, true}) {
      INFO("fields ", fields, ", down ", down);
      const auto link = [=](FieldsHost &host) {
        uint16_t offsets[6];
        for (size_t i = 0; i < fields; ++i) offsets[i] = static_cast<uint16_t>(8 + 8 * i);
        loam_type_spec spec = spec_of("few", 8 + 8 * fields);
        spec.ref_offsets = offsets;
        spec.ref_count = fields;
        loam_type *type = host.register_type(spec);
        std::vector<loam_object *> nodes;
        for (size_t i = 0; i < kNodes; ++i) nodes.push_back(host.make<loam_object>(type));
        std::sort(nodes.begin(), nodes.end());
        if (down) std::reverse(nodes.begin(), nodes.end());
        const auto field = [](loam_object *node, size_t i) -> loam_object *& {
          return *reinterpret_cast<loam_object **>(reinterpret_cast<char *>(node) + 8 + 8 * i);
        };
        for (size_t i = 0; i < kNodes; ++i) {
          loam_object *next = nodes[(i + 1) % kNodes];
          for (size_t at = 0; at + 1 < fields; ++at) {
            if (i % 3 != 0) host.set(field(nodes[i], at), next);
          }
          field(nodes[i], fields - 1) = next;  // the reference that we had, but for the first
        }
        host.hold(nodes[0]);
        return nodes[0];
      };
      check_life_at_a_stand(kNodes, link);
      check_life_in_slices(kNodes, link);
    }
  }
}

TEST_CASE("a pass upwards that begins in every slab takes them up slice by slice") {
  using loam::alloc::Heap;
  using loam::alloc::Slab;
  const size_t slabs = scaled(4000), chain = 5000;
  constexpr size_t kSlice = 1200;  // long enough to choose a way
  Host host("torture=slice:1200");
  Cycles cycles(host);
  loam_collect_disable(host.thread);
  // A chain that leads up, to an array with an object of each slab.
  Pair *first = host.pair(), *last = first;
  for (size_t i = 1; i < chain; ++i) {
    Pair *next = host.pair();
    last->left = as_object(next);
    last = next;
  }
  List *list = host.list();
  last->left = as_object(list);
  std::vector<Sized *> spare;
  while (list->length < slabs) {
    Sized *filler = host.sized(30);  // 256 bytes
    if ((reinterpret_cast<std::uintptr_t>(filler) & (loam::alloc::kSlabBytes - 1)) == 0) {
      host.push_given(list, filler);
    } else {
      spare.push_back(filler);
    }
  }
  for (Sized *filler : spare) host.drop(filler);
  const Heap &heap = host.runtime->heap;
  const auto listed = [&heap] {
    size_t count = 0;
    for (size_t slab = Heap::first_listed(heap.cycle_grey); slab != loam::alloc::kNoSlab;
         slab = heap.next_listed(slab, &Slab::cycle_grey)) {
      ++count;
    }
    return count;
  };
  size_t before = 0, most = 0, at_once = 0;
  const auto count_cycles = host.on_event;
  host.on_event = [&](const loam_event &event) {
    count_cycles(event);
    if (event.kind != LOAM_EVENT_WORK) return;
    const size_t now = listed();
    if (event.work == LOAM_WORK_MARK && before > now) at_once = std::max(at_once, before - now);
    most = std::max(most, now);
    before = now;
  };
  loam_collect_enable(host.thread);
  run_cycle(host, cycles);
  if (scaled(100) == 100) CHECK(most >= slabs / 2);  // else the array is not followed in parts
  CHECK(at_once <= kSlice);
  host.on_event = count_cycles;
  host.drop(first);
}

TEST_CASE("a remembered root that nothing holds any more keeps nothing") {
  FieldsHost host;
  Triple *kept = host.triple();
  Triple *root = link_tree(host, make_nodes(host));
  CHECK(host.collect() == 0);
  host.drop(root);
  CHECK(host.collect() == kNodes);
  host.drop(kept);
}

TEST_CASE("a remembered root keeps nothing when the reference to it moved inside") {
  FieldsHost host;
  const std::vector<Triple *> nodes = make_nodes(host);
  Triple *root = link_tree(host, nodes);
  CHECK(host.collect() == 0);
  nodes.back()->refs[0] = as_object(root);
  CHECK(host.collect() == kNodes);
}

TEST_CASE("of two remembered roots, the one that is none any more takes its own with it") {
  for (const bool first_moves : {false, true}) {
    INFO("first moves ", first_moves);
    FieldsHost host;
    const std::vector<Triple *> nodes = make_nodes(host);
    std::vector<Triple *> moving(nodes.begin(), nodes.begin() + kNodes / 3);
    std::vector<Triple *> staying(nodes.begin() + kNodes / 3, nodes.end());
    if (!first_moves) std::swap(moving, staying);
    Triple *root = link_tree(host, moving), *other = link_tree(host, staying);
    CHECK(host.collect() == 0);
    moving.back()->refs[0] = as_object(root);  // what held it was outside
    CHECK(host.collect() == moving.size());
    CHECK(host.collect() == 0);
    CHECK(host.verify());
    host.drop(other);
    CHECK(host.collect() == staying.size());
  }
}

TEST_CASE("a remembered root to which many edges lead, from what it leads to and from garbage") {
  for (const std::size_t edges : {255u, 256u, 70000u}) {
    INFO("edges ", edges);
    FieldsHost host;
    Triple *root = host.triple();
    List *list = host.list();
    host.give(root->refs[0], list);
    for (std::size_t i = 0; i < edges; ++i) host.push(list, box(root));
    host.set(root->refs[1], root);
    for (int i = 0; i < 3; ++i) CHECK(host.collect() == 0);
    CHECK(host.verify());
    for (int i = 0; i < 3; ++i) {
      Pair *ring = host.ring(7);
      host.set(ring->right, root);
      host.drop(ring);
      CHECK(host.collect() == 7);
    }
    CHECK(loam_refcount(as_object(root)) == edges + 2);
    host.drop(root);
    CHECK(host.collect() == 2);
  }
}

TEST_CASE("remembered roots where objects of another size lie by now") {
  FieldsHost host;
  std::vector<Triple *> nodes = make_nodes(host);
  CHECK(host.collect() == 0);  // each is a root
  for (Triple *node : nodes) host.drop(node);
  loam_trim(host.thread);
  std::vector<Pair *> pairs;  // of 24 bytes instead of 32
  for (std::size_t i = 0; i < 4 * kNodes / 3; ++i) {
    pairs.push_back(host.pair());
    host.set(pairs.back()->left, pairs.front());
    host.set(pairs.back()->right, pairs.back());
  }
  for (int i = 0; i < 2; ++i) CHECK(host.collect() == 0);
  CHECK(host.verify());
  for (Pair *pair : pairs) host.drop(pair);
  CHECK(host.collect() == pairs.size());
}

namespace {

// Objects with three references or a hundred, linked and unlinked, held and let go of at random,
// and what can be reached of them.
class ChangingHeap {
 public:
  ChangingHeap(FieldsHost &host, std::uint64_t seed) : host_(host), random_(seed) {}
  ~ChangingHeap() {
    for (const Node &node : nodes_) {
      for (std::size_t i = node.handles; i > 0; --i) host_.drop(node.object);
    }
  }

  void grow() {
    for (Node &node : nodes_) {  // nothing dies while it changes
      host_.hold(node.object);
      ++node.handles;
    }
    for (std::size_t i = random_.below(2000); i > 0; --i) {
      if (random_.below(50) == 0) {
        Wide *large = host_.wide();
        nodes_.push_back({as_object(large), large->refs, Wide::kCount, 1});
      } else {
        Triple *triple = host_.triple();
        nodes_.push_back({as_object(triple), triple->refs, 3, 1});
      }
    }
    std::sort(nodes_.begin(), nodes_.end(),
              [](const Node &one, const Node &other) { return one.object < other.object; });
  }

  void relink() {
    const std::size_t links = random_.below(4);  // of four fields that change
    for (Node &node : nodes_) {
      for (std::size_t i = 0; i < node.count; ++i) {
        if (random_.below(3) == 0) relink(node.refs[i], links);
      }
    }
  }

  // Lets go of most of what is held from outside, or of little; returns how many objects are left.
  std::size_t drop_handles() {
    const std::size_t held_percent = random_.below(4) == 0 ? 90 : random_.below(5);
    std::vector<loam_object *> dropped;
    std::vector<Node> left;
    for (Node &node : nodes_) {
      for (; node.handles > 0 && random_.below(100) >= held_percent; --node.handles) {
        dropped.push_back(node.object);
      }
    }
    const std::vector<bool> reached = reachable();
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      if (reached[i]) left.push_back(nodes_[i]);
    }
    nodes_.swap(left);
    for (loam_object *object : dropped) host_.drop(object);
    return nodes_.size();
  }

 private:
  struct Node {
    loam_object *object;
    loam_object **refs;
    std::size_t count, handles;
  };

  std::size_t index_of(const loam_object *object) const {
    const auto found = std::lower_bound(
        nodes_.begin(), nodes_.end(), object,
        [](const Node &node, const loam_object *other) { return node.object < other; });
    return static_cast<std::size_t>(found - nodes_.begin());
  }

  void relink(loam_object *&field, std::size_t links) {
    Node &target = nodes_[random_.below(nodes_.size())];
    if (random_.below(4) > links) {
      host_.set(field, nullptr);
    } else if (target.handles == 0 || random_.below(2) == 0) {
      host_.set(field, target.object);
    } else {  // what held it moves inside, and the other way round
      --target.handles;
      if (field != nullptr) ++nodes_[index_of(field)].handles;
      field = target.object;
    }
  }

  std::vector<bool> reachable() const {
    std::vector<bool> reached(nodes_.size());
    std::vector<std::size_t> queue;
    const auto reach = [&](std::size_t i) {
      if (!reached[i]) queue.push_back(i);
      reached[i] = true;
    };
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      if (nodes_[i].handles != 0) reach(i);
    }
    while (!queue.empty()) {
      const Node &node = nodes_[queue.back()];
      queue.pop_back();
      for (std::size_t i = 0; i < node.count; ++i) {
        if (node.refs[i] != nullptr) reach(index_of(node.refs[i]));
      }
    }
    return reached;
  }

  FieldsHost &host_;
  Random random_;
  std::vector<Node> nodes_;  // by address
};

}  // namespace

TEST_CASE("collections of a heap that changes in between leave what can be reached, and no more") {
  const std::uint64_t seed = seed_or(20261201);
  INFO("seed ", seed);
  FieldsHost host;
  loam_collect_disable(host.thread);
  ChangingHeap heap(host, seed);
  const auto survivors = [&host] {
    return host.stats().collections[LOAM_COLLECTION_FULL].survivors;
  };
  for (int round = 0; round < 60; ++round) {
    heap.grow();
    heap.relink();
    const std::uint64_t before = survivors();
    const std::size_t left = heap.drop_handles();
    for (int i = 0; i < 2; ++i) host.collect();  // the second finds what the first remembered
    CHECK(survivors() - before == 2 * left);
    if (round % 10 == 9) CHECK(host.verify());
  }
}

// In a heap that is large enough for a look at where edges lead, objects that hold all they can: 31
// words, each of them named as a reference and as a tagged word.
TEST_CASE("words named twice are looked at, counted and marked as two references") {
  constexpr std::uint16_t kWords = 31;
  constexpr std::size_t kObjects = 140000;  // 34 MiB
  struct Full {
    loam_object base;
    loam_object *words[kWords];
  };
  std::uint16_t offsets[kWords];
  for (std::uint16_t i = 0; i < kWords; ++i) offsets[i] = static_cast<std::uint16_t>(8 + 8 * i);
  FieldsHost host;
  loam_type_spec spec{};
  spec.struct_size = sizeof spec;
  spec.name = "Full";
  spec.instance_size = sizeof(Full);
  spec.ref_offsets = spec.value_offsets = offsets;
  spec.ref_count = spec.value_count = kWords;
  loam_type *type = host.register_type(spec);
  loam_collect_disable(host.thread);
  std::vector<Full *> objects;
  for (std::size_t i = 0; i < kObjects; ++i) {
    objects.push_back(static_cast<Full *>(loam_new(host.thread, type)));
    REQUIRE(objects.back() != nullptr);
  }
  Random random(20261130);
  for (Full *object : objects) {
    for (loam_object *&word : object->words) {
      Full *target = objects[random.below(kObjects)];
      for (int i = 0; i < 2; ++i) host.hold(target);
      word = as_object(target);
    }
  }
  for (std::size_t i = 1; i < kObjects; ++i) host.drop(objects[i]);
  for (int i = 0; i < 2; ++i) CHECK(loam_collect(host.thread) == 0);
  CHECK(host.verify());
  host.drop(objects[0]);
  CHECK(loam_collect(host.thread) == kObjects);
}
