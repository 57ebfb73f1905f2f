// The collector against a shadow graph. A world makes random objects of ten layouts, links and
// unlinks them, and knows from its own record what is reachable. Nothing reachable may ever be
// freed; after a full collection nothing unreachable may be left.
//
// A failing seed is printed; LOAM_TEST_SEED=n replays it alone.
#include <doctest/doctest.h>

#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "../support/host.h"
#include "graph_layouts.h"

namespace {

using namespace loam::test;
using namespace loam::test::graph;

constexpr std::size_t kNobody = SIZE_MAX;

// ── The shadow ──

struct Node {
  Kind kind;
  loam_object *object;
  std::vector<std::size_t> edges;  // ids; kNobody where the slot is empty
  bool disposed = false, finalized = false, immortal = false, reachable = false;
};

struct WeakRecord {
  loam_weak *weak;
  std::size_t target, owner;  // ids; owner may be kNobody
  bool with_callback;
  unsigned calls = 0;
};

class World {
 public:
  World(std::uint64_t seed, const Plan &plan);
  World(const World &) = delete;
  World &operator=(const World &) = delete;

  // Runs the plan, destroys the runtime, and returns what went wrong, or "". After a failure the
  // heap may be damaged: it is left as it is.
  std::string run();

 private:
  static World &of(loam_thread *thread) {
    return *static_cast<World *>(loam_thread_context(thread));
  }
  static void finalize(loam_thread *thread, loam_object *self) { of(thread).on_finalize(self); }
  static void dispose(loam_thread *thread, loam_object *self) { of(thread).on_dispose(self); }
  static void weak_called(loam_thread *thread, loam_weak *weak, void *context) {
    of(thread).on_weak(weak, static_cast<WeakRecord *>(context));
  }
  static void take_message(void *context, const char *message) {
    static_cast<World *>(context)->fail(message);
  }
  static void take_fatal(void *context, const char *message) {
    std::fprintf(stderr, "graph test: seed %llu\n",
                 static_cast<unsigned long long>(static_cast<World *>(context)->seed_));
    on_fatal(nullptr, message);
  }

  void register_layout(Kind kind);
  void fail(const std::string &what) {
    if (failure_.empty()) failure_ = what;
  }
  void expect(bool holds, const char *what) {
    if (!holds) fail(what);
  }

  // Operations.
  void step();
  void make();
  void link();
  void unlink();
  void exchange();
  void drop_root();
  void add_root();
  void weak_operation();
  void create_weak();
  void read_weak(WeakRecord &record);
  void try_upgrade();
  void collect_something();
  void write(std::size_t source, std::size_t slot, std::size_t target);
  std::size_t pick();  // a random reachable node, or kNobody

  // Called back.
  void on_finalize(loam_object *self);
  void on_dispose(loam_object *self);
  void on_weak(loam_weak *weak, WeakRecord *record);

  // Checks.
  void mark_reachable();
  void check_sound();
  void check_complete();
  void check_slots(const Node &node);
  void check_weaks();
  void full_collection();
  std::uint64_t callbacks_run();
  void finish();

  std::uint64_t seed_;
  Plan plan_;
  Random random_;
  loam_runtime *runtime_ = nullptr;
  loam_thread *thread_ = nullptr;
  loam_type *types_[kKinds] = {};
  std::vector<Node> nodes_;
  std::vector<std::size_t> roots_;  // one entry per reference that the world holds
  std::vector<std::unique_ptr<WeakRecord>> weaks_;
  std::size_t finalizers_run_ = 0, immortals_ = 0;
  bool frozen_ = false, ending_ = false;
  std::string failure_;
};

World::World(std::uint64_t seed, const Plan &plan) : seed_(seed), plan_(plan), random_(seed) {
  loam_options options = options_from(plan.options);
  options.context = this;
  options.message = take_message;
  options.fatal = take_fatal;
  REQUIRE(loam_runtime_create(&options, &runtime_) == LOAM_OK);
  thread_ = loam_runtime_main_thread(runtime_);
  for (unsigned kind = 0; kind < kKinds; ++kind) register_layout(static_cast<Kind>(kind));
}

void World::register_layout(Kind kind) {
  loam_type_spec spec = spec_of_kind(kind);
  if (kLayouts[kind].finalized) spec.finalize = finalize;
  spec.dispose = dispose;
  REQUIRE(loam_type_register(runtime_, &spec, &types_[kind]) == LOAM_OK);
}

// ── Operations ──

std::string World::run() {
  for (std::size_t i = 0; i < plan_.operations && failure_.empty(); ++i) {
    step();
    if (plan_.safepoints) loam_safepoint(thread_);
  }
  if (failure_.empty()) finish();
  return failure_;
}

void World::step() {
  std::size_t dice = random_.below(100);
  bool growing = roots_.size() < plan_.live_target;
  if (dice < (growing ? 35u : 20u)) {
    make();
  } else if (dice < 58) {
    link();
  } else if (dice < 62) {
    exchange();
  } else if (dice < 70) {
    unlink();
  } else if (dice < (growing ? 78u : 88u)) {
    drop_root();
  } else if (dice < 90) {
    add_root();
  } else if (dice < 96) {
    weak_operation();
  } else if (dice < 97) {
    try_upgrade();
  } else if (random_.below(plan_.collect_one_in) == 0) {
    collect_something();
  } else {
    loam_safepoint(thread_);
  }
}

void World::make() {
  auto kind = static_cast<Kind>(random_.below(kKinds));
  if (!plan_.finalizers && kLayouts[kind].finalized) kind = kTriple;
  auto *object = static_cast<loam_object *>(loam_new(thread_, types_[kind]));
  if (object == nullptr) return fail("loam_new failed");
  std::size_t slots = kLayouts[kind].slots;
  if (kind == kArray) {
    auto *array = reinterpret_cast<Array *>(object);
    array->items = static_cast<std::uint64_t *>(loam_calloc(thread_, slots, sizeof(std::uint64_t)));
    if (array->items == nullptr) return fail("loam_calloc failed");
    array->length = slots;
  } else if (!kLayouts[kind].tagged) {
    for (std::size_t i = 0; i < slots; ++i) expect(refs_of(object)[i] == nullptr, "dirty payload");
  }
  std::size_t id = nodes_.size();
  reinterpret_cast<Stamped *>(object)->stamp = stamp_of(id);
  Node node = {kind, object, std::vector<std::size_t>(slots, kNobody)};
  nodes_.push_back(std::move(node));
  roots_.push_back(id);
}

// A walk from a root by random edges, so that deep nodes are picked too.
std::size_t World::pick() {
  if (roots_.empty()) return kNobody;
  std::size_t id = roots_[random_.below(roots_.size())];
  for (std::size_t steps = random_.below(6); steps > 0; --steps) {
    const std::vector<std::size_t> &edges = nodes_[id].edges;
    if (edges.empty()) break;
    std::size_t next = edges[random_.below(edges.size())];
    if (next == kNobody) break;
    id = next;
  }
  if (nodes_[id].disposed) {
    fail("a reachable object was freed");
    return kNobody;
  }
  expect(stamp_in(nodes_[id].object) == stamp_of(id), "damaged payload");
  return id;
}

// The shadow changes first: dropping the old target may run host code, which must find it so.
void World::write(std::size_t source, std::size_t slot, std::size_t target) {
  Kind kind = nodes_[source].kind;
  loam_object *object = nodes_[source].object;
  loam_object *value = target == kNobody ? nullptr : nodes_[target].object;
  nodes_[source].edges[slot] = target;
  if (kLayouts[kind].tagged) {
    std::uint64_t word = value != nullptr ? box(value) : number(random_.next());
    set_word(thread_, words_of(kind, object)[slot], word);
  } else {
    set(thread_, refs_of(object)[slot], value);
  }
}

void World::link() {
  std::size_t source = pick(), target = pick();
  if (source == kNobody || target == kNobody || nodes_[source].edges.empty()) return;
  if (nodes_[source].kind == kAcyclic && nodes_[target].kind != kLeaf) return;
  write(source, random_.below(nodes_[source].edges.size()), target);
}

void World::unlink() {
  std::size_t source = pick();
  if (source == kNobody || nodes_[source].edges.empty()) return;
  write(source, random_.below(nodes_[source].edges.size()), kNobody);
}

// Two references change places without touching a count.
void World::exchange() {
  std::size_t ids[2] = {pick(), pick()};
  std::size_t slots[2];
  for (int i = 0; i < 2; ++i) {
    if (ids[i] == kNobody || nodes_[ids[i]].edges.empty()) return;
    if (nodes_[ids[i]].kind == kAcyclic) return;
    slots[i] = random_.below(nodes_[ids[i]].edges.size());
  }
  std::swap(nodes_[ids[0]].edges[slots[0]], nodes_[ids[1]].edges[slots[1]]);
  for (int i = 0; i < 2; ++i) {
    Node &node = nodes_[ids[i]];
    std::size_t target = node.edges[slots[i]];
    loam_object *value = target == kNobody ? nullptr : nodes_[target].object;
    if (kLayouts[node.kind].tagged) {
      words_of(node.kind, node.object)[slots[i]] = box(value);
    } else {
      refs_of(node.object)[slots[i]] = value;
    }
  }
}

void World::drop_root() {
  if (roots_.empty()) return;
  std::size_t index = random_.below(roots_.size());
  std::size_t id = roots_[index];
  roots_[index] = roots_.back();
  roots_.pop_back();
  loam_decref(thread_, nodes_[id].object);
}

void World::add_root() {
  std::size_t id = pick();
  if (id == kNobody) return;
  if (immortals_ < 2 && random_.below(200) == 0) {
    loam_immortalize(thread_, nodes_[id].object);
    nodes_[id].immortal = true;
    ++immortals_;
  }
  loam_incref(thread_, nodes_[id].object);
  roots_.push_back(id);
}

void World::weak_operation() {
  if (weaks_.empty() || random_.below(3) == 0) return create_weak();
  std::size_t index = random_.below(weaks_.size());
  if (random_.below(4) != 0) return read_weak(*weaks_[index]);
  loam_weak_destroy(thread_, weaks_[index]->weak);
  weaks_[index]->weak = nullptr;
}

void World::create_weak() {
  std::size_t target = pick(), owner = random_.below(2) == 0 ? pick() : kNobody;
  if (target == kNobody) return;
  auto record =
      std::make_unique<WeakRecord>(WeakRecord{nullptr, target, owner, random_.below(2) == 0});
  loam_object *owner_object = owner == kNobody ? nullptr : nodes_[owner].object;
  loam_status status =
      loam_weak_create(thread_, nodes_[target].object, owner_object,
                       record->with_callback ? weak_called : nullptr, record.get(), &record->weak);
  expect(status == LOAM_OK, "loam_weak_create failed");
  weaks_.push_back(std::move(record));
}

void World::read_weak(WeakRecord &record) {
  if (record.weak == nullptr) return;
  loam_object *object = loam_weak_get(thread_, record.weak);
  if (object == nullptr) {
    // Reachable once more after its references were emptied: only a finalizer can bring that about.
    if (plan_.finalizers) return;
    mark_reachable();
    expect(!nodes_[record.target].reachable, "a weak reference to a live object is empty");
    return;
  }
  expect(!nodes_[record.target].disposed, "a weak reference gave a dead object");
  expect(object == nodes_[record.target].object, "a weak reference gave another object");
  roots_.push_back(record.target);
}

// As a table of interned strings would: by a pointer that nothing counts.
void World::try_upgrade() {
  if (nodes_.empty()) return;
  std::size_t id = random_.below(nodes_.size());
  if (nodes_[id].disposed) return;
  if (loam_try_incref(thread_, nodes_[id].object)) {
    roots_.push_back(id);
    return;
  }
  mark_reachable();
  expect(!nodes_[id].reachable, "loam_try_incref refused a live object");
}

void World::collect_something() {
  std::size_t dice = random_.below(20);
  if (dice < 8) {
    loam_collect_young(thread_);
    check_sound();
  } else if (dice < 16) {
    full_collection();
  } else if (dice < 17) {
    loam_freeze(thread_);
    frozen_ = true;
  } else if (dice < 18) {
    loam_unfreeze(thread_);
    frozen_ = false;
  } else if (dice < 19) {
    loam_collect_request(runtime_);
  } else {
    loam_trim(thread_);
  }
}

// ── Called back ──

void World::on_finalize(loam_object *self) {
  std::size_t id = id_of(self);
  Node &node = nodes_[id];
  expect(!node.finalized, "finalized twice");
  expect(!node.disposed, "finalized after dispose");
  node.finalized = true;
  ++finalizers_run_;
  for (std::size_t edge : node.edges) {
    if (edge != kNobody) expect(!nodes_[edge].disposed, "a finalizer saw a freed neighbour");
  }
  check_slots(node);
  if (ending_) return;
  switch (random_.below(8)) {
    case 0:  // saves itself
      loam_incref(thread_, self);
      roots_.push_back(id);
      break;
    case 1: {  // saves a neighbour
      std::size_t edge = node.edges[random_.below(node.edges.size())];
      if (edge == kNobody) break;
      loam_incref(thread_, nodes_[edge].object);
      roots_.push_back(edge);
      break;
    }
    case 2:  // breaks its own cycle
      write(id, random_.below(node.edges.size()), kNobody);
      break;
    case 3:  // makes what it then drops, or keeps
      make();
      if (random_.below(2) == 0) drop_root();
      break;
    case 4:
      loam_collect(thread_);
      break;
    case 5: {  // ties itself to the living, which saves nothing
      std::size_t target = pick();
      if (target != kNobody) write(id, random_.below(node.edges.size()), target);
      break;
    }
    default:
      break;
  }
}

void World::on_dispose(loam_object *self) {
  std::size_t id = id_of(self);
  if (id >= nodes_.size() || stamp_in(self) != stamp_of(id)) {
    return fail("dispose saw a damaged payload");
  }
  Node &node = nodes_[id];
  expect(node.object == self, "dispose saw a moved object");
  expect(!node.disposed, "disposed twice");
  expect(!node.immortal || ending_, "an immortal object was disposed");
  expect(node.finalized || !kLayouts[node.kind].finalized, "disposed, but not finalized");
  node.disposed = true;
  if (node.kind == kArray) loam_free(thread_, reinterpret_cast<Array *>(self)->items);
}

void World::on_weak(loam_weak *weak, WeakRecord *record) {
  expect(weak == record->weak, "a callback for a destroyed weak reference");
  expect(++record->calls == 1, "a weak callback came twice");
  expect(loam_weak_get(thread_, weak) == nullptr, "a callback before its reference was empty");
  if (record->owner != kNobody) {
    expect(!nodes_[record->owner].disposed, "a callback after its owner's death");
  }
  if (ending_) return;
  WeakRecord &other = *weaks_[random_.below(weaks_.size())];
  read_weak(other);
  if (random_.below(4) == 0) make();
}

// ── Checks ──

void World::mark_reachable() {
  std::vector<std::size_t> work;
  for (Node &node : nodes_) node.reachable = false;
  auto reach = [&](std::size_t id) {
    if (id == kNobody || nodes_[id].reachable) return;
    nodes_[id].reachable = true;
    work.push_back(id);
  };
  for (std::size_t id : roots_) reach(id);
  for (std::size_t id = 0; id < nodes_.size(); ++id) {
    if (nodes_[id].immortal) reach(id);
  }
  while (!work.empty()) {
    std::size_t id = work.back();
    work.pop_back();
    for (std::size_t edge : nodes_[id].edges) reach(edge);
  }
}

void World::check_slots(const Node &node) {
  for (std::size_t i = 0; i < node.edges.size(); ++i) {
    loam_object *held = slot_of(node.kind, node.object, i);
    loam_object *known = node.edges[i] == kNobody ? nullptr : nodes_[node.edges[i]].object;
    expect(held == known, "a field changed");
  }
}

void World::check_sound() {
  mark_reachable();
  for (std::size_t id = 0; id < nodes_.size(); ++id) {
    const Node &node = nodes_[id];
    if (!node.reachable) continue;
    if (node.disposed) return fail("a reachable object was freed");
    if (stamp_in(node.object) != stamp_of(id)) return fail("damaged payload");
    check_slots(node);
  }
}

void World::check_complete() {
  check_sound();
  if (frozen_) return;
  for (const Node &node : nodes_) {
    if (!node.reachable && !node.disposed) return fail("an unreachable object was left");
  }
}

void World::check_weaks() {
  for (const auto &record : weaks_) {
    if (record->weak == nullptr || plan_.finalizers) continue;
    bool dead = nodes_[record->target].disposed;
    bool due = dead && record->with_callback;
    // An owner that is reachable now was never condemned: no finalizer saves anything here.
    bool owned = record->owner != kNobody;
    bool sure = !owned || nodes_[record->owner].reachable;
    if (sure) expect(record->calls == (due ? 1u : 0u), "a weak callback is missing or too much");
  }
}

std::uint64_t World::callbacks_run() {
  loam_stats stats = {};
  stats.struct_size = sizeof stats;
  expect(loam_stats_get(runtime_, &stats) == LOAM_OK, "loam_stats_get failed");
  return finalizers_run_ + stats.weak_callbacks_run;
}

// One collection frees everything, unless host code ran meanwhile, which may make garbage.
void World::full_collection() {
  std::uint64_t before;
  do {
    before = callbacks_run();
    loam_collect(thread_);
    loam_safepoint(thread_);
    check_sound();
  } while (failure_.empty() && callbacks_run() != before);
  if (!failure_.empty()) return;
  check_complete();
  check_weaks();
  expect(loam_verify(runtime_, 2) == LOAM_OK, "loam_verify found something");
}

// Everything goes but the immortal, and that with the runtime.
void World::finish() {
  full_collection();
  ending_ = true;
  loam_unfreeze(thread_);
  frozen_ = false;
  while (!roots_.empty() && failure_.empty()) drop_root();
  if (failure_.empty()) full_collection();
  if (!failure_.empty()) return;
  for (auto &record : weaks_) loam_weak_destroy(thread_, record->weak);
  weaks_.clear();
  loam_runtime_destroy(runtime_);
  runtime_ = nullptr;
  for (const Node &node : nodes_) expect(node.disposed, "destroyed without dispose");
}

// ── Seeds ──

void run_seeds(std::size_t count, std::uint64_t first, const Plan &plan) {
  std::uint64_t replay = seed_or(0);
  if (replay != 0) {
    first = replay;
    count = 1;
  }
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    INFO("replay with LOAM_TEST_SEED=", seed);
    CAPTURE(plan.options);
    REQUIRE(World(seed, plan).run() == "");
  }
}

}  // namespace

TEST_CASE("small random graphs agree with their shadow") {
  run_seeds(scaled(3000), 1, {"", 300, 12, false, 2});
  run_seeds(scaled(3000), 100001, {"", 300, 12, true, 2});
}

TEST_CASE("small random graphs agree with their shadow when collected all the time") {
  run_seeds(scaled(300), 200001, {"torture=collect_every:1+verify:1", 200, 10, true, 2});
  run_seeds(scaled(300), 300001, {"torture=collect_every:7", 300, 12, false, 2});
  run_seeds(scaled(300), 400001, {"young_threshold=64,full_minimum=64K", 1000, 60, true, 8});
}

TEST_CASE("small random graphs agree with their shadow in debug mode and under torture") {
  run_seeds(scaled(300), 500001, {"debug=1", 300, 12, true, 2});
  run_seeds(scaled(300), 600001, {"torture=random_slots:1+poison:1+seed:7", 300, 12, true, 2});
  run_seeds(scaled(300), 700001, {"torture=never_reuse:1", 300, 12, false, 2});
  run_seeds(scaled(100), 800001,
            {"debug=1,torture=collect_every:3+random_slots:1", 200, 10, true, 2});
}

TEST_CASE("small random graphs agree with their shadow when collected at safepoints only") {
  run_seeds(scaled(300), 900001, {"collect_at=safepoint,young_threshold=64", 1000, 60, true, 4});
}

TEST_CASE("small random graphs agree with their shadow when the dead are freed few at a time") {
  run_seeds(scaled(300), 1300001, {"cascade_budget=1", 300, 12, true, 2});
  run_seeds(scaled(300), 1400001, {"cascade_budget=1", 300, 12, false, 2});
  run_seeds(scaled(300), 1500001, {"cascade_budget=2,young_threshold=64", 1000, 60, true, 8});
  run_seeds(scaled(300), 1600001, {"cascade_budget=3,collect_at=safepoint", 1000, 60, true, 4});
  run_seeds(scaled(100), 1700001,
            {"debug=1,cascade_budget=1,torture=collect_every:7+random_slots:1", 200, 10, true, 2});
}

TEST_CASE("small random graphs agree with their shadow when collected in slices") {
  for (const char *slice :
       {"torture=slice:1", "torture=slice:7", "torture=slice:200",
        "young_threshold=64,torture=slice:40", "torture=slice:50+random_slots:1+poison:1",
        "debug=1,torture=slice:30", "cascade_budget=2,torture=slice:60"}) {
    run_seeds(scaled(50), 2000001, {slice, 600, 12, true, 8, true});
    run_seeds(scaled(50), 2100001, {slice, 600, 40, false, 8, true});
  }
  run_seeds(scaled(20), 2200001, {"torture=slice:7+verify:1", 600, 12, true, 8, true});
}

TEST_CASE("random graphs of many slabs agree with their shadow when collected in slices") {
  run_seeds(scaled(3), 2300001, {"torture=slice:1000", 30000, 4000, false, 100, true});
  run_seeds(scaled(3), 2400001,
            {"young_threshold=64,cascade_budget=5,torture=slice:300", 30000, 4000, true, 100});
}

TEST_CASE("random graphs of many slabs agree with their shadow") {
  constexpr std::size_t kOperations = 30000;
  const char *options = "young_threshold=500,full_minimum=64K";
  run_seeds(scaled(20), 1000001, {options, kOperations, 4000, false, 20});
  run_seeds(scaled(20), 1100001, {options, kOperations, 4000, true, 20});
  run_seeds(scaled(10), 1800001,
            {"cascade_budget=5,young_threshold=500,full_minimum=64K", kOperations, 4000, true, 20});
  run_seeds(scaled(5), 1200001, {"debug=1,young_threshold=500", kOperations, 4000, true, 40});
}
