// Types whose fields lie anywhere: in one run or scattered, among the first 32 words of an object
// or behind them. Whoever walks edges must find the same ones: a collection at a stand, one in
// slices, a young one and a death by count.
#include <algorithm>
#include <random>
#include <vector>

#include "support/host.h"

using namespace loam::test;

namespace {

struct Layout {
  std::vector<uint16_t> refs, values;  // offsets
  size_t words;
};

Layout random_layout(std::mt19937 &random) {
  const size_t sizes[] = {3, 5, 31, 32, 33, 40, 100};  // words
  Layout layout;
  layout.words = sizes[random() % 7];
  const unsigned density = random() % 4;  // 0: few; 3: nearly all
  for (size_t word = 1; word < layout.words; ++word) {
    const auto offset = static_cast<uint16_t>(word * sizeof(uint64_t));
    const unsigned dice = random() % 8;
    if (dice <= 2 * density) {
      layout.refs.push_back(offset);
    } else if (dice == 7) {
      layout.values.push_back(offset);
    }
  }
  if (layout.refs.empty()) layout.refs.push_back(sizeof(loam_object));
  std::shuffle(layout.refs.begin(), layout.refs.end(), random);
  layout.values.erase(std::remove(layout.values.begin(), layout.values.end(), layout.refs[0]),
                      layout.values.end());
  return layout;
}

loam_type *register_layout(Host &host, const Layout &layout) {
  loam_type_spec spec = {};
  spec.struct_size = sizeof spec;
  spec.name = "layout";
  spec.instance_size = layout.words * sizeof(uint64_t);
  spec.ref_offsets = layout.refs.data();
  spec.ref_count = layout.refs.size();
  spec.value_offsets = layout.values.data();
  spec.value_count = layout.values.size();
  spec.value_mask = kTagMask;
  spec.value_bits = kTagReference;
  spec.pointer_mask = ~kTagMask;
  loam_type *type = nullptr;
  REQUIRE(loam_type_register(host.runtime, &spec, &type) == LOAM_OK);
  return type;
}

uint64_t &word_at(void *object, size_t offset) {
  return *reinterpret_cast<uint64_t *>(static_cast<char *>(object) + offset);
}

// A new object in each field, which refers back to its owner; returns how many.
size_t fill(Host &host, void *owner, const Layout &layout) {
  const auto child_of = [&host, owner] {
    Pair *child = host.pair();
    host.set(child->left, as_object(owner));
    return child;
  };
  for (uint16_t offset : layout.refs) {
    word_at(owner, offset) = reinterpret_cast<uintptr_t>(child_of());
  }
  for (uint16_t offset : layout.values) word_at(owner, offset) = box(child_of());
  return layout.refs.size() + layout.values.size();
}

}  // namespace

TEST_CASE("every edge counts, wherever its field lies") {
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    CAPTURE(round);
    const Layout layout = random_layout(random);
    Host host;
    loam_type *type = register_layout(host, layout);
    void *kept = host.make<void>(type);
    const size_t children = fill(host, kept, layout);
    SUBCASE("in a young collection") {
      CHECK(loam_collect_young(host.thread) == 0);
      CHECK(host.verify());
      host.drop(as_object(kept));
      CHECK(host.collect() == children + 1);
    }
    SUBCASE("in two full ones: the second starts from the roots of the first") {
      CHECK(host.collect() == 0);
      CHECK(host.collect() == 0);
      CHECK(host.verify());
      host.drop(as_object(kept));
      CHECK(host.collect() == children + 1);
    }
    SUBCASE("in a death by count") {
      for (uint16_t offset : layout.refs) {
        host.set(reinterpret_cast<Pair *>(word_at(kept, offset))->left, nullptr);
      }
      for (uint16_t offset : layout.values) {
        host.set(reinterpret_cast<Pair *>(word_at(kept, offset) & ~kTagMask)->left, nullptr);
      }
      host.drop(as_object(kept));
      CHECK(host.stats().freed_by_count == children + 1);
    }
  }
}

TEST_CASE("every edge counts in slices, wherever its field lies") {
  std::mt19937 random(8);
  for (int round = 0; round < 100; ++round) {
    CAPTURE(round);
    const Layout layout = random_layout(random);
    Host host("torture=slice:20");
    size_t collected = 0;
    host.on_event = [&collected](const loam_event &event) {
      const bool full = event.collection == LOAM_COLLECTION_FULL;
      if (event.kind == LOAM_EVENT_COLLECTION_END && full) collected += event.objects;
    };
    loam_type *type = register_layout(host, layout);
    void *kept = host.make<void>(type);
    const size_t children = fill(host, kept, layout);
    for (int slice = 0; slice < 400; ++slice) loam_safepoint(host.thread);
    CHECK(collected == 0);
    CHECK(host.verify());
    host.drop(as_object(kept));
    for (int slice = 0; slice < 400; ++slice) loam_safepoint(host.thread);
    CHECK(collected == children + 1);
  }
}

TEST_CASE("words that are named as references and as tagged words hold two references each") {
  constexpr std::size_t kFields = 31, kObjects = 200;
  struct Wide {
    loam_object base;
    loam_object *fields[kFields];
  };
  static_assert(sizeof(Wide) == LOAM_MAX_BLOCK, "the most fields that a small object has");
  std::uint16_t offsets[kFields];
  for (std::size_t i = 0; i < kFields; ++i) offsets[i] = static_cast<std::uint16_t>(8 + 8 * i);
  Host host;
  loam_type_spec once = spec_of("once", sizeof(Wide));
  once.ref_offsets = offsets;
  once.ref_count = kFields;
  loam_type_spec twice = once;
  twice.name = "twice";
  twice.value_offsets = offsets;
  twice.value_count = kFields;
  twice.pointer_mask = ~std::uint64_t{0};
  loam_type *types[2] = {};
  REQUIRE(loam_type_register(host.runtime, &once, &types[0]) == LOAM_OK);
  REQUIRE(loam_type_register(host.runtime, &twice, &types[1]) == LOAM_OK);
  std::vector<Wide *> objects(kObjects);
  for (std::size_t i = 0; i < kObjects; ++i) {
    objects[i] = static_cast<Wide *>(loam_new(host.thread, types[i % 4 == 3]));
  }
  for (std::size_t i = 0; i < kObjects; ++i) {
    for (std::size_t k = 0; k < kFields; ++k) {
      objects[i]->fields[k] = &objects[(i + k) % kObjects]->base;
      loam_incref(host.thread, objects[i]->fields[k]);
      if (i % 4 == 3) loam_incref(host.thread, objects[i]->fields[k]);
    }
  }
  CHECK(host.collect() == 0);
  CHECK(host.verify());
  for (Wide *object : objects) loam_decref(host.thread, &object->base);
  CHECK(host.collect() == kObjects);
}
