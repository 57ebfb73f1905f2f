// Allocations that fail: at every point once, in a window, from there on, and at random.
//
// A Scenario does one of everything that can fail. After each failure the status is the documented
// one, the heap is whole, and a retry works as soon as allocation does. The nth failure may also be
// absorbed, by an emergency collection or because it hit nothing, so that a search for the last n
// ends after a run of quiet ones.
#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "support/host.h"

namespace loam::test {
namespace {

constexpr std::uint64_t kQuietRuns = 40, kMostRuns = 5000;

std::string torture(std::uint64_t fail_at, std::uint64_t fail_count) {
  return "torture=fail_at:" + std::to_string(fail_at) + "+fail_count:" + std::to_string(fail_count);
}

class Scenario {
 public:
  // `attempts`: how often a step is tried. A window of n failures is passed in n + 1.
  Scenario(const std::string &options, std::uint64_t attempts) : attempts_(attempts) {
    loam_options parsed = options_from(options.c_str());
    parsed.context = this;
    parsed.fatal = on_fatal;
    runtime_ = reinterpret_cast<loam_runtime *>(this);
    loam_status status = loam_runtime_create(&parsed, &runtime_);
    if (status == LOAM_OK) {
      thread_ = loam_runtime_main_thread(runtime_);
      return;
    }
    CHECK(status == LOAM_ENOMEM);
    CHECK(runtime_ == nullptr);
    ++failures_;
  }

  ~Scenario() { loam_runtime_destroy(runtime_); }
  Scenario(const Scenario &) = delete;
  Scenario &operator=(const Scenario &) = delete;

  // Returns how many failures the host saw.
  std::size_t run() {
    if (runtime_ == nullptr || !make_types()) return failures_;
    std::size_t baseline = loam_mem_alloc(runtime_);
    make_memory();
    make_objects();
    make_hints();
    take_down();
    CHECK(loam_mem_alloc(runtime_) == baseline);
    CHECK(loam_verify(runtime_, 2) == LOAM_OK);
    return failures_;
  }

 private:
  static constexpr std::size_t kRing = 12;

  loam_runtime *runtime_ = nullptr;
  loam_thread *thread_ = nullptr;
  std::uint64_t attempts_;
  std::size_t failures_ = 0, weak_calls_ = 0;
  loam_type *pair_ = nullptr, *private_ = nullptr, *list_ = nullptr, *sized_ = nullptr;
  std::vector<void *> blocks_;
  std::vector<Pair *> ring_;
  List *array_ = nullptr;
  Sized *large_ = nullptr;
  loam_weak *weak_ = nullptr;
  loam_roots *roots_ = nullptr;

  // Tries `step` until it returns true or the attempts are used up; the heap stays whole at each
  // failure.
  template <class Step>
  bool attempt(const char *what, Step step) {
    INFO("step: ", std::string(what));
    for (std::uint64_t i = 0; i < attempts_; ++i) {
      std::size_t bytes = loam_mem_alloc(runtime_);
      if (step()) return true;
      ++failures_;
      CHECK(loam_mem_alloc(runtime_) == bytes);
      CHECK(loam_verify(runtime_, 2) == LOAM_OK);
    }
    return false;
  }

  bool make_type(const loam_type_spec &spec, loam_type **out_type) {
    return attempt("loam_type_register", [&] {
      *out_type = reinterpret_cast<loam_type *>(this);
      loam_status status = loam_type_register(runtime_, &spec, out_type);
      if (status == LOAM_OK) return true;
      CHECK(status == LOAM_ENOMEM);
      CHECK(*out_type == nullptr);
      return false;
    });
  }

  bool make_types() {
    loam_type_spec own = pair_spec("private pair"), sized = spec_of("sized", 0);
    own.flags = LOAM_TYPE_PRIVATE_POOL;
    sized.trace = detail::trace_sized;
    return make_type(pair_spec("pair"), &pair_) && make_type(own, &private_) &&
           make_type(list_spec("list"), &list_) && make_type(sized, &sized_);
  }

  template <class Allocate>
  void *allocate(const char *what, Allocate call) {
    void *result = nullptr;
    attempt(what, [&] { return (result = call()) != nullptr; });
    return result;
  }

  void make_memory() {
    for (std::size_t size :
         {std::size_t{0}, std::size_t{40}, std::size_t{256}, std::size_t{5000}}) {
      void *block = allocate("loam_malloc", [&] { return loam_malloc(thread_, size); });
      if (block == nullptr) continue;
      std::memset(block, 0x33, size);
      void *grown =
          allocate("loam_realloc", [&] { return loam_realloc(thread_, block, 2 * size + 300); });
      unsigned char *bytes = static_cast<unsigned char *>(grown != nullptr ? grown : block);
      bool whole = true;
      for (std::size_t i = 0; i < size; ++i) whole = whole && bytes[i] == 0x33;
      CHECK(whole);
      blocks_.push_back(bytes);
    }
    blocks_.push_back(allocate("loam_calloc", [&] { return loam_calloc(thread_, 10, 10); }));
  }

  // A ring of pairs, held by its first one, and two larger containers.
  void make_objects() {
    for (std::size_t i = 0; i < kRing; ++i) {
      loam_type *type = i % 2 == 0 ? pair_ : private_;
      void *object = allocate("loam_new", [&] { return loam_new(thread_, type); });
      if (object == nullptr) continue;
      Pair *pair = static_cast<Pair *>(object);
      CHECK(pair->left == nullptr);
      CHECK(pair->right == nullptr);
      if (!ring_.empty()) set(thread_, pair->left, ring_.back());
      ring_.push_back(pair);
    }
    if (!ring_.empty()) set(thread_, ring_.front()->left, ring_.back());
    array_ = static_cast<List *>(allocate("loam_new", [&] { return loam_new(thread_, list_); }));
    for (std::size_t i = 0; array_ != nullptr && i < 100; ++i) {
      attempt("grow a list", [&] { return push(thread_, array_, box(array_)); });
    }
    large_ = static_cast<Sized *>(allocate(
        "loam_new_sized", [&] { return loam_new_sized(thread_, sized_, sized_bytes(100)); }));
    if (large_ == nullptr) return;
    large_->count = 100;
    set(thread_, large_->refs[99], large_);
  }

  static void on_weak(loam_thread *thread, loam_weak *weak, void *context) {
    CHECK(loam_weak_get(thread, weak) == nullptr);
    ++static_cast<Scenario *>(context)->weak_calls_;
  }

  void make_hints() {
    if (!ring_.empty()) {
      attempt("loam_weak_create", [&] {
        weak_ = reinterpret_cast<loam_weak *>(this);
        loam_status status =
            loam_weak_create(thread_, as_object(ring_.front()), nullptr, on_weak, this, &weak_);
        if (status == LOAM_OK) return true;
        CHECK(status == LOAM_ENOMEM);
        CHECK(weak_ == nullptr);
        return false;
      });
    }
    attempt("loam_roots_register", [&] {
      auto report = [](loam_visitor *visitor, void *context) {
        Scenario *self = static_cast<Scenario *>(context);
        for (Pair *pair : self->ring_) loam_visit(visitor, as_object(pair));
      };
      roots_ = nullptr;
      loam_status status = loam_roots_register(runtime_, report, this, &roots_);
      if (status == LOAM_OK) return true;
      CHECK(status == LOAM_ENOMEM);
      return false;
    });
  }

  // Nothing here may fail: frees, counts, collections and looking inside allocate nothing.
  void take_down() {
    loam_stats stats = {};
    CHECK(loam_stats_get(runtime_, &stats) == LOAM_OK);
    CHECK(loam_stats_types(
              runtime_, [](const loam_type_stats *, void *) {}, nullptr) == LOAM_OK);
    CHECK(loam_stats_pools(
              runtime_, [](const loam_pool_stats *, void *) {}, nullptr) == LOAM_OK);
    loam_freeze(thread_);
    loam_unfreeze(thread_);
    CHECK(loam_collect(thread_) == 0);
    if (roots_ != nullptr) loam_roots_unregister(runtime_, roots_);

    std::size_t garbage = ring_.size();
    for (Pair *pair : ring_) loam_decref(thread_, as_object(pair));
    ring_.clear();
    if (array_ != nullptr) {
      garbage += array_->length > 0;
      loam_decref(thread_, as_object(array_));
    }
    if (large_ != nullptr) {
      garbage += 1;
      loam_decref(thread_, as_object(large_));
    }
    CHECK(loam_collect(thread_) == garbage);
    CHECK(weak_calls_ == (weak_ != nullptr));
    loam_weak_destroy(thread_, weak_);
    for (void *block : blocks_) loam_free(thread_, block);
    loam_trim(thread_);
  }
};

// Runs the scenario with a failure at n = 1, 2, ... until failures no longer reach it.
void fail_at_every_point(std::uint64_t fail_count, std::uint64_t attempts, const char *mode) {
  std::uint64_t quiet = 0, n = 0;
  std::size_t failures = 0;
  while (quiet < kQuietRuns) {
    ++n;
    REQUIRE(n < kMostRuns);
    INFO("mode: ", std::string(mode), " fail_at: ", n, " fail_count: ", fail_count);
    Scenario scenario(torture(n, fail_count) + mode, attempts);
    std::size_t seen = scenario.run();
    if (fail_count > 0) REQUIRE(seen <= fail_count);
    quiet = seen == 0 ? quiet + 1 : 0;
    failures += seen;
  }
  // Its raw allocations alone: none of their failures can be absorbed.
  CHECK(failures >= 15);
}

TEST_CASE("the scenario works when nothing fails") {
  Scenario scenario("", 1);
  CHECK(scenario.run() == 0);
}

TEST_CASE("one allocation fails, at every point, and the retry works") {
  fail_at_every_point(1, 2, "");
  fail_at_every_point(1, 2, ",debug=1");
}

TEST_CASE("several allocations fail, from every point, and then the retry works") {
  fail_at_every_point(3, 4, "");
}

TEST_CASE("all allocations fail, from every point on, and what was made is taken down whole") {
  fail_at_every_point(0, 2, "");
}

TEST_CASE("a failure of every allocation from the first on leaves nothing to create or use") {
  Scenario scenario(torture(1, 0), 1);
  CHECK(scenario.run() > 0);
}

// A runtime that fails at random can fail to be created: the first seed from *seed on that
// succeeds.
loam_runtime *create_under_failures(const std::string &options, std::uint64_t *seed) {
  for (int tries = 0; tries < 10000; ++tries, ++*seed) {
    loam_options parsed = options_from((options + "+seed:" + std::to_string(*seed)).c_str());
    parsed.fatal = on_fatal;
    loam_runtime *runtime = nullptr;
    loam_status status = loam_runtime_create(&parsed, &runtime);
    if (status == LOAM_OK) return runtime;
    REQUIRE(status == LOAM_ENOMEM);
  }
  return nullptr;
}

// A graph under random failures: every pair that could be made takes the place of another.
void random_failures(std::uint64_t seed, const std::string &options) {
  loam_runtime *runtime = create_under_failures(options, &seed);
  REQUIRE(runtime != nullptr);
  loam_thread *thread = loam_runtime_main_thread(runtime);
  loam_type_spec spec = pair_spec("pair");
  loam_type *type = nullptr;
  while (loam_type_register(runtime, &spec, &type) == LOAM_ENOMEM) continue;
  REQUIRE(type != nullptr);
  std::size_t baseline = loam_mem_alloc(runtime);

  Random random(seed);
  std::array<Pair *, 64> pairs = {};
  std::array<loam_weak *, 16> weaks = {};
  std::size_t failures = 0;
  for (std::size_t i = 0; i < scaled(50000); ++i) {
    Pair *&slot = pairs[random.below(pairs.size())];
    void *fresh = loam_new(thread, type);
    failures += fresh == nullptr;
    if (fresh != nullptr) {
      loam_xdecref(thread, as_object(slot));
      slot = static_cast<Pair *>(fresh);
      set(thread, slot->right, slot);
    }
    if (slot != nullptr) set(thread, slot->left, pairs[random.below(pairs.size())]);
    loam_weak *&weak = weaks[random.below(weaks.size())];
    loam_weak_destroy(thread, weak);
    weak = nullptr;
    if (slot != nullptr) {
      failures += loam_weak_create(thread, as_object(slot), nullptr, nullptr, nullptr, &weak) ==
                  LOAM_ENOMEM;
    }
    if (i % 1000 == 0) REQUIRE(loam_verify(runtime, 2) == LOAM_OK);
  }
  // One in seven fails; an emergency collection may absorb the failure of a loam_new.
  CHECK(failures > scaled(50000) / 200);
  for (loam_weak *weak : weaks) loam_weak_destroy(thread, weak);
  for (Pair *pair : pairs) loam_xdecref(thread, as_object(pair));
  loam_collect(thread);
  CHECK(loam_mem_alloc(runtime) == baseline);
  CHECK(loam_verify(runtime, 2) == LOAM_OK);
  loam_runtime_destroy(runtime);
}

}  // namespace

TEST_CASE("a graph survives random failures") {
  std::uint64_t seed = seed_or(20240613);
  INFO("LOAM_TEST_SEED=", seed);
  random_failures(seed, "torture=fail_one_in:7");
  random_failures(seed + 1, "torture=fail_one_in:7+collect_every:50+verify+random_slots");
}

TEST_CASE("failures chosen by a seed replay") {
  std::vector<bool> runs[2];
  for (std::vector<bool> &run : runs) {
    std::uint64_t seed = 42;
    loam_runtime *runtime = create_under_failures("torture=fail_one_in:5", &seed);
    REQUIRE(runtime != nullptr);
    loam_thread *thread = loam_runtime_main_thread(runtime);
    for (int i = 0; i < 1000; ++i) run.push_back(loam_malloc(thread, 64) == nullptr);
    loam_runtime_destroy(runtime);
  }
  CHECK(runs[0] == runs[1]);
  auto failed = std::count(runs[0].begin(), runs[0].end(), true);
  CHECK(failed > 100);
  CHECK(failed < 350);
}

TEST_CASE("fail_count 0 fails everything from fail_at on") {
  Host host("torture=fail_at:1000");
  std::vector<void *> blocks;
  for (void *block; (block = loam_malloc(host.thread, 64)) != nullptr;) blocks.push_back(block);
  CHECK(blocks.size() < 1000);
  for (int i = 0; i < 100; ++i) CHECK(loam_malloc(host.thread, 64) == nullptr);
  CHECK(loam_new(host.thread, host.types.pair) == nullptr);
  for (void *block : blocks) loam_free(host.thread, block);
}

}  // namespace loam::test
