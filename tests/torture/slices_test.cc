// Every directed graph of three nodes, and one of each kind of four, collected in slices, with
// every small mutation of what is live between any two slices, and pairs of them in any order.
// Whatever happens in between, nothing live is condemned, and what was garbage at the start of the
// cycle is gone at its end.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <numeric>
#include <string>
#include <vector>

#include "../support/cycles.h"
#include "../support/digraph.h"

namespace {

using namespace loam::test;

constexpr unsigned kMaxNodes = 4;
constexpr unsigned kSteps = 2;

struct Vertex {
  loam_object base;
  std::uint64_t index;
  loam_object *refs[kMaxNodes + kSteps];  // one for each step more than a graph uses
};

unsigned disposed;  // a bit for each

void dispose_vertex(loam_thread *, loam_object *self) {
  disposed |= 1u << reinterpret_cast<Vertex *>(self)->index;
}

// A reference is taken into a variable, into an object born meanwhile, or into another live object,
// and no count is touched; a reference is dropped.
enum Mutation : unsigned { kToVariable, kToNewborn, kToOther, kDropped, kMutations };

struct Step {
  Mutation mutation;
  unsigned edge;   // whose bit it is in Graph::edges
  unsigned after;  // so many slices
};

using Steps = std::vector<Step>;

std::string text_of(const Steps &steps, unsigned nodes) {
  static constexpr const char *kNames[] = {"to variable", "to newborn", "to other", "dropped"};
  std::string text;
  for (const Step &step : steps) {
    text += std::to_string(step.edge / nodes) + "->" + std::to_string(step.edge % nodes) + " " +
            kNames[step.mutation] + " after " + std::to_string(step.after) + " slices; ";
  }
  return text;
}

// Of its nodes some are held: by roots, or because the edge that led there was moved.
template <unsigned kNodes>
struct Graph {
  static constexpr unsigned kEdges = kNodes * kNodes;
  static constexpr unsigned kAllNodes = (1u << kNodes) - 1;

  unsigned edges, held;  // as a Digraph has them

  bool edge(unsigned from, unsigned to) const { return Digraph{kNodes, edges}.edge(from, to); }
  unsigned live() const { return Digraph{kNodes, edges}.reached_from(held); }

  unsigned live_edges() const {
    unsigned from_live = 0;
    for (unsigned from = 0, seen = live(); from < kNodes; ++from) {
      if ((seen >> from & 1) != 0) from_live |= kAllNodes << from * kNodes;
    }
    return edges & from_live;
  }

  Graph after(const Step &step) const {
    const unsigned moved_to = step.mutation == kDropped ? 0 : 1u << step.edge % kNodes;
    return {edges & ~(1u << step.edge), held | moved_to};
  }

  bool has_loop() const {
    for (unsigned i = 0; i < kNodes; ++i) {
      if (edge(i, i)) return true;
    }
    return false;
  }

  // With node i called names[i].
  Graph renamed(const unsigned (&names)[kNodes]) const {
    Graph same = {0, 0};
    for (unsigned i = 0; i < kNodes; ++i) {
      if ((held >> i & 1) != 0) same.held |= 1u << names[i];
      for (unsigned to = 0; to < kNodes; ++to) {
        if (edge(i, to)) same.edges |= 1u << (names[i] * kNodes + names[to]);
      }
    }
    return same;
  }

  // Whether no names make it a graph that comes earlier: so, one of each kind is.
  bool is_first_of_kind() const {
    unsigned names[kNodes];
    std::iota(names, names + kNodes, 0u);
    do {
      const Graph same = renamed(names);
      if (same.edges < edges || (same.edges == edges && same.held < held)) return false;
    } while (std::next_permutation(names, names + kNodes));
    return true;
  }
};

template <unsigned kNodes>
class World {
 public:
  explicit World(const char *options) : host_(options) {
    static constexpr std::uint16_t kOffsets[] = {16, 24, 32, 40, 48, 56};
    static_assert(offsetof(Vertex, refs) == 16, "kOffsets name the elements of refs");
    loam_type_spec spec = spec_of("vertex", sizeof(Vertex));
    spec.ref_offsets = kOffsets;
    spec.ref_count = kMaxNodes + kSteps;
    spec.dispose = dispose_vertex;
    type_ = host_.register_type(spec);
    host_.on_event = [this](const loam_event &event) {
      if (event.collection != LOAM_COLLECTION_FULL) return;
      (event.kind == LOAM_EVENT_COLLECTION_START ? starts_ : ends_) += 1;
    };
  }

  // Returns the slices that the cycle took; 0: something went wrong.
  unsigned run(Graph<kNodes> graph, const Steps &steps) {
    build(graph);
    const unsigned roots = graph.held, garbage = kAllNodes & ~graph.live();
    drop(~roots);
    for (unsigned starts = starts_; starts_ == starts;) loam_safepoint(host_.thread);
    const unsigned ends = ends_;
    unsigned slices = 0;
    do {
      for (std::size_t i = 0; i < steps.size(); ++i) {
        if (slices != steps[i].after) continue;
        mutate(i, steps[i], roots);
        graph = graph.after(steps[i]);
      }
      ++slices;
      loam_safepoint(host_.thread);
    } while (ends_ == ends);
    const bool right = (disposed & garbage) == garbage && (disposed & graph.live()) == 0;
    drop(roots);
    for (loam_object *&variable : variables_) host_.set(variable, nullptr);
    loam_collect(host_.thread);
    return right && disposed == made_ ? slices : 0;
  }

  bool verify() { return host_.bytes() == 0 && host_.verify(); }
  std::size_t mutations() const { return mutations_; }

 private:
  static constexpr unsigned kAllNodes = Graph<kNodes>::kAllNodes;

  void build(const Graph<kNodes> &graph) {
    for (unsigned i = 0; i < kNodes; ++i) vertices_[i] = make(i);
    for (unsigned from = 0; from < kNodes; ++from) {
      for (unsigned to = 0; to < kNodes; ++to) {
        if (graph.edge(from, to)) host_.set(vertices_[from]->refs[to], vertices_[to]);
      }
    }
    disposed = 0;
    made_ = kAllNodes;
  }

  Vertex *make(std::size_t index) {
    Vertex *vertex = host_.make<Vertex>(type_);
    vertex->index = index;
    made_ |= 1u << index;
    return vertex;
  }

  void drop(unsigned set) {
    for (unsigned i = 0; i < kNodes; ++i) {
      if ((set >> i & 1) != 0) host_.drop(vertices_[i]);
    }
  }

  void mutate(std::size_t number, const Step &step, unsigned roots) {
    ++mutations_;
    loam_object *&field = vertices_[step.edge / kNodes]->refs[step.edge % kNodes];
    Vertex *other = nullptr;
    switch (step.mutation) {
      case kDropped:
        host_.set(field, nullptr);
        return;
      case kToNewborn:
        other = make(kMaxNodes + number);
        variables_[number] = as_object(other);
        break;
      case kToOther:
        for (unsigned i = 0; i < kNodes; ++i) {
          if ((roots >> i & 1) != 0) other = vertices_[i];
        }
        break;
      case kToVariable:
      case kMutations:
        break;
    }
    (other != nullptr ? other->refs[kMaxNodes + number] : variables_[number]) = field;
    field = nullptr;
  }

  Host host_;
  loam_type *type_ = nullptr;
  Vertex *vertices_[kNodes] = {};
  unsigned made_ = 0;  // a bit for each
  loam_object *variables_[kSteps] = {};
  unsigned starts_ = 0, ends_ = 0;
  std::size_t mutations_ = 0;
};

// Of up to so many steps, each upon any edge of what is live then and no earlier than the one
// before: every `stride`th case.
template <unsigned kNodes>
class Cases {
 public:
  Cases(const char *options, unsigned most_steps, unsigned stride)
      : world_(options), most_steps_(most_steps), stride_(stride) {}

  void check(const std::vector<Graph<kNodes>> &graphs) {
    for (const Graph<kNodes> &graph : graphs) check_from(graph, graph);
    CHECK(world_.verify());
    CHECK(world_.mutations() >= steps_run_ - steps_run_ / 100);  // others came after the end
    MESSAGE(run_ << " cycles with up to " << most_steps_ << " mutations");
  }

 private:
  // steps_ have made `now` of the graph.
  void check_from(const Graph<kNodes> &graph, const Graph<kNodes> &now) {
    check_case(graph);
    if (steps_.size() == most_steps_) return;
    const unsigned first = steps_.empty() ? 0 : steps_.back().after;
    for (unsigned left = now.live_edges(); left != 0; left &= left - 1) {
      const auto edge = static_cast<unsigned>(__builtin_ctz(left));
      for (unsigned mutation = 0; mutation < kMutations; ++mutation) {
        for (unsigned after = first; after == first || after < slices_; ++after) {
          steps_.push_back({static_cast<Mutation>(mutation), edge, after});
          check_from(graph, now.after(steps_.back()));
          steps_.pop_back();
        }
      }
    }
  }

  void check_case(const Graph<kNodes> &graph) {
    if (turn_++ % stride_ != 0) return;
    CAPTURE(graph.edges);
    CAPTURE(graph.held);
    INFO(text_of(steps_, kNodes));
    slices_ = world_.run(graph, steps_);
    if (slices_ == 0) FAIL("a live object is gone, or garbage is kept");
    ++run_;
    steps_run_ += steps_.size();
  }

  World<kNodes> world_;
  const std::size_t most_steps_, stride_;
  Steps steps_;
  std::size_t turn_ = 0, run_ = 0, steps_run_ = 0;
  unsigned slices_ = 1;  // of the last cycle: about as many as the next one takes
};

unsigned every(unsigned stride) { return scaled(100) < 100 ? 97 * stride : stride; }

template <unsigned kNodes>
std::vector<Graph<kNodes>> every_graph() {
  std::vector<Graph<kNodes>> graphs;
  for (unsigned edges = 0; edges < 1u << Graph<kNodes>::kEdges; ++edges) {
    for (unsigned roots = 0; roots <= Graph<kNodes>::kAllNodes; ++roots) {
      graphs.push_back({edges, roots});
    }
  }
  return graphs;
}

template <unsigned kNodes, class Condition>
std::vector<Graph<kNodes>> those(const std::vector<Graph<kNodes>> &graphs, Condition condition) {
  std::vector<Graph<kNodes>> some;
  std::copy_if(graphs.begin(), graphs.end(), std::back_inserter(some), condition);
  return some;
}

// One of each kind of four nodes with its roots: any other is one of these by other names.
std::vector<Graph<4>> every_kind_of_four() {
  return those(every_graph<4>(), [](const Graph<4> &graph) { return graph.is_first_of_kind(); });
}

std::vector<Graph<4>> without_loops(const std::vector<Graph<4>> &graphs) {
  return those(graphs, [](const Graph<4> &graph) { return !graph.has_loop(); });
}

}  // namespace

TEST_CASE("no mutation between two slices hides a live object, or keeps what was garbage") {
  const std::vector<Graph<3>> graphs = every_graph<3>();
  Cases<3>("torture=slice:80", 1, every(1)).check(graphs);
  Cases<3>("torture=slice:9", 1, every(97)).check(graphs);
  Cases<3>("debug=1,torture=slice:20", 1, every(97)).check(graphs);
  Cases<3>("torture=slice:200", 2, every(67)).check(graphs);
  Cases<3>("torture=slice:40", 2, every(1499)).check(graphs);
}

TEST_CASE("nor does one, nor do two in a graph of four nodes") {
  const std::vector<Graph<4>> graphs = every_kind_of_four();
  Cases<4>("torture=slice:80", 1, every(61)).check(graphs);
  Cases<4>("torture=slice:9", 1, every(499)).check(graphs);
  Cases<4>("torture=slice:200", 2, every(2999)).check(graphs);
  Cases<4>("torture=slice:200", 2, every(97)).check(without_loops(graphs));
}

// What those are a sample of, nearly 600 million cycles: two hours, where --no-skip asks for it.
TEST_CASE("nor any one or two, whole" * doctest::skip()) {
  Cases<3>("torture=slice:40", 1, 1).check(every_graph<3>());
  Cases<3>("torture=slice:200", 2, 1).check(every_graph<3>());
  const std::vector<Graph<4>> graphs = every_kind_of_four();
  Cases<4>("torture=slice:80", 1, 1).check(graphs);
  Cases<4>("torture=slice:200", 2, 1).check(graphs);
}

TEST_CASE("counts go on past a byte and past two, in slices too") {
  for (std::size_t many : {255u, 256u, 257u, 65535u, 65536u}) {
    for (bool from_outside : {false, true}) {
      CAPTURE(many);
      CAPTURE(from_outside);
      Host host("torture=slice:500");
      Cycles cycles(host);
      Pair *hub = host.pair();
      List *list = host.list();
      host.set(hub->left, list);
      for (std::size_t i = 0; i < many; ++i) host.push(list, box(hub));
      for (std::size_t i = 0; from_outside && i < many; ++i) host.hold(hub);
      host.drop(list);
      run_cycle(host, cycles);
      const std::size_t bytes = host.bytes();
      if (from_outside) {
        host.drop(hub);  // `many` references are left
        for (std::size_t i = 1; i < many; ++i) host.drop(hub);
        run_cycle(host, cycles);
        CHECK(host.bytes() == bytes);  // held by the last
        CHECK(hub->left == as_object(list));
      }
      host.drop(hub);
      run_cycle(host, cycles);
      CHECK(host.bytes() == 0);
    }
  }
}
