// What Loam tells about itself: statistics, rows by type and by pool, events.
#include <string>
#include <vector>

#include "support/host.h"

namespace loam::test {
namespace {

struct TypeRow {
  std::string name;
  std::size_t objects, bytes;
};

std::vector<TypeRow> type_rows(const Host &host) {
  std::vector<TypeRow> rows;
  auto add = [](const loam_type_stats *row, void *context) {
    static_cast<std::vector<TypeRow> *>(context)->push_back({row->name, row->objects, row->bytes});
  };
  CHECK(loam_stats_types(host.runtime, add, &rows) == LOAM_OK);
  return rows;
}

TypeRow type_row(const Host &host, const std::string &name) {
  TypeRow found = {name, 0, 0};
  int times = 0;
  for (const TypeRow &row : type_rows(host)) {
    if (row.name != name) continue;
    found = row;
    ++times;
  }
  CHECK(times <= 1);
  return found;
}

// Blocks and bytes of the pools of one kind and block size, private ones by their type's name.
struct PoolSum {
  std::string kind, name;
  std::size_t block_size, blocks, bytes;
};

PoolSum pool_sum(const Host &host, const char *kind, const char *name, std::size_t block_size) {
  PoolSum sum = {kind, name, block_size, 0, 0};
  auto add = [](const loam_pool_stats *row, void *context) {
    PoolSum *wanted = static_cast<PoolSum *>(context);
    std::string row_name = row->name != nullptr ? row->name : "";
    if (row->kind != wanted->kind || row_name != wanted->name) return;
    if (row->block_size != wanted->block_size) return;
    wanted->blocks += row->blocks;
    wanted->bytes += row->bytes;
  };
  CHECK(loam_stats_pools(host.runtime, add, &sum) == LOAM_OK);
  return sum;
}

// Where a bucket of loam_pauses begins, as stats.h says.
std::uint64_t bucket_start_ns(int bucket) {
  if (bucket < 4) return static_cast<std::uint64_t>(bucket);
  return static_cast<std::uint64_t>(4 + bucket % 4) << (bucket / 4 - 1);
}

TEST_CASE("statistics refuse a struct of another size") {
  Host host;
  loam_stats stats = {};
  for (std::size_t size : {std::size_t{8}, sizeof stats - 8, sizeof stats + 8}) {
    stats.struct_size = size;
    CHECK(loam_stats_get(host.runtime, &stats) == LOAM_EINVAL);
  }
  stats.struct_size = 0;
  CHECK(loam_stats_get(host.runtime, &stats) == LOAM_OK);
}

TEST_CASE("small blocks are counted whole, and no longer once they are free") {
  Host host;
  loam_stats before = host.stats();
  Pair *pairs[10];
  for (Pair *&pair : pairs) pair = host.pair();
  void *raw = loam_malloc(host.thread, 41);
  loam_stats during = host.stats();
  CHECK(during.small_blocks - before.small_blocks == 11);
  CHECK(during.small_bytes - before.small_bytes == 10 * sizeof(Pair) + 48);
  CHECK(during.bytes_in_use - before.bytes_in_use == 10 * sizeof(Pair) + 48);
  CHECK(during.slabs_in_use >= 2);
  CHECK(during.segments_committed >= 1);
  CHECK(during.reserved_bytes >= during.segments_committed * (std::size_t{4} << 20));
  CHECK(during.metadata_bytes > 0);
  CHECK(during.counted_bytes >= during.slabs_in_use << LOAM_SLAB_SHIFT);
  CHECK(during.peak_bytes >= during.counted_bytes);
  for (Pair *pair : pairs) host.drop(pair);
  loam_free(host.thread, raw);
  loam_stats after = host.stats();
  CHECK(after.small_blocks == before.small_blocks);
  CHECK(after.small_bytes == before.small_bytes);
  CHECK(after.freed_by_count - before.freed_by_count == 10);
  CHECK(after.peak_bytes >= during.peak_bytes);
}

TEST_CASE("large blocks are counted by what they can hold") {
  Host host;
  loam_stats before = host.stats();
  void *block = loam_malloc(host.thread, 100000);
  Sized *object = host.sized(1000);
  loam_stats during = host.stats();
  CHECK(during.large_blocks - before.large_blocks == 2);
  std::size_t large = during.large_bytes - before.large_bytes;
  CHECK(large >= 100000 + sized_bytes(1000));
  CHECK(large <= 2 * (100000 + sized_bytes(1000)));
  CHECK(during.bytes_in_use - before.bytes_in_use >= 100000 + sized_bytes(1000));
  loam_free(host.thread, block);
  host.drop(object);
  CHECK(host.stats().large_blocks == before.large_blocks);
  CHECK(host.stats().large_bytes == before.large_bytes);
}

TEST_CASE("loam_mem_alloc is bytes_in_use") {
  Host host;
  CHECK(loam_mem_alloc(host.runtime) == host.stats().bytes_in_use);
  void *block = loam_malloc(host.thread, 5000);
  loam_external_add(host.thread, 777);
  CHECK(loam_mem_alloc(host.runtime) == host.stats().bytes_in_use);
  CHECK(host.bytes() >= 5777);
  loam_external_add(host.thread, -777);
  loam_free(host.thread, block);
  CHECK(host.bytes() == 0);
}

TEST_CASE("loam_mem_free is what the limit leaves") {
  Host host("heap_limit=16M");
  loam_stats before = host.stats();
  std::size_t left = loam_mem_free(host.runtime);
  CHECK(before.heap_limit == 16u << 20);
  CHECK(left > 8u << 20);
  CHECK(left + before.counted_bytes <= before.heap_limit);
  void *block = loam_malloc(host.thread, 4 << 20);
  CHECK(block != nullptr);
  CHECK(loam_mem_free(host.runtime) <= left - (4u << 20));
  loam_free(host.thread, block);
  CHECK(loam_mem_free(host.runtime) >= left - (1u << 20));
}

TEST_CASE("loam_mem_free without a limit is bounded by what is committed") {
  Host host;
  Pair *pair = host.pair();
  std::size_t committed = host.stats().segments_committed * (std::size_t{4} << 20);
  CHECK(loam_mem_free(host.runtime) > 0);
  CHECK(loam_mem_free(host.runtime) <= committed);
  host.drop(pair);
}

TEST_CASE("external memory is counted, beyond 4 GiB too, and never falls below zero") {
  Host host;
  std::size_t before = host.stats().counted_bytes;
  constexpr std::ptrdiff_t kMany = std::ptrdiff_t{5} << 30;
  loam_external_add(host.thread, kMany);
  CHECK(host.stats().external_bytes == kMany);
  CHECK(host.stats().counted_bytes >= before + kMany);
  loam_external_add(host.thread, -kMany + 100);
  CHECK(host.stats().external_bytes == 100);
  loam_external_add(host.thread, -101);
  CHECK(host.stats().external_bytes == 0);
  loam_external_add(host.thread, PTRDIFF_MIN);
  CHECK(host.stats().external_bytes == 0);
  loam_safepoint(host.thread);
  CHECK(host.verify());
}

TEST_CASE("collections are counted by kind, with what they freed and kept") {
  Host host;
  Pair *kept = host.pair();
  host.leak_ring(7);
  CHECK(loam_collect_young(host.thread) == 7);
  loam_stats young = host.stats();
  CHECK(young.collections[LOAM_COLLECTION_YOUNG].collected == 7);
  CHECK(young.collections[LOAM_COLLECTION_YOUNG].survivors == 1);
  CHECK(young.collections[LOAM_COLLECTION_YOUNG].pauses.count == 1);
  CHECK(young.collections[LOAM_COLLECTION_FULL].pauses.count == 0);
  host.leak_ring(5);
  CHECK(host.collect() == 5);
  loam_stats full = host.stats();
  CHECK(full.collections[LOAM_COLLECTION_FULL].collected == 5);
  CHECK(full.collections[LOAM_COLLECTION_FULL].survivors == 1);
  CHECK(full.collections[LOAM_COLLECTION_FULL].pauses.count == 1);
  CHECK(full.freed_by_collector == 12);
  host.drop(kept);
}

TEST_CASE("the pause histogram adds up") {
  Host host;
  for (int i = 0; i < 20; ++i) {
    host.leak_ring(100);
    CHECK(host.collect() == 100);
  }
  loam_pauses pauses = host.stats().collections[LOAM_COLLECTION_FULL].pauses;
  CHECK(pauses.count == 20);
  std::uint64_t sum = 0;
  int highest = 0;
  for (int i = 0; i < LOAM_PAUSE_BUCKETS; ++i) {
    sum += pauses.buckets[i];
    if (pauses.buckets[i] > 0) highest = i;
  }
  CHECK(sum == pauses.count);
  CHECK(pauses.max_ns <= pauses.total_ns);
  CHECK(pauses.max_ns >= bucket_start_ns(highest));
  CHECK(pauses.max_ns < bucket_start_ns(highest + 1));
}

TEST_CASE("a quantile is the end of the bucket that holds it, and never above the longest") {
  loam_pauses pauses = {};
  for (double fraction : {0.0, 0.5, 1.0}) CHECK(loam_pauses_quantile(&pauses, fraction) == 0);
  // 90 pauses of the bucket [1280, 1535], 9 of [5120, 6143], and one of 10000 ns.
  pauses.count = 100;
  pauses.buckets[37] = 90;
  pauses.buckets[45] = 9;
  pauses.buckets[48] = 1;
  pauses.max_ns = 10000;
  REQUIRE(bucket_start_ns(37) == 1280);
  REQUIRE(bucket_start_ns(45) == 5120);
  REQUIRE(bucket_start_ns(48) == 8192);
  const struct {
    double fraction;
    std::uint64_t ns;
  } expected[] = {{-1, 1535},    {0, 1535},    {0.01, 1535},   {0.5, 1535}, {0.9, 1535},
                  {0.901, 6143}, {0.99, 6143}, {0.991, 10000}, {1, 10000},  {2, 10000}};
  for (const auto &row : expected) {
    INFO("fraction: ", row.fraction);
    CHECK(loam_pauses_quantile(&pauses, row.fraction) == row.ns);
  }
}

TEST_CASE("the pauses of a collection are those of its kinds of work") {
  Host host;
  for (int i = 0; i < 3; ++i) {
    host.leak_ring(10);
    CHECK(host.collect() == 10);
    host.leak_ring(10);
    CHECK(loam_collect_young(host.thread) == 10);
  }
  const loam_stats stats = host.stats();
  CHECK(stats.collections[LOAM_COLLECTION_YOUNG].runs == 3);
  CHECK(stats.collections[LOAM_COLLECTION_FULL].runs == 3);
  CHECK(stats.work[LOAM_WORK_YOUNG].count == 3);
  loam_pauses full = {};
  for (int work = LOAM_WORK_FULL; work <= LOAM_WORK_SWEEP; ++work) {
    if (work == LOAM_WORK_EMERGENCY) continue;
    full.count += stats.work[work].count;
    full.total_ns += stats.work[work].total_ns;
  }
  CHECK(full.count >= 3);
  CHECK(full.count == stats.collections[LOAM_COLLECTION_FULL].pauses.count);
  CHECK(full.total_ns == stats.collections[LOAM_COLLECTION_FULL].pauses.total_ns);
}

TEST_CASE("statistics tell where the next full collection starts") {
  Host host("full_minimum=64K,full_growth=100");
  CHECK(host.stats().bytes_after_collection == 0);
  CHECK(host.stats().next_collection_bytes == 65536);
  Pair *list = nullptr;
  for (int i = 0; i < 10000; ++i) {
    Pair *head = host.pair();
    host.give(head->left, list);
    list = head;
  }
  host.collect();
  const loam_stats stats = host.stats();
  CHECK(stats.bytes_after_collection >= 10000 * sizeof(Pair));
  CHECK(stats.next_collection_bytes >= 2 * stats.bytes_after_collection - 200);
  CHECK(stats.next_collection_bytes <= 2 * stats.bytes_after_collection);
  host.drop(list);
}

TEST_CASE("a finalizer of the condemned sees a collection under way, and a host in between none") {
  Host host;
  Pair *pair = host.finalized_pair();
  host.give(pair->left, pair);
  loam_stats during = {};
  host.on_finalize = [&](Pair *) { during = host.stats(); };
  CHECK(host.stats().collecting == LOAM_WORKS);
  CHECK(host.collect() == 1);
  CHECK(during.collecting == LOAM_WORK_FINALIZE);
  CHECK(during.condemned_objects == 1);
  CHECK(host.stats().collecting == LOAM_WORKS);
  CHECK(host.stats().condemned_objects == 0);
}

TEST_CASE("finalizers, weak references and failures are counted") {
  Host host;
  Pair *pair = host.finalized_pair();
  loam_weak *weak = nullptr;
  auto ignore = [](loam_thread *, loam_weak *, void *) {};
  REQUIRE(loam_weak_create(host.thread, as_object(pair), nullptr, ignore, nullptr, &weak) ==
          LOAM_OK);
  CHECK(host.stats().weak_references == 1);
  host.drop(pair);
  CHECK(host.stats().finalizers_run == 1);
  CHECK(host.stats().weak_callbacks_run == 1);
  loam_weak_destroy(host.thread, weak);
  CHECK(host.stats().weak_references == 0);
  std::uint64_t failed = host.stats().failed_allocations;
  loam_heap_lock(host.thread);
  CHECK(loam_malloc(host.thread, 1000) == nullptr);
  CHECK(loam_new(host.thread, host.types.pair) == nullptr);
  loam_heap_unlock(host.thread);
  CHECK(host.stats().failed_allocations == failed + 2);
}

TEST_CASE("frozen objects are counted while they live") {
  Host host;
  Pair *a = host.pair(), *b = host.pair();
  loam_freeze(host.thread);
  CHECK(host.stats().frozen_objects == 2);
  host.drop(a);
  CHECK(host.stats().frozen_objects == 1);
  loam_unfreeze(host.thread);
  CHECK(host.stats().frozen_objects == 0);
  host.drop(b);
}

TEST_CASE("each type has one row with its live objects") {
  Host host;
  CHECK(type_rows(host).empty());
  Pair *pairs[5];
  for (Pair *&pair : pairs) pair = host.pair();
  Leaf *leaf = host.leaf();
  Sized *large = host.sized(500);
  CHECK(type_row(host, "pair").objects == 5);
  CHECK(type_row(host, "pair").bytes == 5 * sizeof(Pair));
  CHECK(type_row(host, "leaf").objects == 1);
  CHECK(type_row(host, "sized").objects == 1);
  CHECK(type_row(host, "sized").bytes >= sized_bytes(500));
  CHECK(type_row(host, "triple").objects == 0);
  for (Pair *pair : pairs) host.drop(pair);
  host.drop(leaf);
  host.drop(large);
  CHECK(type_rows(host).empty());
}

TEST_CASE("pools show their kind, block size and blocks") {
  Host host;
  loam_type_spec spec = pair_spec("mine");
  spec.flags = LOAM_TYPE_PRIVATE_POOL;
  loam_type *mine = host.register_type(spec);
  Pair *shared = host.pair(), *own = host.make<Pair>(mine);
  Leaf *leaf = host.leaf();
  void *raw = loam_malloc(host.thread, 200), *large = loam_malloc(host.thread, 2000);
  CHECK(pool_sum(host, "container", "", sizeof(Pair)).blocks == 1);
  CHECK(pool_sum(host, "private", "mine", sizeof(Pair)).blocks == 1);
  CHECK(pool_sum(host, "leaf", "", sizeof(Leaf)).blocks == 1);
  CHECK(pool_sum(host, "raw", "", 200).blocks >= 1);
  CHECK(pool_sum(host, "raw", "", 200).bytes == 200 * pool_sum(host, "raw", "", 200).blocks);
  CHECK(pool_sum(host, "large", "", 0).blocks >= 1);
  CHECK(pool_sum(host, "large", "", 0).bytes >= 2000);
  host.drop(shared);
  host.drop(own);
  host.drop(leaf);
  loam_free(host.thread, raw);
  loam_free(host.thread, large);
  CHECK(pool_sum(host, "private", "mine", sizeof(Pair)).blocks == 0);
}

TEST_CASE("events fire once at the start and once at the end of each collection") {
  Host host;
  std::vector<loam_event> events;
  host.on_event = [&](const loam_event &event) {
    if (event.kind != LOAM_EVENT_WORK) events.push_back(event);
  };
  Pair *kept = host.pair();
  host.leak_ring(3);
  CHECK(host.collect() == 3);
  REQUIRE(events.size() == 2);
  CHECK(events[0].struct_size == sizeof(loam_event));
  CHECK(events[0].kind == LOAM_EVENT_COLLECTION_START);
  CHECK(events[0].collection == LOAM_COLLECTION_FULL);
  CHECK(events[0].duration_ns == 0);
  CHECK(events[0].objects == 0);
  CHECK(events[0].survivors == 0);
  CHECK(events[0].bytes >= 4 * sizeof(Pair));
  CHECK(events[1].kind == LOAM_EVENT_COLLECTION_END);
  CHECK(events[1].collection == LOAM_COLLECTION_FULL);
  CHECK(events[1].time_ns >= events[0].time_ns);
  CHECK(events[1].objects == 3);
  CHECK(events[1].survivors == 1);
  events.clear();
  host.leak_ring(2);
  CHECK(loam_collect_young(host.thread) == 2);
  REQUIRE(events.size() == 2);
  CHECK(events[0].collection == LOAM_COLLECTION_YOUNG);
  CHECK(events[1].objects == 2);
  host.on_event = nullptr;
  host.drop(kept);
}

TEST_CASE("an event follows each stretch of work, within the collection that it belongs to") {
  Host host;
  std::vector<loam_event> events;
  host.on_event = [&](const loam_event &event) { events.push_back(event); };
  host.leak_ring(3);
  CHECK(loam_collect_young(host.thread) == 3);
  REQUIRE(events.size() == 3);
  CHECK(events[0].work == LOAM_WORKS);
  CHECK(events[2].work == LOAM_WORKS);
  const loam_event &work = events[1];
  CHECK(work.struct_size == sizeof(loam_event));
  CHECK(work.kind == LOAM_EVENT_WORK);
  CHECK(work.work == LOAM_WORK_YOUNG);
  CHECK(work.time_ns >= events[0].time_ns);
  CHECK(work.time_ns + work.duration_ns <= events[2].time_ns);
  CHECK(work.objects == 3);
  CHECK(work.bytes == events[2].bytes);
  CHECK(host.stats().work[LOAM_WORK_YOUNG].count == 1);
  CHECK(host.stats().work[LOAM_WORK_YOUNG].total_ns == work.duration_ns);
  host.on_event = nullptr;
}

TEST_CASE("deaths that waited are a stretch of work of their own") {
  Host host;
  std::vector<loam_event> drains;
  host.on_event = [&](const loam_event &event) {
    if (event.kind == LOAM_EVENT_WORK && event.work == LOAM_WORK_DRAIN) drains.push_back(event);
  };
  loam_safepoint(host.thread);
  CHECK(drains.empty());
  Pair *waiting = host.finalized_pair();
  loam_heap_lock(host.thread);  // no finalizer runs now
  host.drop(waiting);
  CHECK(host.finalized == 0);
  loam_heap_unlock(host.thread);
  loam_safepoint(host.thread);
  CHECK(host.finalized == 1);
  REQUIRE(drains.size() == 1);
  CHECK(drains[0].objects == 1);
  CHECK(host.stats().work[LOAM_WORK_DRAIN].count == 1);
  host.on_event = nullptr;
}

TEST_CASE("an incremental collection is seen slice by slice, by its phases") {
  Host host("full_minimum=256K");
  std::vector<loam_event> events;
  std::size_t collected_within = 0;
  host.on_event = [&](const loam_event &event) {
    events.push_back(event);
    collected_within += loam_collect(host.thread);
  };
  std::vector<Pair *> live;
  bool seen[LOAM_WORKS + 1] = {};
  const auto full = [&] { return host.stats().collections[LOAM_COLLECTION_FULL]; };
  while (live.size() < 200000 && full().pauses.count < 40) {
    live.push_back(host.pair());
    if (live.size() % 8 == 0) host.leak_ring(2);
    if (live.size() % 64 == 0) seen[host.stats().collecting] = true;
  }
  CHECK(seen[LOAM_WORKS]);
  CHECK((seen[LOAM_WORK_RESCUE] || seen[LOAM_WORK_MARK] || seen[LOAM_WORK_SPLIT]));
  CHECK(full().pauses.count > full().runs);
  CHECK(collected_within == 0);
  std::uint64_t slices[LOAM_WORKS] = {};
  bool open = false;  // a full collection
  for (const loam_event &event : events) {
    if (event.kind == LOAM_EVENT_WORK) {
      ++slices[event.work];
      if (event.work >= LOAM_WORK_START && event.work <= LOAM_WORK_SWEEP) CHECK(open);
    } else if (event.collection == LOAM_COLLECTION_FULL) {
      CHECK(open == (event.kind == LOAM_EVENT_COLLECTION_END));
      open = !open;
    }
  }
  const loam_stats stats = host.stats();
  for (int work = 0; work < LOAM_WORKS; ++work) CHECK(slices[work] == stats.work[work].count);
  CHECK(slices[LOAM_WORK_START] >= 1);
  CHECK(slices[LOAM_WORK_RESCUE] >= 1);
  CHECK(slices[LOAM_WORK_MARK] >= 1);
  host.on_event = nullptr;
  for (Pair *pair : live) host.drop(pair);
}

TEST_CASE("a collection asked for from an event does nothing") {
  Host host;
  std::size_t collected = 0, events = 0;
  host.on_event = [&](const loam_event &) {
    ++events;
    collected += loam_collect(host.thread);
  };
  host.leak_ring(3);
  CHECK(host.collect() == 3);
  CHECK(events >= 3);
  CHECK(collected == 0);
  host.on_event = nullptr;
}

}  // namespace
}  // namespace loam::test
