// Every directed graph on up to four nodes: a collection frees exactly what its roots do not reach.
#include <doctest/doctest.h>

#include <cstdint>

#include "../support/digraph.h"
#include "../support/host.h"

namespace {

using namespace loam::test;

constexpr unsigned kMaxNodes = 4;

struct Vertex {
  loam_object base;
  std::uint64_t index;
  loam_object *refs[kMaxNodes];
};

unsigned disposed_vertices;  // a bit for each

void dispose_vertex(loam_thread *, loam_object *self) {
  disposed_vertices |= 1u << reinterpret_cast<Vertex *>(self)->index;
}

enum class When { kYoung, kOld, kByYoungCollection };

// What counts alone free once only the roots are held.
unsigned dead_by_count(const Digraph &graph, unsigned roots) {
  unsigned dead = 0, before;
  do {
    before = dead;
    for (unsigned to = 0; to < graph.nodes; ++to) {
      bool held = (roots >> to & 1) != 0;
      for (unsigned from = 0; from < graph.nodes; ++from) {
        held = held || ((dead >> from & 1) == 0 && graph.edge(from, to));
      }
      if (!held) dead |= 1u << to;
    }
  } while (dead != before);
  return dead;
}

unsigned bits(unsigned set) { return static_cast<unsigned>(__builtin_popcount(set)); }

class Digraphs {
 public:
  Digraphs() {
    static constexpr std::uint16_t kOffsets[] = {16, 24, 32, 40};
    static_assert(offsetof(Vertex, refs) == 16, "kOffsets name the elements of refs");
    loam_type_spec spec = spec_of("vertex", sizeof(Vertex));
    spec.ref_offsets = kOffsets;
    spec.ref_count = kMaxNodes;
    spec.dispose = dispose_vertex;
    type_ = host_.register_type(spec);
    loam_collect_disable(host_.thread);
  }

  // Whether collecting the graph with these roots frees exactly what it should.
  bool agrees(const Digraph &graph, unsigned roots, When when) {
    Vertex *vertices[kMaxNodes];
    build(graph, vertices);
    if (when == When::kOld && loam_collect(host_.thread) != 0) return false;
    drop(graph, vertices, ~roots);
    unsigned by_count = dead_by_count(graph, roots);
    bool right = disposed_vertices == by_count;
    unsigned garbage = ((1u << graph.nodes) - 1) & ~graph.reached_from(roots);
    std::size_t collected = when == When::kByYoungCollection ? loam_collect_young(host_.thread)
                                                             : loam_collect(host_.thread);
    right = right && disposed_vertices == garbage && collected == bits(garbage & ~by_count);
    drop(graph, vertices, roots);
    loam_collect(host_.thread);
    return right && disposed_vertices == (1u << graph.nodes) - 1 && host_.bytes() == 0;
  }

  bool verify() { return host_.verify(); }

 private:
  void build(const Digraph &graph, Vertex **vertices) {
    disposed_vertices = 0;
    for (unsigned i = 0; i < graph.nodes; ++i) {
      vertices[i] = host_.make<Vertex>(type_);
      vertices[i]->index = i;
    }
    for (unsigned from = 0; from < graph.nodes; ++from) {
      for (unsigned to = 0; to < graph.nodes; ++to) {
        if (graph.edge(from, to)) host_.set(vertices[from]->refs[to], vertices[to]);
      }
    }
  }

  void drop(const Digraph &graph, Vertex **vertices, unsigned set) {
    for (unsigned i = 0; i < graph.nodes; ++i) {
      if ((set >> i & 1) != 0) host_.drop(vertices[i]);
    }
  }

  Host host_;
  loam_type *type_ = nullptr;
};

constexpr When kTimes[] = {When::kYoung, When::kOld, When::kByYoungCollection};

// The wrong cases among all graphs of n nodes, every `stride`th set of roots at a time.
void check_all(unsigned nodes, std::size_t stride) {
  Digraphs digraphs;
  std::size_t cases = 0, next = 0;
  std::uint32_t graphs = 1u << (nodes * nodes);
  for (std::uint32_t edges = 0; edges < graphs; ++edges) {
    for (unsigned roots = 0; roots < 1u << nodes; ++roots) {
      for (When when : kTimes) {
        if (cases++ != next) continue;
        next += stride;
        CAPTURE(edges);
        CAPTURE(roots);
        REQUIRE(digraphs.agrees({nodes, edges}, roots, when));
      }
    }
  }
  CHECK(digraphs.verify());
}

}  // namespace

TEST_CASE("every digraph of one, two or three nodes is collected exactly, for every set of roots") {
  for (unsigned nodes = 1; nodes <= 3; ++nodes) check_all(nodes, 1);
}

TEST_CASE("every digraph of four nodes is collected exactly, for every set of roots") {
  // 48 cases a graph: a stride without a factor in common lets all kinds of case take turns.
  check_all(4, scaled(100) < 100 ? 3701 : 1);
}
