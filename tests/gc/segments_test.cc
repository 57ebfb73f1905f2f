// Segments that a collection or a cascade empties: when they are given back, and what is taken from
// them afterwards.
#include <doctest/doctest.h>

#include <csetjmp>
#include <cstddef>
#include <vector>

#include "../support/host.h"

namespace {

using namespace loam::test;

constexpr std::size_t kPairs = 800000;  // six segments

// A chain by `left`, held by the reference that is returned.
Pair *chain(Host &host, std::size_t n, Pair *last) {
  for (std::size_t i = 0; i < n; ++i) {
    Pair *pair = host.pair();
    host.give(pair->left, last);
    last = pair;
  }
  return last;
}

std::size_t committed(Host &host) { return host.stats().segments_committed; }

}  // namespace

TEST_CASE("what one operation empties is given back at its end") {
  Host host;
  loam_collect_disable(host.thread);
  const std::size_t before = committed(host);
  SUBCASE("a collection") {
    host.leak_ring(kPairs);
    CHECK(committed(host) >= before + 5);
    CHECK(host.collect() == kPairs);
  }
  SUBCASE("a death by count") {
    Pair *head = chain(host, kPairs, host.pair());
    CHECK(committed(host) >= before + 5);
    host.drop(head);
  }
  SUBCASE("one with finalizers that let other objects die") {
    host.on_finalize = [&host](Pair *) { host.drop(chain(host, 2, host.pair())); };
    Pair *head = host.pair();
    for (int i = 0; i < 10; ++i) {
      Pair *finalized = host.finalized_pair();
      host.give(finalized->left, chain(host, kPairs / 10, head));
      head = finalized;
    }
    CHECK(committed(host) >= before + 5);
    host.drop(head);
  }
  SUBCASE("one whose finalizer was left by loam_unwind, at the next safepoint") {
    static std::jmp_buf out;
    host.on_finalize = [&host](Pair *) {
      loam_unwind(host.thread);
      std::longjmp(out, 1);
    };
    Pair *finalized = host.finalized_pair();
    host.give(finalized->left, host.pair());
    Pair *head = chain(host, kPairs, finalized);
    if (setjmp(out) == 0) host.drop(head);
    CHECK(committed(host) >= before + 5);
    loam_safepoint(host.thread);
  }
  CHECK(committed(host) <= before + 3);  // an idle one, and those of which the lists hold blocks
  CHECK(loam_verify(host.runtime, 2) == 0);
}

TEST_CASE("debug: what one operation empties stays, so that late uses are found") {
  Host host("debug");
  Pair *head = chain(host, kPairs / 2, host.pair());
  const std::size_t before = committed(host);
  CHECK(before >= 3);
  host.drop(head);
  host.leak_ring(kPairs / 2);
  host.collect();
  CHECK(committed(host) >= before);
  loam_trim(host.thread);
  CHECK(committed(host) < before);
}

TEST_CASE("what takes the place of segments that were given back together is zero") {
  Host host("full_minimum=64K");             // many a cycle is on its way
  loam_type_spec spec = spec_of("one", 16);  // fills its slabs' tables
  static const std::uint16_t offset = 8;
  spec.ref_offsets = &offset;
  spec.ref_count = 1;
  struct One {
    loam_object base;
    loam_object *next;
  };
  const loam_type *type = host.register_type(spec);
  constexpr std::size_t kObjects = kPairs / 2;
  for (int round = 0; round < 2; ++round) {
    auto *first = host.make<One>(type), *last = first;
    host.leak_ring(kObjects);
    for (std::size_t i = 0; i < kObjects; ++i) {
      auto *one = host.make<One>(type);
      host.give(one->next, last);
      last = one;
    }
    host.leak_ring(kObjects);
    host.set(first->next, last);
    host.drop(last);
    host.collect();
    CHECK(loam_verify(host.runtime, 2) == 0);
    std::vector<Sized *> sized;
    bool zero = true;
    for (std::size_t i = 0; i < kObjects; ++i) {
      sized.push_back(host.sized(6));
      for (std::size_t at = 0; at < 6; ++at) zero = zero && sized.back()->refs[at] == nullptr;
    }
    CHECK(zero);
    CHECK(loam_verify(host.runtime, 2) == 0);
    for (Sized *object : sized) host.drop(object);
  }
}
