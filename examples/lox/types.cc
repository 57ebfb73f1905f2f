#include "types.h"

#include "finalizers.h"
#include "object.h"
#include "strings.h"
#include "vm.h"

namespace lox {

namespace {

Vm &vm_of(loam_thread *thread) { return *static_cast<Vm *>(loam_thread_context(thread)); }

// Children are released by Loam, from the descriptors; these give back what those do not name.

void dispose_string(loam_thread *thread, Object *self) {
  forget_string(&vm_of(thread).strings, as<String>(self));
}

void dispose_function(loam_thread *thread, Object *self) {
  auto *function = as<Function>(self);
  array_free(thread, &function->constants);
  array_free(thread, &function->code);
  array_free(thread, &function->lines);
}

void dispose_class(loam_thread *thread, Object *self) {
  loam_free(thread, as<Class>(self)->methods.slots);
}

void dispose_instance(loam_thread *thread, Object *self) {
  loam_free(thread, as<Instance>(self)->fields.slots);
}

void dispose_list(loam_thread *thread, Object *self) { array_free(thread, &as<List>(self)->items); }

void dispose_map(loam_thread *thread, Object *self) {
  array_free(thread, &as<Map>(self)->entries);
  loam_free(thread, as<Map>(self)->index);
}

void dispose_weak_ref(loam_thread *thread, Object *self) {
  loam_weak_destroy(thread, as<WeakRef>(self)->weak);
}

void finalize_instance(loam_thread *thread, Object *self) {
  queue_if_watched(vm_of(thread), as<Instance>(self));
}

// The layouts, as Loam is told them. One reference field at most is named here besides values.
struct Layout {
  const char *name;
  size_t size;         // 0: given per object
  uint32_t flags;      // LOAM_TYPE_*
  uint16_t reference;  // offset of a pointer to an object, or 0
  uint16_t value;      // offset of a Value, or 0
  size_t items;        // offset of the pointer to an array of words, or 0
  size_t length;
  uint64_t word_bits;  // kObjectBits: the array holds Values; 0: plain pointers
  loam_finalize_fn finalize;
  loam_dispose_fn dispose;
};

constexpr size_t items_of(size_t array) { return array + offsetof(Array<Value>, items); }
constexpr size_t length_of(size_t array) { return array + offsetof(Array<Value>, length); }
constexpr size_t slots_of(size_t table) { return table + offsetof(Table, slots); }
constexpr size_t count_of(size_t table) { return table + offsetof(Table, length); }

// In the order of Kind. A function's constants are strings, numbers and other functions, all made
// before it: a tree, so it needs no tracking.
constexpr Layout kLayouts[kKindCount] = {
    {"string", 0, LOAM_TYPE_UNZEROED, 0, 0, 0, 0, 0, nullptr, dispose_string},
    {"function", sizeof(Function), LOAM_TYPE_ACYCLIC, offsetof(Function, name), 0,
     items_of(offsetof(Function, constants)), length_of(offsetof(Function, constants)), kObjectBits,
     nullptr, dispose_function},
    {"native", sizeof(Native), 0, 0, 0, 0, 0, 0, nullptr, nullptr},
    {"closure", 0, 0, offsetof(Closure, function), 0, offsetof(Closure, upvalues),
     offsetof(Closure, upvalue_count), 0, nullptr, nullptr},
    {"upvalue", sizeof(Upvalue), 0, 0, offsetof(Upvalue, closed), 0, 0, kObjectBits, nullptr,
     nullptr},
    {"class", sizeof(Class), 0, offsetof(Class, name), 0, slots_of(offsetof(Class, methods)),
     count_of(offsetof(Class, methods)), kObjectBits, nullptr, dispose_class},
    {"instance", sizeof(Instance), 0, offsetof(Instance, klass), 0,
     slots_of(offsetof(Instance, fields)), count_of(offsetof(Instance, fields)), kObjectBits,
     finalize_instance, dispose_instance},
    {"bound method", sizeof(BoundMethod), 0, offsetof(BoundMethod, method),
     offsetof(BoundMethod, receiver), 0, 0, kObjectBits, nullptr, nullptr},
    {"list", sizeof(List), 0, offsetof(List, klass), 0, items_of(offsetof(List, items)),
     length_of(offsetof(List, items)), kObjectBits, nullptr, dispose_list},
    {"map", sizeof(Map), 0, offsetof(Map, klass), 0, items_of(offsetof(Map, entries)),
     length_of(offsetof(Map, entries)), kObjectBits, nullptr, dispose_map},
    {"weak reference", sizeof(WeakRef), 0, offsetof(WeakRef, klass), 0, 0, 0, 0, nullptr,
     dispose_weak_ref},
};

loam_status register_layout(Heap &heap, Kind kind) {
  const Layout &layout = kLayouts[kind];
  loam_type_spec spec = {};
  spec.struct_size = sizeof spec;
  spec.name = layout.name;
  spec.instance_size = layout.size;
  spec.flags = layout.flags;
  spec.ref_offsets = &layout.reference;
  spec.ref_count = layout.reference != 0;
  spec.value_offsets = &layout.value;
  spec.value_count = layout.value != 0;
  spec.value_mask = spec.value_bits = layout.word_bits;
  spec.pointer_mask = layout.word_bits == 0 ? 0 : kPointerMask;
  spec.items_offset = layout.items;
  spec.length_offset = layout.length;
  spec.finalize = layout.finalize;
  spec.dispose = layout.dispose;

  loam_type *type = nullptr;
  loam_status status = loam_type_register(heap.runtime, &spec, &type);
  if (status != LOAM_OK) return status;
  heap.types[kind] = type;
  Object fresh;  // what loam_new stores as the header: its tag carries the number of the type
  std::memcpy(&fresh, &type->header, sizeof fresh);
  heap.type_ids[kind] = fresh.tag >> LOAM_TAG_TYPE_SHIFT;
  return LOAM_OK;
}

}  // namespace

loam_status register_types(Heap &heap) {
  for (int kind = 0; kind < kKindCount; ++kind) {
    loam_status status = register_layout(heap, static_cast<Kind>(kind));
    if (status != LOAM_OK) return status;
  }
  return LOAM_OK;
}

}  // namespace lox
