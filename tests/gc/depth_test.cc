// Depth and width cost neither stack nor memory: everything here is let go on a stack of 64 KiB,
// or where not one more byte of addresses is to be had.
#include <doctest/doctest.h>
#include <pthread.h>
#include <sys/resource.h>

#include <cstdio>
#include <cstring>

#include "../support/host.h"
#include "../support/resident.h"

namespace {

using namespace loam::test;

// Big enough for what a sanitizer or Valgrind adds to each frame; else the promise itself.
std::size_t stack_bytes() { return instrumented() ? 512u << 10 : 64u << 10; }

// What a test does on the small stack. No doctest there: its own frames are too big.
struct Job {
  bool (*build)(loam_thread *, const Types &, std::size_t count);
  std::size_t count;
  bool tight;  // no more addresses once the structure stands
  std::size_t collected = 0;
  bool built = false;
  std::size_t left_over = 1;
  std::size_t budget = 0;  // cascade_budget
};

// Every further mapping fails from here on.
bool forbid_more_addresses() {
  const std::size_t bytes = address_bytes();
  const rlimit limit = {bytes, bytes};
  return bytes != 0 && setrlimit(RLIMIT_AS, &limit) == 0;
}

loam_stats stats_of(loam_runtime *runtime) {
  loam_stats stats = {};
  stats.struct_size = sizeof stats;
  if (loam_stats_get(runtime, &stats) != LOAM_OK) stats.bytes_in_use = SIZE_MAX;
  return stats;
}

std::size_t bytes_in_use(loam_runtime *runtime) { return stats_of(runtime).bytes_in_use; }

void *run_job(void *argument) {
  Job *job = static_cast<Job *>(argument);
  loam_options options = {};
  options.fatal = on_fatal;
  options.cascade_budget = job->budget;
  loam_runtime *runtime = nullptr;
  Types types;
  if (loam_runtime_create(&options, &runtime) != LOAM_OK) return nullptr;
  if (register_types(runtime, {nullptr, nullptr}, &types) == LOAM_OK) {
    loam_thread *thread = loam_runtime_main_thread(runtime);
    loam_collect_disable(thread);
    std::size_t before = bytes_in_use(runtime);
    job->built = job->build(thread, types, job->count);
    if (job->tight) job->built = forbid_more_addresses() && job->built;
    while (stats_of(runtime).pending_objects != 0) loam_safepoint(thread);
    job->collected = loam_collect(thread);
    job->left_over = bytes_in_use(runtime) - before;
  }
  loam_runtime_destroy(runtime);
  return nullptr;
}

void run_on_small_stack(Job *job) {
  pthread_attr_t attributes;
  REQUIRE(pthread_attr_init(&attributes) == 0);
  REQUIRE(pthread_attr_setstacksize(&attributes, stack_bytes()) == 0);
  pthread_t thread;
  REQUIRE(pthread_create(&thread, &attributes, run_job, job) == 0);
  REQUIRE(pthread_join(thread, nullptr) == 0);
  pthread_attr_destroy(&attributes);
}

// In a child, whose limits die with it. "" when all went; else what went wrong.
std::string run_without_addresses(Job job) {
  job.tight = true;
  std::size_t wanted = job.collected;
  return fatal_message([job, wanted]() mutable {
    run_job(&job);
    char text[128];
    if (job.built && job.left_over == 0 && job.collected == wanted) return;
    std::snprintf(text, sizeof text, "built %d, left %zu, collected %zu", job.built, job.left_over,
                  job.collected);
    on_fatal(nullptr, text);
  });
}

Pair *new_pair(loam_thread *thread, const Types &types) {
  return static_cast<Pair *>(loam_new(thread, types.pair));
}

// n pairs linked by `left`, newest first; the caller holds the newest.
Pair *build_links(loam_thread *thread, const Types &types, std::size_t count, Pair **out_oldest) {
  Pair *newest = new_pair(thread, types);
  *out_oldest = newest;
  for (std::size_t i = 1; i < count && newest != nullptr; ++i) {
    Pair *next = new_pair(thread, types);
    if (next == nullptr) return nullptr;
    give(thread, next->left, newest);
    newest = next;
  }
  return newest;
}

bool drop_chain(loam_thread *thread, const Types &types, std::size_t count) {
  Pair *oldest;
  Pair *newest = build_links(thread, types, count, &oldest);
  if (newest == nullptr) return false;
  loam_decref(thread, as_object(newest));
  return true;
}

bool leak_ring(loam_thread *thread, const Types &types, std::size_t count) {
  Pair *oldest;
  Pair *newest = build_links(thread, types, count, &oldest);
  if (newest == nullptr) return false;
  give(thread, oldest->left, newest);
  return true;
}

// A garbage self-loop with a long tail: marking what a live object reaches must not recurse either.
bool leak_lasso(loam_thread *thread, const Types &types, std::size_t count) {
  Pair *oldest;
  Pair *newest = build_links(thread, types, count, &oldest);
  if (newest == nullptr) return false;
  set(thread, newest->right, newest);
  bool kept = loam_collect(thread) == 0;
  loam_decref(thread, as_object(newest));
  return kept;
}

List *build_wide(loam_thread *thread, const Types &types, std::size_t count) {
  auto *list = static_cast<List *>(loam_new(thread, types.list));
  if (list == nullptr) return nullptr;
  for (std::size_t i = 0; i < count; ++i) {
    Pair *pair = new_pair(thread, types);
    if (pair == nullptr || !push(thread, list, box(pair))) return nullptr;
    loam_decref(thread, as_object(pair));
  }
  return list;
}

bool drop_wide(loam_thread *thread, const Types &types, std::size_t count) {
  List *list = build_wide(thread, types, count);
  if (list == nullptr) return false;
  loam_decref(thread, as_object(list));
  return true;
}

bool leak_wide(loam_thread *thread, const Types &types, std::size_t count) {
  List *list = build_wide(thread, types, count);
  if (list == nullptr) return false;
  auto *first = reinterpret_cast<Pair *>(unbox(list->items[0]));
  give(thread, first->left, list);
  return true;
}

// Every level is a comb: a chain whose every link holds a chain of its own.
bool drop_comb(loam_thread *thread, const Types &types, std::size_t count) {
  Pair *spine = nullptr;
  for (std::size_t made = 0; made < count; made += 1000) {
    Pair *oldest;
    Pair *next = new_pair(thread, types);
    Pair *tooth = build_links(thread, types, 999, &oldest);
    if (next == nullptr || tooth == nullptr) return false;
    give(thread, next->left, tooth);
    if (spine != nullptr) give(thread, next->right, spine);
    spine = next;
  }
  loam_decref(thread, as_object(spine));
  return true;
}

void check_released(Job job) {
  std::size_t expected = job.collected;
  run_on_small_stack(&job);
  CHECK(job.built);
  CHECK(job.collected == expected);
  CHECK(job.left_over == 0);
}

}  // namespace

TEST_CASE("a chain of ten million is released on a 64 KiB stack") {
  check_released({drop_chain, scaled(10000000), false});
}

TEST_CASE("an array of ten million is released on a 64 KiB stack") {
  std::size_t count = scaled(10000000);
  SUBCASE("by its count") { check_released({drop_wide, count, false}); }
  SUBCASE("as a cycle") { check_released({leak_wide, count, false, count + 1}); }
}

TEST_CASE("big structures are released in slices on a 64 KiB stack") {
  Job job = {drop_chain, scaled(10000000), false};
  job.budget = 1000;
  SUBCASE("a chain") {}
  SUBCASE("an array") { job.build = drop_wide; }
  SUBCASE("a comb, few at a time") {
    job.build = drop_comb;
    job.count = scaled(1000000);
    job.budget = 7;
  }
  check_released(job);
}

TEST_CASE("a ring is collected on a 64 KiB stack") {
  std::size_t count = scaled(1000000);
  SUBCASE("of a million") {}
  SUBCASE("of ten million") { count = scaled(10000000); }
  check_released({leak_ring, count, false, count});
}

TEST_CASE("a long tail is marked, then collected, on a 64 KiB stack") {
  std::size_t count = scaled(1000000);
  check_released({leak_lasso, count, false, count});
}

TEST_CASE("a comb of chains is released on a 64 KiB stack") {
  check_released({drop_comb, scaled(1000000), false});
}

TEST_CASE("big structures are let go when there are no more addresses") {
  if (instrumented()) return;  // the instruments map memory of their own
  std::size_t count = scaled(1000000);
  SUBCASE("a ring") { CHECK(run_without_addresses({leak_ring, count, true, count}) == ""); }
  SUBCASE("a cycle through an array") {
    CHECK(run_without_addresses({leak_wide, count, true, count + 1}) == "");
  }
  SUBCASE("a long tail") { CHECK(run_without_addresses({leak_lasso, count, true, count}) == ""); }
}
