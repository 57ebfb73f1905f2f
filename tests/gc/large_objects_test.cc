// Objects above 256 bytes are containers, garbage, weak targets and finalizable like any other.
#include <doctest/doctest.h>

#include <vector>

#include "../support/host.h"

namespace {

using namespace loam::test;

constexpr std::size_t kRefs[] = {30, 31, 32, 100, 5000, 200000};  // from 256 bytes to 1.6 MB

std::size_t large_finalized, large_disposed;
Sized *large_saved;

void count_finalizer(loam_thread *, loam_object *) { ++large_finalized; }
void count_dispose(loam_thread *, loam_object *) { ++large_disposed; }
void save(loam_thread *thread, loam_object *self) {
  ++large_finalized;
  loam_incref(thread, self);
  large_saved = reinterpret_cast<Sized *>(self);
}

loam_type *finalized_large(Host &host, loam_finalize_fn finalize) {
  large_finalized = large_disposed = 0;
  large_saved = nullptr;
  loam_type_spec spec = spec_of("large", 0);
  spec.trace = detail::trace_sized;
  spec.finalize = finalize;
  spec.dispose = count_dispose;
  return host.register_type(spec);
}

Sized *new_large(Host &host, const loam_type *type, std::size_t refs) {
  auto *large = static_cast<Sized *>(loam_new_sized(host.thread, type, sized_bytes(refs)));
  REQUIRE(large != nullptr);
  large->count = refs;
  return large;
}

}  // namespace

TEST_CASE("a sized object comes zeroed, and goes by its count with its children") {
  Host host;
  for (std::size_t refs : kRefs) {
    CAPTURE(refs);
    Sized *sized = host.sized(refs);
    bool zero = true;
    for (std::size_t i = 0; i < refs; ++i) zero = zero && sized->refs[i] == nullptr;
    CHECK(zero);
    for (std::size_t i = 0; i < refs; i += 10) host.give(sized->refs[i], host.pair());
    host.drop(sized);
    CHECK(host.bytes() == 0);
  }
}

TEST_CASE("large garbage is collected, young and old, and large live objects are kept") {
  for (std::size_t refs : kRefs) {
    for (bool old : {false, true}) {
      CAPTURE(refs);
      CAPTURE(old);
      Host host;
      Sized *garbage = host.sized(refs);
      Sized *live = host.sized(refs);
      host.set(garbage->refs[refs - 1], garbage);
      host.set(live->refs[refs - 1], live);
      if (old) CHECK(host.collect() == 0);
      host.drop(garbage);
      CHECK(loam_collect_young(host.thread) == (old ? 0 : 1));
      CHECK(host.collect() == (old ? 1 : 0));
      CHECK(live->refs[refs - 1] == as_object(live));
      CHECK(host.verify());
      host.drop(live);
      CHECK(host.collect() == 1);
    }
  }
}

TEST_CASE("cycles between large and small objects of both ages are collected") {
  Host host;
  Sized *large = host.sized(50);
  Pair *pair = host.pair();
  SUBCASE("both young") {}
  SUBCASE("both old") { host.collect(); }
  SUBCASE("the large one old") {
    host.drop(pair);
    host.collect();
    pair = host.pair();
  }
  SUBCASE("the small one old") {
    host.drop(large);
    host.collect();
    large = host.sized(50);
  }
  host.give(large->refs[49], pair);
  host.give(pair->left, large);
  CHECK(host.verify());
  CHECK(host.collect() == 2);
  CHECK(host.bytes() == 0);
}

TEST_CASE("a large object is finalized and disposed once") {
  Host host;
  Sized *large = new_large(host, finalized_large(host, count_finalizer), 100);
  SUBCASE("by count") { host.drop(large); }
  SUBCASE("by a young collection") {
    host.set(large->refs[0], large);
    host.drop(large);
    CHECK(loam_collect_young(host.thread) == 1);
  }
  SUBCASE("by a full collection, old") {
    host.set(large->refs[0], large);
    host.collect();
    host.drop(large);
    CHECK(host.collect() == 1);
  }
  CHECK(large_finalized == 1);
  CHECK(large_disposed == 1);
  CHECK(host.stats().large_blocks == 0);
}

TEST_CASE("a large object may resurrect itself") {
  Host host;
  Sized *large = new_large(host, finalized_large(host, save), 100);
  bool cyclic = false;
  SUBCASE("by count") {}
  SUBCASE("by the collector") { cyclic = true; }
  if (cyclic) host.set(large->refs[0], large);
  host.drop(large);
  CHECK(host.collect() == 0);
  REQUIRE(large_saved == large);
  CHECK(large_disposed == 0);
  CHECK(host.verify());
  host.drop(large);
  CHECK(host.collect() == (cyclic ? 1 : 0));
  CHECK(large_finalized == 1);
  CHECK(large_disposed == 1);
}

TEST_CASE("thousands of large objects in one ring go in one collection") {
  Host host;
  loam_collect_disable(host.thread);
  std::size_t count = scaled(20000);
  std::vector<Sized *> ring(count);
  for (Sized *&large : ring) large = host.sized(40);
  for (std::size_t i = 0; i < count; ++i) host.set(ring[i]->refs[i % 40], ring[(i + 1) % count]);
  for (Sized *large : ring) host.drop(large);
  CHECK(host.stats().large_blocks == count);
  CHECK(host.collect() == count);
  CHECK(host.stats().large_blocks == 0);
  CHECK(host.bytes() == 0);
}

TEST_CASE("large leaves are never judged, and go by their count") {
  Host host;
  loam_type *bytes = host.register_type(spec_of("bytes", 0));
  loam_object *large = static_cast<loam_object *>(loam_new_sized(host.thread, bytes, 100000));
  REQUIRE(large != nullptr);
  std::uint64_t before = host.stats().collections[LOAM_COLLECTION_FULL].survivors;
  CHECK(host.collect() == 0);
  CHECK(host.stats().collections[LOAM_COLLECTION_FULL].survivors == before);
  host.drop(large);
  CHECK(host.bytes() == 0);
}
