// Types: checking a host's spec, and turning it into what the collector walks.
#include <cstring>

#include "runtime/runtime.h"

namespace {

using namespace loam;

constexpr size_t kAbsurdSize = size_t{1} << 47;  // more than a process can address
constexpr uint32_t kKnownFlags = LOAM_TYPE_ACYCLIC | LOAM_TYPE_PRIVATE_POOL | LOAM_TYPE_UNZEROED;

// A field of 8 bytes, behind the header and inside the instance. Widens *least_size to hold it.
bool field_fits(const loam_type_spec &spec, size_t offset, size_t *least_size) {
  const size_t end = offset + sizeof(uint64_t);
  if (offset % sizeof(uint64_t) != 0 || offset < sizeof(loam_object) || end < offset) return false;
  if (spec.instance_size != 0 ? end > spec.instance_size : end > kAbsurdSize) return false;
  if (end > *least_size) *least_size = end;
  return true;
}

bool fields_fit(const loam_type_spec &spec, const uint16_t *offsets, size_t count,
                size_t *least_size) {
  if (count > UINT16_MAX || (count != 0 && offsets == nullptr)) return false;
  for (size_t i = 0; i < count; ++i) {
    if (!field_fits(spec, offsets[i], least_size)) return false;
  }
  return true;
}

bool spec_is_sound(const loam_type_spec &spec, size_t *least_size) {
  if (spec.struct_size != sizeof(loam_type_spec) || spec.name == nullptr) return false;
  if ((spec.flags & ~kKnownFlags) != 0) return false;
  *least_size = sizeof(loam_object);
  const bool sized = spec.instance_size == 0;
  if (!sized && (spec.instance_size < sizeof(loam_object) || spec.instance_size >= kAbsurdSize)) {
    return false;
  }
  const bool described = spec.ref_count != 0 || spec.value_count != 0 || spec.items_offset != 0;
  if (described && spec.trace != nullptr) return false;
  if (!fields_fit(spec, spec.ref_offsets, spec.ref_count, least_size)) return false;
  if (!fields_fit(spec, spec.value_offsets, spec.value_count, least_size)) return false;
  if (spec.items_offset != 0) {
    if (!field_fits(spec, spec.items_offset, least_size)) return false;
    if (!field_fits(spec, spec.length_offset, least_size)) return false;
    if (spec.items_offset == spec.length_offset) return false;
  } else if (spec.length_offset != 0) {
    return false;
  }
  if ((spec.value_bits & ~spec.value_mask) != 0) return false;  // would match no word
  const bool has_edges = described || spec.trace != nullptr;
  if ((spec.flags & LOAM_TYPE_UNZEROED) != 0 && has_edges) return false;
  const bool is_private = (spec.flags & LOAM_TYPE_PRIVATE_POOL) != 0;
  return !is_private || (!sized && spec.instance_size <= LOAM_MAX_BLOCK);
}

gc::Type type_from(const loam_type_spec &spec, size_t least_size) {
  gc::Type type = {};
  type.has_edges = spec.ref_count != 0 || spec.value_count != 0 || spec.items_offset != 0 ||
                   spec.trace != nullptr;
  type.has_rest = spec.items_offset != 0 || spec.trace != nullptr;
  const bool tracked = type.has_edges && (spec.flags & LOAM_TYPE_ACYCLIC) == 0;
  type.kind = tracked ? alloc::Kind::kContainer : alloc::Kind::kLeaf;
  type.unzeroed = (spec.flags & LOAM_TYPE_UNZEROED) != 0;
  type.ref_count = static_cast<uint16_t>(spec.ref_count);
  type.value_count = static_cast<uint16_t>(spec.value_count);
  type.refs = spec.ref_offsets;
  type.values = spec.value_offsets;
  type.value_mask = spec.value_mask;
  type.value_bits = spec.value_bits;
  type.pointer_mask = spec.pointer_mask != 0 ? spec.pointer_mask : ~uint64_t{0};
  type.items_offset = spec.items_offset;
  type.length_offset = spec.length_offset;
  type.trace = spec.trace;
  type.finalize = spec.finalize;
  type.dispose = spec.dispose;
  type.least_size = least_size;
  type.name = spec.name;
  type.context = spec.context;
  return type;
}

}  // namespace

extern "C" {

loam_status loam_type_register(loam_runtime *runtime, const loam_type_spec *spec,
                               loam_type **out_type) {
  if (out_type == nullptr) return LOAM_EINVAL;
  *out_type = nullptr;
  size_t least_size;
  if (runtime == nullptr || spec == nullptr || !spec_is_sound(*spec, &least_size)) {
    return LOAM_EINVAL;
  }
  alloc::Heap &heap = runtime->heap;
  const bool is_private = (spec->flags & LOAM_TYPE_PRIVATE_POOL) != 0;
  if (is_private && !heap.has_private_head()) return LOAM_ENOMEM;
  gc::Type *type = runtime->collector.add_type(type_from(*spec, least_size));
  if (type == nullptr) return LOAM_ENOMEM;
  if (is_private) {
    type->pool_head =
        static_cast<uint16_t>(heap.open_private_pool(spec->instance_size, type->kind, type->name));
  }
  type->size = spec->instance_size <= UINT32_MAX ? static_cast<uint32_t>(spec->instance_size) : 0;
  type->instance_size = spec->instance_size;
  unsigned head = LOAM_HEAD_NULL;  // the slow path
  if (!heap.watched() && spec->instance_size != 0) {
    head = is_private ? type->pool_head : heap.head_for(spec->instance_size, type->kind);
  }
  type->head_offset = static_cast<uint32_t>(head * sizeof(loam_list));
  if (head != LOAM_HEAD_NULL) type->block_size = heap.pool(head).block_size;
  runtime->collector.publish(*type);
  *out_type = type;
  return LOAM_OK;
}

void *loam_type_context(const loam_type *type) { return rt::internal(type).context; }

const char *loam_type_name(const loam_type *type) { return rt::internal(type).name; }

}  // extern "C"
