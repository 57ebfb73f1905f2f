// Every directed graph of three nodes, and every one of four without loops, collected in slices,
// with every small mutation of what is live between any two slices, and some pairs of them.
// Whatever happens in between, nothing live is condemned, and what was garbage at the start of the
// cycle is gone at its end.
#include <doctest/doctest.h>

#include <cstdint>

#include "../support/cycles.h"

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

// kNothing; a reference is taken into a variable, into an object born meanwhile, or into another
// live object, and no count is touched; a reference is dropped.
enum Mutation : unsigned { kNothing, kToVariable, kToNewborn, kToOther, kDropped, kMutations };

struct Step {
  Mutation mutation;
  unsigned after;  // so many slices
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
  unsigned run(unsigned edges, unsigned roots, const Step (&steps)[kSteps]) {
    build(edges);
    for (unsigned i = 0; i < kNodes; ++i) {
      if ((roots >> i & 1) == 0) host_.drop(vertices_[i]);
    }
    const unsigned garbage = kAllNodes & ~reached(edges, roots);
    for (unsigned starts = starts_; starts_ == starts;) loam_safepoint(host_.thread);
    const unsigned ends = ends_;
    unsigned slices = 0, held = roots;
    do {
      for (unsigned step = 0; step < kSteps; ++step) {
        if (slices == steps[step].after) mutate(step, steps[step].mutation, &edges, roots, &held);
      }
      ++slices;
      loam_safepoint(host_.thread);
    } while (ends_ == ends);
    const unsigned kept = reached(edges, held);
    const bool right = (disposed & garbage) == garbage && (disposed & kept) == 0;
    for (unsigned i = 0; i < kNodes; ++i) {
      if ((roots >> i & 1) != 0) host_.drop(vertices_[i]);
    }
    for (loam_object *&variable : variables_) host_.set(variable, nullptr);
    loam_collect(host_.thread);
    const bool clean = host_.bytes() == 0 && (disposed & kAllNodes) == kAllNodes;
    return right && clean ? slices : 0;
  }

  bool verify() { return host_.verify(); }

 private:
  static constexpr unsigned kAllNodes = (1u << kNodes) - 1;

  static bool edge(unsigned edges, unsigned from, unsigned to) {
    return (edges >> (from * kNodes + to) & 1) != 0;
  }
  static unsigned reached(unsigned edges, unsigned seen) {
    for (unsigned round = 0; round < kNodes; ++round) {
      for (unsigned bit = 0; bit < kNodes * kNodes; ++bit) {
        if ((edges >> bit & 1) != 0 && (seen >> bit / kNodes & 1) != 0) seen |= 1u << bit % kNodes;
      }
    }
    return seen;
  }

  void build(unsigned edges) {
    for (unsigned i = 0; i < kNodes; ++i) {
      vertices_[i] = host_.make<Vertex>(type_);
      vertices_[i]->index = i;
    }
    for (unsigned from = 0; from < kNodes; ++from) {
      for (unsigned to = 0; to < kNodes; ++to) {
        if (edge(edges, from, to)) host_.set(vertices_[from]->refs[to], vertices_[to]);
      }
    }
    disposed = 0;
  }

  // The last edge between live nodes is moved or dropped: it is none of `edges` then. What it leads
  // to is `held` where it was moved.
  void mutate(unsigned step, Mutation mutation, unsigned *edges, unsigned roots, unsigned *held) {
    const unsigned live = reached(*edges, *held);
    unsigned bit = kNodes * kNodes;
    while (bit-- > 0) {
      if ((*edges >> bit & 1) != 0 && (live >> bit / kNodes & 1) != 0) break;
    }
    if (bit >= kNodes * kNodes || mutation == kNothing) return;
    loam_object *&field = vertices_[bit / kNodes]->refs[bit % kNodes];
    *edges &= ~(1u << bit);
    if (mutation == kDropped) {
      host_.set(field, nullptr);
      return;
    }
    *held |= 1u << bit % kNodes;
    Vertex *other = nullptr;
    if (mutation == kToNewborn) {
      other = host_.make<Vertex>(type_);
      other->index = kMaxNodes;
      variables_[step] = as_object(other);
    }
    for (unsigned i = 0; mutation == kToOther && i < kNodes; ++i) {
      if ((roots >> i & 1) != 0) other = vertices_[i];
    }
    (other != nullptr ? other->refs[kMaxNodes + step] : variables_[step]) = field;
    field = nullptr;
  }

  Host host_;
  loam_type *type_ = nullptr;
  Vertex *vertices_[kNodes] = {};
  loam_object *variables_[kSteps] = {};
  unsigned starts_ = 0, ends_ = 0;
};

// Whether a node of the graph refers to itself.
template <unsigned kNodes>
bool has_loop(unsigned edges) {
  for (unsigned i = 0; i < kNodes; ++i) {
    if ((edges >> (i * kNodes + i) & 1) != 0) return true;
  }
  return false;
}

// Of so many steps, each no earlier than the one before: every `stride`th case.
template <unsigned kNodes>
class Cases {
 public:
  Cases(const char *options, unsigned most_steps, unsigned stride)
      : world_(options), most_steps_(most_steps), stride_(stride) {}

  void check_all() {
    for (unsigned edges = 0; edges < 1u << (kNodes * kNodes); ++edges) {
      if (kNodes == kMaxNodes && has_loop<kNodes>(edges)) continue;
      for (unsigned roots = 0; roots < 1u << kNodes; ++roots) {
        Step steps[kSteps] = {};
        check_steps(edges, roots, steps, 0);
      }
    }
    CHECK(world_.verify());
  }

 private:
  void check_steps(unsigned edges, unsigned roots, Step (&steps)[kSteps], unsigned step) {
    if (step >= most_steps_) return check(edges, roots, steps);
    const unsigned first = step > 0 ? steps[step - 1].after : 0;
    for (unsigned mutation = 0; mutation < kMutations; ++mutation) {
      for (unsigned after = first; after == first || after < slices_; ++after) {
        steps[step] = {static_cast<Mutation>(mutation), after};
        check_steps(edges, roots, steps, mutation == kNothing ? most_steps_ : step + 1);
        if (mutation == kNothing) break;
      }
    }
    steps[step] = {};
  }

  void check(unsigned edges, unsigned roots, const Step (&steps)[kSteps]) {
    if (turn_++ % stride_ != 0) return;
    CAPTURE(edges);
    CAPTURE(roots);
    CAPTURE(steps[0].mutation);
    CAPTURE(steps[0].after);
    CAPTURE(steps[1].mutation);
    CAPTURE(steps[1].after);
    slices_ = world_.run(edges, roots, steps);
    REQUIRE(slices_ != 0);
  }

  World<kNodes> world_;
  const unsigned most_steps_, stride_;
  unsigned turn_ = 0, slices_ = 1;  // of the last cycle: about as many as the next one takes
};

unsigned every(unsigned stride) { return scaled(100) < 100 ? 97 * stride : stride; }

}  // namespace

TEST_CASE("no mutation between two slices hides a live object, or keeps what was garbage") {
  Cases<3>("torture=slice:40", 1, every(1)).check_all();
  Cases<3>("torture=slice:9", 1, every(23)).check_all();
  Cases<3>("debug=1,torture=slice:20", 1, every(97)).check_all();
}

TEST_CASE("nor does one in any graph of four nodes, at one slice or another") {
  Cases<4>("torture=slice:40", 1, every(61)).check_all();
  Cases<4>("torture=slice:9", 1, every(211)).check_all();
}

TEST_CASE("nor do two, in any order") {
  Cases<3>("torture=slice:40", 2, every(67)).check_all();
  Cases<4>("torture=slice:40", 2, every(1999)).check_all();
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
