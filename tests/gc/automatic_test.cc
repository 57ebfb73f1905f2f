// When collection happens without being asked for, and when it must not.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/time.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <vector>

#include "../support/host.h"

namespace {

using namespace loam::test;

constexpr std::ptrdiff_t kBuffer = 100 << 20;

std::uint64_t collections(const Host &host) {
  loam_stats stats = host.stats();
  std::uint64_t count = 0;
  for (const loam_collection_stats &kind : stats.collections) count += kind.runs;
  return count;
}

std::uint64_t full_collections(const Host &host) {
  return host.stats().collections[LOAM_COLLECTION_FULL].runs;
}

void release_buffer(loam_thread *thread, loam_object *) { loam_external_add(thread, -kBuffer); }

loam_runtime *signalled_runtime;
std::atomic<unsigned> signals;

void request_collection(int) {
  loam_collect_request(signalled_runtime);
  signals.fetch_add(1, std::memory_order_relaxed);
}

// SIGALRM a thousand times a second for the life of the object.
class Alarm {
 public:
  explicit Alarm(loam_runtime *runtime) {
    signalled_runtime = runtime;
    signals = 0;
    struct sigaction action = {};
    action.sa_handler = request_collection;
    action.sa_flags = SA_RESTART;
    REQUIRE(sigaction(SIGALRM, &action, &before_) == 0);
    set_interval(1000);
  }
  ~Alarm() {
    set_interval(0);
    signal(SIGALRM, SIG_IGN);  // takes back one that is still on its way
    sigaction(SIGALRM, &before_, nullptr);
  }

 private:
  static void set_interval(suseconds_t microseconds) {
    itimerval interval = {{0, microseconds}, {0, microseconds}};
    REQUIRE(setitimer(ITIMER_REAL, &interval, nullptr) == 0);
  }
  struct sigaction before_ = {};
};

}  // namespace

TEST_CASE("young garbage is collected within a bounded number of allocations") {
  const char *options = nullptr;
  SUBCASE("with lists") { options = "young_threshold=1000"; }
  SUBCASE("without") { options = "young_threshold=1000,debug"; }
  Host host(options);
  std::size_t most = 0;
  for (std::size_t i = 0; i < 50000; ++i) {
    host.leak_ring(2);
    if (i % 100 == 0) most = std::max(most, host.stats().small_blocks);
  }
  CHECK(host.stats().collections[LOAM_COLLECTION_YOUNG].pauses.count > 0);
  CHECK(most <= 4 * 1000);
}

TEST_CASE("young garbage of large objects is collected within as many") {
  Host host("young_threshold=1000");
  std::size_t most = 0;
  for (std::size_t i = 0; i < 20000; ++i) {
    Sized *loop = host.sized(100);
    host.set(loop->refs[0], loop);
    host.drop(loop);
    most = std::max(most, host.stats().large_blocks);
  }
  CHECK(host.stats().collections[LOAM_COLLECTION_YOUNG].pauses.count > 0);
  CHECK(most <= 2 * 1000);
}

TEST_CASE("young objects that are strewn over many slabs are judged when there are fewer") {
  const std::size_t kSlabs = 60, kPairsOfSlab = 65536 / 24, kHoles = 6;
  Host host("young_threshold=1024");
  loam_collect_disable(host.thread);
  std::vector<Pair *> pairs(kSlabs * kPairsOfSlab);
  for (Pair *&pair : pairs) pair = host.pair();
  loam_collect_enable(host.thread);
  host.collect();
  for (std::size_t i = 0; i < pairs.size(); i += kPairsOfSlab / kHoles) {
    host.drop(pairs[i]);
    pairs[i] = nullptr;
  }
  const auto runs = [&host] { return host.stats().collections[LOAM_COLLECTION_YOUNG].runs; };
  const std::uint64_t before = runs();
  for (std::size_t i = 0; i < kSlabs * kHoles; ++i) host.leak_ring(1);
  CHECK(runs() > before);
  for (Pair *pair : pairs) {
    if (pair != nullptr) host.drop(pair);
  }
}

TEST_CASE("young containers that died by count set off no collection, also where none is reused") {
  for (const char *options : {"young_threshold=100", "young_threshold=100,debug",
                              "young_threshold=100,torture=never_reuse"}) {
    INFO("options: ", std::string(options));
    Host host(options);
    for (int i = 0; i < 5000; ++i) host.drop(host.pair());
    CHECK(host.stats().collections[LOAM_COLLECTION_YOUNG].pauses.count == 0);
  }
}

TEST_CASE("a host that knows nothing of options is collected too") {
  Host host;
  std::size_t rings = scaled(200000);
  for (std::size_t i = 0; i < rings; ++i) host.leak_ring(2);
  if (2 * rings > 4 * 16384) {
    CHECK(host.stats().freed_by_collector >= 2 * rings - 4 * 16384);
  }
}

TEST_CASE("cycles that die old are collected, so that the heap stays bounded") {
  Host host("young_threshold=256,full_minimum=64K");
  std::deque<Pair *> window;
  std::size_t most = 0;
  std::size_t rounds = scaled(200000);
  for (std::size_t i = 0; i < rounds; ++i) {
    Pair *self = host.pair();
    host.set(self->left, self);
    window.push_back(self);
    if (window.size() <= 1000) continue;
    host.drop(window.front());
    window.pop_front();
    if (i % 100 == 0) most = std::max(most, host.bytes());
  }
  CHECK(most <= 1u << 20);
  CHECK(full_collections(host) < rounds / 100 + 10);
  for (Pair *self : window) host.drop(self);
}

TEST_CASE("nothing is collected while disabled, except on request") {
  Host host("young_threshold=64,full_minimum=64K");
  loam_collect_disable(host.thread);
  loam_collect_disable(host.thread);
  loam_collect_enable(host.thread);
  std::size_t rings = scaled(50000);
  for (std::size_t i = 0; i < rings; ++i) {
    host.leak_ring(2);
    loam_safepoint(host.thread);
  }
  CHECK(collections(host) == 0);
  CHECK(host.stats().freed_by_collector == 0);
  CHECK(host.collect() == 2 * rings);
  loam_collect_enable(host.thread);
  for (std::size_t i = 0; i < 1000; ++i) host.leak_ring(2);
  CHECK(collections(host) > 1);
}

// They would be judged in one go; the full collection does so in slices.
TEST_CASE("of the objects made while collection was disabled none is judged by a young one") {
  const std::size_t kRings = 40000, kMost = 65536 + 4096 + 4096;
  Host host("full_minimum=64K");
  std::size_t most = 0;
  host.on_event = [&](const loam_event &event) {
    if (event.kind != LOAM_EVENT_COLLECTION_END || event.collection != LOAM_COLLECTION_YOUNG)
      return;
    most = std::max<std::size_t>(most, event.objects);
  };
  loam_collect_disable(host.thread);
  for (std::size_t i = 0; i < kRings; ++i) host.leak_ring(2);
  CHECK(host.stats().small_blocks > kMost);
  loam_collect_enable(host.thread);
  for (std::size_t i = 0; i < 4 * kRings; ++i) host.drop(host.ring(2));
  CHECK(most <= kMost);
  CHECK(full_collections(host) != 0);
  CHECK(host.stats().small_blocks < kRings);
}

TEST_CASE("enabling what is not disabled does nothing") {
  Host host("young_threshold=64");
  loam_collect_enable(host.thread);
  loam_collect_disable(host.thread);
  for (std::size_t i = 0; i < 1000; ++i) host.leak_ring(2);
  CHECK(collections(host) == 0);
  loam_collect_enable(host.thread);
}

TEST_CASE("with collect_at=safepoint allocation only asks, and a safepoint collects") {
  Host host("collect_at=safepoint,young_threshold=64");
  for (std::size_t i = 0; i < 1000; ++i) host.leak_ring(2);
  CHECK(collections(host) == 0);
  loam_safepoint(host.thread);
  CHECK(collections(host) > 0);
  CHECK(host.stats().freed_by_collector == 2000);
}

TEST_CASE("a requested collection happens at the next safepoint, once") {
  Host host;
  host.leak_ring(3);
  loam_safepoint(host.thread);
  CHECK(full_collections(host) == 0);
  loam_collect_request(host.runtime);
  loam_collect_request(host.runtime);
  loam_safepoint(host.thread);
  CHECK(full_collections(host) == 1);
  CHECK(host.bytes() == 0);
  loam_safepoint(host.thread);
  CHECK(full_collections(host) == 1);
}

TEST_CASE("a collection step does what is due, and in the end reports that nothing is") {
  Host host("collect_at=safepoint,young_threshold=64");
  CHECK_FALSE(loam_collect_step(host.thread, 1000000));
  for (std::size_t i = 0; i < 1000; ++i) host.leak_ring(2);
  std::size_t steps = 0;
  while (loam_collect_step(host.thread, 1000000)) REQUIRE(++steps < 10000);
  CHECK(host.stats().freed_by_collector == 2000);
}

TEST_CASE("small cycles that own large external buffers set off collections") {
  Host host;
  loam_type_spec spec = pair_spec("buffer");
  spec.dispose = release_buffer;
  loam_type *buffer = host.register_type(spec);
  std::size_t most = 0;
  for (int i = 0; i < 100; ++i) {
    Pair *self = host.make<Pair>(buffer);
    loam_external_add(host.thread, kBuffer);
    host.set(self->left, self);
    host.drop(self);
    loam_safepoint(host.thread);
    most = std::max(most, host.stats().external_bytes);
  }
  CHECK(most <= std::size_t{10} * kBuffer);
  CHECK(full_collections(host) > 0);
}

TEST_CASE("external memory beyond the limit is accepted and requests a collection") {
  Host host("heap_limit=64M,collect_at=safepoint");
  loam_type_spec spec = pair_spec("buffer");
  spec.dispose = release_buffer;
  Pair *self = host.make<Pair>(host.register_type(spec));
  host.set(self->left, self);
  host.drop(self);
  loam_external_add(host.thread, kBuffer);
  CHECK(host.stats().external_bytes == kBuffer);
  loam_safepoint(host.thread);
  CHECK(host.stats().external_bytes == 0);
}

TEST_CASE("a heap that only grows is not collected again and again") {
  Host host;
  std::vector<Pair *> live;
  std::size_t count = scaled(1000000);
  for (std::size_t i = 0; i < count; ++i) live.push_back(host.pair());
  // By +50 % from 4 MiB to 24 MB there are five full ones at most; young ones come by the thousand.
  CHECK(full_collections(host) <= 8);
  CHECK(host.stats().collections[LOAM_COLLECTION_YOUNG].pauses.count <= count / 4096 + 8);
  for (Pair *pair : live) host.drop(pair);
}

TEST_CASE("under the heap lock nothing is collected") {
  Host host("young_threshold=64");
  host.leak_ring(100);
  loam_heap_lock(host.thread);
  loam_collect_request(host.runtime);
  loam_safepoint(host.thread);
  CHECK(host.collect() == 0);
  CHECK(loam_collect_young(host.thread) == 0);
  CHECK(host.stats().freed_by_collector == 0);
  loam_heap_unlock(host.thread);
  loam_safepoint(host.thread);
  CHECK(host.stats().freed_by_collector == 100);
}

TEST_CASE("under the heap lock the dead are released but their finalizers wait") {
  Host host;
  Pair *finalized = host.finalized_pair();
  Pair *plain = host.pair();
  host.give(finalized->left, host.leaf());
  std::size_t with_both = host.bytes();
  loam_heap_lock(host.thread);
  loam_heap_lock(host.thread);
  host.drop(plain);
  CHECK(host.bytes() < with_both);
  host.drop(finalized);
  loam_safepoint(host.thread);
  loam_heap_unlock(host.thread);
  loam_safepoint(host.thread);
  CHECK(host.finalized == 0);
  CHECK(host.disposed == 0);
  loam_heap_unlock(host.thread);
  loam_safepoint(host.thread);
  CHECK(host.finalized == 1);
  CHECK(host.disposed == 1);
  CHECK(host.bytes() == 0);
}

TEST_CASE("a finalizer that leaves the heap locked holds back those that waited behind it") {
  Host host;
  Pair *first = host.finalized_pair();
  Pair *second = host.finalized_pair();
  host.on_finalize = [&](Pair *) { loam_heap_lock(host.thread); };
  loam_heap_lock(host.thread);
  host.drop(first);
  host.drop(second);
  for (std::size_t run = 0; run < 2; ++run) {
    CHECK(host.finalized == run);
    loam_heap_unlock(host.thread);
    loam_safepoint(host.thread);
  }
  CHECK(host.finalized == 2);
  loam_heap_unlock(host.thread);
  CHECK(host.bytes() == 0);
}

TEST_CASE("a collection whose finalizer locks the heap goes on after the unlock") {
  Host host;
  host.on_finalize = [&](Pair *) { loam_heap_lock(host.thread); };
  for (int i = 0; i < 3; ++i) {
    Pair *self = host.finalized_pair();
    host.give(self->left, self);
    loam_incref(host.thread, as_object(self));
    host.drop(self);
  }
  CHECK(host.collect() == 0);
  CHECK(host.finalized == 1);
  while (host.finalized < 3) {
    loam_heap_unlock(host.thread);
    loam_safepoint(host.thread);
  }
  CHECK(host.disposed == 0);
  loam_heap_unlock(host.thread);
  loam_safepoint(host.thread);
  CHECK(host.disposed == 3);
}

TEST_CASE("collections requested by a signal at 1 kHz disturb nothing") {
  for (const char *options : {"", "collect_at=safepoint", "young_threshold=64"}) {
    CAPTURE(options);
    Host host(options);
    std::vector<Pair *> live(500);
    Random random(1);
    std::uint64_t made = 0;
    {
      Alarm alarm(host.runtime);
      while (signals.load(std::memory_order_relaxed) < 100) {
        Pair *&slot = live[random.below(live.size())];
        Pair *next = host.pair();
        ++made;
        host.set(next->left, next);
        if (slot != nullptr) {
          host.set(next->right, slot);
          host.set(slot->right, nullptr);
          host.drop(slot);
        }
        slot = next;
        loam_safepoint(host.thread);
      }
    }
    CHECK(full_collections(host) > 0);
    CHECK(host.verify());
    for (Pair *pair : live) {
      if (pair == nullptr) continue;
      CHECK(pair->left == as_object(pair));
      host.drop(pair);
    }
    host.collect();
    loam_stats stats = host.stats();
    CHECK(stats.freed_by_collector + stats.freed_by_count == made);
  }
}
