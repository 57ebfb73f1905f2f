// The layouts of graph_test.cc. Every object starts with a header and a stamp, which names the node
// and shows damage:
//
//   Cell     | header | stamp | refs ...              |   as many as its layout has slots
//   Words    | header | stamp | word | word           |   tagged
//   Array    | header | stamp | items | length        |   tagged words behind a pointer
#ifndef LOAM_TESTS_TORTURE_GRAPH_LAYOUTS_H
#define LOAM_TESTS_TORTURE_GRAPH_LAYOUTS_H

#include "../support/host.h"

namespace loam::test::graph {

struct Stamped {
  loam_object base;
  std::uint64_t stamp;
};

struct Cell {
  Stamped head;
  loam_object *refs[1];
};

struct Words {
  Stamped head;
  std::uint64_t words[2];
};

struct Array {
  Stamped head;
  std::uint64_t *items;
  std::size_t length;
};

enum Kind : unsigned {
  kLeaf,
  kSingle,
  kTriple,
  kTraced,
  kWords,
  kArray,
  kLarge,
  kFinalized,
  kFinalizedLarge,
  kAcyclic,
  kKinds
};

struct Layout {
  const char *name;
  std::size_t slots;
  bool finalized, tagged, traced;
};

constexpr Layout kLayouts[kKinds] = {
    {"leaf", 0, false, false, false},           {"single", 1, false, false, false},
    {"triple", 3, false, false, false},         {"traced", 2, false, false, true},
    {"words", 2, false, true, false},           {"array", 5, false, true, false},
    {"large", 40, false, false, true},          {"finalized", 2, true, false, false},
    {"finalized_large", 33, true, false, true}, {"acyclic", 1, false, false, false},
};

constexpr std::size_t kFirstField = sizeof(Stamped);

inline std::uint64_t stamp_of(std::size_t id) { return Random(id).next() << 32 | id; }
inline std::uint64_t stamp_in(const loam_object *object) {
  return reinterpret_cast<const Stamped *>(object)->stamp;
}
inline std::size_t id_of(const loam_object *object) {
  return static_cast<std::uint32_t>(stamp_in(object));
}

inline loam_object **refs_of(loam_object *object) { return reinterpret_cast<Cell *>(object)->refs; }

inline std::uint64_t *words_of(Kind kind, loam_object *object) {
  return kind == kArray ? reinterpret_cast<Array *>(object)->items
                        : reinterpret_cast<Words *>(object)->words;
}

// What a slot refers to; NULL for an empty one and for a number.
inline loam_object *slot_of(Kind kind, loam_object *object, std::size_t slot) {
  return kLayouts[kind].tagged ? unbox(words_of(kind, object)[slot]) : refs_of(object)[slot];
}

template <std::size_t slots>
void trace_cell(loam_object *self, loam_visitor *visitor) {
  for (std::size_t i = 0; i < slots; ++i) loam_visit(visitor, refs_of(self)[i]);
}

inline loam_trace_fn trace_of(Kind kind) {
  if (kind == kTraced) return trace_cell<kLayouts[kTraced].slots>;
  if (kind == kLarge) return trace_cell<kLayouts[kLarge].slots>;
  return trace_cell<kLayouts[kFinalizedLarge].slots>;
}

// The spec of a layout, without finalizer and dispose.
inline loam_type_spec spec_of_kind(Kind kind) {
  static constexpr std::uint16_t kOffsets[] = {kFirstField, kFirstField + 8, kFirstField + 16};
  const Layout &layout = kLayouts[kind];
  loam_type_spec spec = spec_of(layout.name, kFirstField + layout.slots * sizeof(loam_object *));
  if (kind == kArray) spec.instance_size = sizeof(Array);
  if (kind == kAcyclic) spec.flags = LOAM_TYPE_ACYCLIC;
  if (layout.tagged) {
    spec.value_mask = kTagMask;
    spec.value_bits = kTagReference;
    spec.pointer_mask = ~kTagMask;
  }
  if (kind == kWords) {
    spec.value_offsets = kOffsets;
    spec.value_count = layout.slots;
  } else if (kind == kArray) {
    spec.items_offset = offsetof(Array, items);
    spec.length_offset = offsetof(Array, length);
  } else if (layout.traced) {
    spec.trace = trace_of(kind);
  } else if (layout.slots != 0) {
    spec.ref_offsets = kOffsets;
    spec.ref_count = layout.slots;
  }
  return spec;
}

// What a world does.
struct Plan {
  const char *options;
  std::size_t operations, live_target;
  bool finalizers;  // else nothing is ever resurrected, and more can be checked
  std::size_t collect_one_in;
  bool safepoints = false;  // one after each operation
};

}  // namespace loam::test::graph

#endif  // LOAM_TESTS_TORTURE_GRAPH_LAYOUTS_H
