// Registering types: what is refused, what is copied, what runs out.
#include <string>
#include <vector>

#include "support/host.h"

namespace loam::test {
namespace {

// Whether the spec is refused, without a type and without a trace in the runtime.
bool refused(Host &host, const loam_type_spec &spec) {
  std::size_t before = host.stats().types;
  loam_type *type = reinterpret_cast<loam_type *>(&host);
  loam_status status = loam_type_register(host.runtime, &spec, &type);
  CHECK((status == LOAM_OK) == (type != nullptr));
  CHECK(host.stats().types == before + (status == LOAM_OK));
  return status == LOAM_EINVAL;
}

void trace_nothing(loam_object *, loam_visitor *) {}

TEST_CASE("registration refuses NULL in every parameter") {
  Host host;
  loam_type_spec spec = pair_spec("extra");
  loam_type *type = host.types.pair;
  CHECK(loam_type_register(nullptr, &spec, &type) == LOAM_EINVAL);
  CHECK(type == nullptr);
  type = host.types.pair;
  CHECK(loam_type_register(host.runtime, nullptr, &type) == LOAM_EINVAL);
  CHECK(type == nullptr);
  CHECK(loam_type_register(host.runtime, &spec, nullptr) == LOAM_EINVAL);
  spec.name = nullptr;
  CHECK(refused(host, spec));
}

TEST_CASE("registration refuses a struct of another size") {
  Host host;
  for (std::size_t size :
       {std::size_t{0}, std::size_t{8}, sizeof(loam_type_spec) - 8, sizeof(loam_type_spec) + 8}) {
    loam_type_spec spec = pair_spec("extra");
    spec.struct_size = size;
    CHECK(refused(host, spec));
  }
}

TEST_CASE("registration refuses a size below the header's and an absurd one") {
  Host host;
  for (std::size_t size : {std::size_t{1}, std::size_t{7}, SIZE_MAX, SIZE_MAX - 8, SIZE_MAX / 2,
                           std::size_t{1} << 48}) {
    INFO("size: ", size);
    CHECK(refused(host, spec_of("extra", size)));
  }
  CHECK_FALSE(refused(host, spec_of("header only", sizeof(loam_object))));
}

TEST_CASE("registration refuses an offset that is unaligned, in the header or outside") {
  Host host;
  const std::uint16_t wrong[] = {0, 4, 7, 12, 17, 20, 24, 32, 65528, 65535};
  for (std::uint16_t offset : wrong) {
    INFO("offset: ", offset);
    const std::uint16_t offsets[] = {8, offset};
    loam_type_spec spec = spec_of("refs", sizeof(Pair));
    spec.ref_offsets = offsets;
    spec.ref_count = 2;
    CHECK(refused(host, spec));
    spec = tagged_spec("values");
    spec.value_offsets = offsets;
    CHECK(refused(host, spec));
  }
  for (std::size_t offset : {std::size_t{4}, std::size_t{12}, std::size_t{25}, sizeof(List),
                             sizeof(List) - 4, SIZE_MAX, SIZE_MAX - 7}) {
    INFO("offset: ", offset);
    loam_type_spec spec = list_spec("items");
    spec.items_offset = offset;
    CHECK(refused(host, spec));
    spec = list_spec("length");
    spec.length_offset = offset;
    CHECK(refused(host, spec));
  }
  loam_type_spec spec = list_spec("length in the header");
  spec.length_offset = 0;
  CHECK(refused(host, spec));
}

TEST_CASE("registration refuses a count without offsets") {
  Host host;
  loam_type_spec spec = spec_of("refs", sizeof(Pair));
  spec.ref_count = 1;
  CHECK(refused(host, spec));
  spec = spec_of("values", sizeof(Tagged));
  spec.value_count = 1;
  CHECK(refused(host, spec));
}

TEST_CASE("registration refuses descriptors beside a trace") {
  Host host;
  for (loam_type_spec spec : {pair_spec("refs"), tagged_spec("values"), list_spec("items")}) {
    spec.trace = trace_nothing;
    CHECK(refused(host, spec));
  }
}

TEST_CASE("registration refuses flags that contradict the layout, and unknown ones") {
  Host host;
  loam_type_spec spec = pair_spec("unzeroed refs");
  spec.flags = LOAM_TYPE_UNZEROED;
  CHECK(refused(host, spec));
  spec = tagged_spec("unzeroed values");
  spec.flags = LOAM_TYPE_UNZEROED;
  CHECK(refused(host, spec));
  spec = list_spec("unzeroed items");
  spec.flags = LOAM_TYPE_UNZEROED;
  CHECK(refused(host, spec));
  spec = spec_of("unzeroed trace", sizeof(Pair));
  spec.trace = trace_nothing;
  spec.flags = LOAM_TYPE_UNZEROED;
  CHECK(refused(host, spec));
  for (std::size_t size : {std::size_t{0}, std::size_t{LOAM_MAX_BLOCK} + 1, std::size_t{4096}}) {
    spec = spec_of("private pool", size);
    spec.flags = LOAM_TYPE_PRIVATE_POOL;
    CHECK(refused(host, spec));
  }
  spec = pair_spec("unknown flag");
  spec.flags = 1u << 31;
  CHECK(refused(host, spec));
}

TEST_CASE("every flag that fits its layout is taken") {
  Host host;
  loam_type_spec spec = pair_spec("acyclic");
  spec.flags = LOAM_TYPE_ACYCLIC | LOAM_TYPE_PRIVATE_POOL;
  CHECK_FALSE(refused(host, spec));
  spec = spec_of("unzeroed", sizeof(Leaf));
  spec.flags = LOAM_TYPE_UNZEROED | LOAM_TYPE_PRIVATE_POOL;
  CHECK_FALSE(refused(host, spec));
  spec = spec_of("largest private", LOAM_MAX_BLOCK);
  spec.flags = LOAM_TYPE_PRIVATE_POOL;
  CHECK_FALSE(refused(host, spec));
}

TEST_CASE("a spec is copied, its name and offsets included") {
  Host host;
  std::string name = "copied";
  std::vector<std::uint16_t> offsets = {8, 16};
  loam_type_spec spec = spec_of(name.c_str(), sizeof(Pair));
  spec.context = &host;
  spec.ref_offsets = offsets.data();
  spec.ref_count = 2;
  loam_type *type = host.register_type(spec);
  name.assign("******");
  offsets.assign({0, 0});
  spec = {};
  CHECK(std::string(loam_type_name(type)) == "copied");
  CHECK(loam_type_context(type) == &host);
  Pair *pair = host.make<Pair>(type);
  host.set(pair->right, pair);
  CHECK(loam_type_of(host.runtime, as_object(pair)) == type);
  host.drop(pair);
  CHECK(host.collect() == 1);
}

TEST_CASE("two types may share a name, and stay two types") {
  Host host;
  loam_type *a = host.register_type(pair_spec("same")), *b = host.register_type(pair_spec("same"));
  CHECK(a != b);
  Pair *pair = host.make<Pair>(b);
  CHECK(loam_type_of(host.runtime, as_object(pair)) == b);
  host.drop(pair);
}

TEST_CASE("private pools beyond the last head are refused with ENOMEM, and all others work") {
  Host host;
  loam_type_spec spec = pair_spec("private");
  spec.flags = LOAM_TYPE_PRIVATE_POOL;
  std::vector<loam_type *> types;
  loam_status status = LOAM_OK;
  for (loam_type *type; types.size() <= LOAM_HEAD_COUNT; types.push_back(type)) {
    status = loam_type_register(host.runtime, &spec, &type);
    if (status != LOAM_OK) {
      CHECK(type == nullptr);
      break;
    }
  }
  CHECK(status == LOAM_ENOMEM);
  CHECK(types.size() == LOAM_HEAD_COUNT - LOAM_HEADS_PRIVATE);
  host.register_type(pair_spec("shared"));
  loam_collect_disable(host.thread);
  for (loam_type *type : types) {
    Pair *pair = host.make<Pair>(type);
    CHECK(loam_type_of(host.runtime, as_object(pair)) == type);
    CHECK(pair->left == nullptr);
    host.set(pair->left, pair);
    host.drop(pair);
  }
  CHECK(host.verify());
  CHECK(host.collect() == types.size());
}

TEST_CASE("a hundred thousand types can be registered and used") {
  Host host;
  std::size_t n = scaled(100000);
  loam_type *last = nullptr;
  for (std::size_t i = 0; i < n; ++i) last = host.register_type(pair_spec("many"));
  CHECK(host.stats().types >= n);
  Pair *pair = host.make<Pair>(last);
  CHECK(loam_type_of(host.runtime, as_object(pair)) == last);
  host.drop(pair);
}

}  // namespace
}  // namespace loam::test
