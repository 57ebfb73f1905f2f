// The life of runtimes: creation, destruction, isolation, and what they leave behind.
#include <thread>

#include "support/host.h"
#include "support/resident.h"

namespace loam::test {
namespace {

loam_runtime *create(const loam_options *options) {
  loam_runtime *runtime = nullptr;
  REQUIRE(loam_runtime_create(options, &runtime) == LOAM_OK);
  return runtime;
}

// A runtime that does a little of everything and leaves some of it to its destruction.
bool short_life() {
  loam_runtime *runtime = nullptr;
  loam_options options = {};
  options.fatal = on_fatal;
  if (loam_runtime_create(&options, &runtime) != LOAM_OK) return false;
  loam_thread *thread = loam_runtime_main_thread(runtime);
  loam_type_spec spec = pair_spec("pair");
  loam_type *type = nullptr;
  bool ok = loam_type_register(runtime, &spec, &type) == LOAM_OK;
  for (int i = 0; ok && i < 100; ++i) {
    Pair *pair = static_cast<Pair *>(loam_new(thread, type));
    ok = pair != nullptr;
    if (!ok) break;
    set(thread, pair->left, pair);
    loam_weak *weak = nullptr;
    if (i % 2 == 0) {
      ok = loam_weak_create(thread, as_object(pair), nullptr, nullptr, nullptr, &weak) == LOAM_OK;
    }
    if (i % 3 == 0) loam_decref(thread, as_object(pair));
  }
  ok = ok && loam_malloc(thread, 100) != nullptr && loam_malloc(thread, 10000) != nullptr;
  ok = ok && loam_collect(thread) == 34;
  loam_runtime_destroy(runtime);
  return ok;
}

TEST_CASE("a runtime is created from no options at all") {
  loam_runtime *runtime = create(nullptr);
  loam_thread *thread = loam_runtime_main_thread(runtime);
  CHECK(loam_thread_runtime(thread) == runtime);
  CHECK(loam_thread_context(thread) == nullptr);
  CHECK(loam_verify(runtime, 2) == LOAM_OK);
  loam_runtime_destroy(runtime);
}

TEST_CASE("the context reaches the host through the thread") {
  Host host;
  CHECK(loam_thread_context(host.thread) == &host);
}

TEST_CASE("options are copied") {
  loam_options options = {};
  options.heap_limit = 8u << 20;
  loam_runtime *runtime = create(&options);
  options.heap_limit = 0;
  loam_stats stats = {};
  REQUIRE(loam_stats_get(runtime, &stats) == LOAM_OK);
  CHECK(stats.heap_limit == 8u << 20);
  loam_runtime_destroy(runtime);
}

TEST_CASE("another ABI is refused") {
  for (std::uint32_t abi : {0u, LOAM_ABI + 1, UINT32_MAX}) {
    loam_runtime *runtime = reinterpret_cast<loam_runtime *>(&abi);
    CHECK(loam_runtime_create_abi(abi, nullptr, &runtime) == LOAM_EABI);
    CHECK(runtime == nullptr);
  }
}

TEST_CASE("creation refuses a NULL out-parameter") {
  loam_options options = {};
  CHECK(loam_runtime_create(nullptr, nullptr) == LOAM_EINVAL);
  CHECK(loam_runtime_create(&options, nullptr) == LOAM_EINVAL);
}

TEST_CASE("destroying nothing does nothing") {
  loam_runtime_destroy(nullptr);
  CHECK(short_life());
}

TEST_CASE("calls that return a status refuse NULL handles and out-parameters") {
  Host host;
  Pair *pair = host.pair();
  loam_object *object = as_object(pair);
  loam_weak *const stale_weak = reinterpret_cast<loam_weak *>(&host);
  loam_weak *weak = stale_weak;
  CHECK(loam_weak_create(nullptr, object, nullptr, nullptr, nullptr, &weak) == LOAM_EINVAL);
  CHECK(weak == nullptr);
  weak = stale_weak;
  CHECK(loam_weak_create(host.thread, nullptr, nullptr, nullptr, nullptr, &weak) == LOAM_EINVAL);
  CHECK(weak == nullptr);
  CHECK(loam_weak_create(host.thread, object, nullptr, nullptr, nullptr, nullptr) == LOAM_EINVAL);

  loam_roots_fn report = [](loam_visitor *, void *) {};
  loam_roots *roots = reinterpret_cast<loam_roots *>(&host);
  CHECK(loam_roots_register(nullptr, report, nullptr, &roots) == LOAM_EINVAL);
  CHECK(loam_roots_register(host.runtime, nullptr, nullptr, &roots) == LOAM_EINVAL);
  CHECK(loam_roots_register(host.runtime, report, nullptr, nullptr) == LOAM_EINVAL);

  loam_stats stats = {};
  CHECK(loam_stats_get(nullptr, &stats) == LOAM_EINVAL);
  CHECK(loam_stats_get(host.runtime, nullptr) == LOAM_EINVAL);
  CHECK(loam_stats_types(
            nullptr, [](const loam_type_stats *, void *) {}, nullptr) == LOAM_EINVAL);
  CHECK(loam_stats_types(host.runtime, nullptr, nullptr) == LOAM_EINVAL);
  CHECK(loam_stats_pools(
            nullptr, [](const loam_pool_stats *, void *) {}, nullptr) == LOAM_EINVAL);
  CHECK(loam_stats_pools(host.runtime, nullptr, nullptr) == LOAM_EINVAL);
  CHECK(loam_verify(nullptr, 0) == LOAM_EINVAL);
  CHECK(loam_verify(host.runtime, 3) == LOAM_EINVAL);
  CHECK(host.stats().weak_references == 0);
  host.drop(pair);
}

TEST_CASE("destruction finalizes and disposes everything still alive, once") {
  std::size_t finalized = 0, disposed = 0;
  struct Counts {
    std::size_t *finalized, *disposed;
  } counts = {&finalized, &disposed};
  loam_options options = {};
  options.context = &counts;
  loam_runtime *runtime = create(&options);
  loam_thread *thread = loam_runtime_main_thread(runtime);
  TypeHooks hooks = {[](loam_thread *t, loam_object *) {
                       ++*static_cast<Counts *>(loam_thread_context(t))->finalized;
                     },
                     [](loam_thread *t, loam_object *) {
                       ++*static_cast<Counts *>(loam_thread_context(t))->disposed;
                     }};
  Types types = {};
  REQUIRE(register_types(runtime, hooks, &types) == LOAM_OK);
  for (int i = 0; i < 30; ++i) {
    Pair *pair = static_cast<Pair *>(loam_new(thread, types.finalized_pair));
    REQUIRE(pair != nullptr);
    if (i < 10) set(thread, pair->left, pair);
    if (i < 5) loam_decref(thread, as_object(pair));
    if (i == 29) loam_immortalize(thread, as_object(pair));
  }
  loam_runtime_destroy(runtime);
  CHECK(finalized == 30);
  CHECK(disposed == 30);
}

TEST_CASE("what is still alive is reported by type when asked for") {
  for (bool report : {false, true}) {
    std::vector<std::string> messages;
    loam_options options = {};
    options.report_leaks = report;
    options.context = &messages;
    options.message = [](void *context, const char *text) {
      static_cast<std::vector<std::string> *>(context)->emplace_back(text);
    };
    loam_runtime *runtime = create(&options);
    Types types = {};
    REQUIRE(register_types(runtime, {}, &types) == LOAM_OK);
    loam_thread *thread = loam_runtime_main_thread(runtime);
    for (int i = 0; i < 3; ++i) REQUIRE(loam_new(thread, types.triple) != nullptr);
    loam_runtime_destroy(runtime);
    bool named = false;
    for (const std::string &message : messages) {
      named = named || (contains(message, "triple") && contains(message, "3"));
      CHECK_FALSE(contains(message, "\n"));
    }
    CHECK(named == report);
  }
}

TEST_CASE("ten thousand runtimes come and go without growth") {
  for (std::size_t i = 0; i < scaled(200); ++i) REQUIRE(short_life());
  const std::ptrdiff_t resident = resident_bytes();
  const std::size_t addresses = address_bytes();
  for (std::size_t i = 0; i < scaled(10000); ++i) REQUIRE(short_life());
  if (instrumented()) return;
  // A page left behind by each would be 40 MiB; what an allocator underneath caches is far less.
  CHECK(resident_bytes() - resident < std::ptrdiff_t{4} << 20);
  CHECK(address_bytes() < addresses + (std::size_t{16} << 20));
}

TEST_CASE("a fresh runtime takes at most 256 KiB of memory") {
  if (instrumented()) return;
  REQUIRE(short_life());
  constexpr std::ptrdiff_t kRuntimes = 32;
  loam_runtime *runtimes[kRuntimes];
  const std::ptrdiff_t before = resident_bytes();
  for (loam_runtime *&runtime : runtimes) {
    runtime = create(nullptr);
    Types types = {};
    REQUIRE(register_types(runtime, {}, &types) == LOAM_OK);
    REQUIRE(loam_new(loam_runtime_main_thread(runtime), types.pair) != nullptr);
  }
  const std::ptrdiff_t growth = resident_bytes() - before;
  for (loam_runtime *runtime : runtimes) loam_runtime_destroy(runtime);
  CHECK(growth / kRuntimes <= 256 * 1024);
}

TEST_CASE("two runtimes never touch each other") {
  Host a("heap_limit=4M"), b;
  Pair *in_b = b.pair();
  b.leak_ring(10);
  std::size_t b_bytes = b.bytes();
  a.leak_ring(20);
  loam_external_add(a.thread, 3 << 20);
  CHECK(a.collect() == 20);
  CHECK(b.bytes() == b_bytes);
  CHECK(b.stats().freed_by_collector == 0);

  loam_heap_lock(a.thread);
  CHECK(loam_new(a.thread, a.types.pair) == nullptr);
  b.drop(b.pair());
  loam_heap_unlock(a.thread);

  void *beyond_a = loam_malloc(b.thread, 16 << 20);
  CHECK(beyond_a != nullptr);
  CHECK(loam_malloc(a.thread, 16 << 20) == nullptr);
  loam_free(b.thread, beyond_a);
  loam_external_add(a.thread, -(3 << 20));
  CHECK(b.collect() == 10);
  CHECK(in_b->left == nullptr);
  CHECK(a.verify());
  CHECK(b.verify());
  b.drop(in_b);
}

TEST_CASE("destroying one runtime leaves another whole") {
  Host survivor;
  Pair *pair = survivor.pair();
  survivor.leak_ring(100);
  CHECK(short_life());
  CHECK(survivor.verify());
  CHECK(survivor.collect() == 100);
  survivor.drop(pair);
}

TEST_CASE("runtimes of two OS threads run at the same time") {
  bool ok[2] = {true, true};
  auto live = [](bool *result) {
    for (std::size_t i = 0; i < scaled(200); ++i) *result = short_life() && *result;
  };
  std::thread first(live, &ok[0]), second(live, &ok[1]);
  first.join();
  second.join();
  CHECK(ok[0]);
  CHECK(ok[1]);
}

}  // namespace
}  // namespace loam::test
