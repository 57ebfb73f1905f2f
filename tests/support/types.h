// Object types for tests, one per way in which a host can describe its references, and the
// functions that write their fields with the counting that the host's contract asks for.
//
//   Pair     two references, by ref_offsets; also registered with a trace instead (traced_pair) and
//   with a
//            finalizer and a dispose (finalized_pair)
//   Triple   three references, by ref_offsets
//   Tagged   two words; a reference where the low three bits are 001
//   List     a growing array of such words behind a pointer, by items_offset
//   Sized    count references inside the object, by trace; instance_size 0, any size, large above
//   256 bytes Leaf     no references
#ifndef LOAM_TESTS_SUPPORT_TYPES_H
#define LOAM_TESTS_SUPPORT_TYPES_H

#include <loam/loam.h>

#include <cstddef>
#include <cstdint>

namespace loam::test {

struct Pair {
  loam_object base;
  loam_object *left, *right;
};

struct Triple {
  loam_object base;
  loam_object *refs[3];
};

struct Tagged {
  loam_object base;
  std::uint64_t words[2];
};

struct List {
  loam_object base;
  std::uint64_t *items;
  std::size_t length, capacity;
};

struct Sized {
  loam_object base;
  std::size_t count;
  loam_object *refs[1];  // count of them
};

struct Leaf {
  loam_object base;
  std::uint64_t payload[2];
};

constexpr std::uint64_t kTagMask = 7, kTagReference = 1;

// Tagged words: box() of NULL is a reference to nothing, number() is not a reference at all.
inline std::uint64_t box(const void *object) {
  return static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(object)) | kTagReference;
}
inline std::uint64_t number(std::uint64_t value) { return value << 3; }
inline bool is_reference(std::uint64_t word) { return (word & kTagMask) == kTagReference; }
inline loam_object *unbox(std::uint64_t word) {
  return is_reference(word) ? reinterpret_cast<loam_object *>(word & ~kTagMask) : nullptr;
}

// Any of the structs above, as the object that it starts with; nullptr stays nullptr.
template <class T>
loam_object *as_object(T *object) {
  return reinterpret_cast<loam_object *>(object);
}

// Stores `value` in a field, taking a reference of its own. The old value is dropped last: its
// teardown may run host code, which must find the field already changed.
template <class T>
void set(loam_thread *thread, loam_object *&field, T *value) {
  loam_xincref(thread, as_object(value));
  loam_object *old = field;
  field = as_object(value);
  loam_xdecref(thread, old);
}

// The same, but the caller's reference to `value` moves into the field.
template <class T>
void give(loam_thread *thread, loam_object *&field, T *value) {
  loam_object *old = field;
  field = as_object(value);
  loam_xdecref(thread, old);
}

// Stores a tagged word, counting what it refers to.
inline void set_word(loam_thread *thread, std::uint64_t &field, std::uint64_t word) {
  loam_xincref(thread, unbox(word));
  std::uint64_t old = field;
  field = word;
  loam_xdecref(thread, unbox(old));
}

// Appends a tagged word, counting what it refers to; false when memory ran out, and then nothing
// changed. The buffer grows before the length is published.
inline bool push(loam_thread *thread, List *list, std::uint64_t word) {
  if (list->length == list->capacity) {
    std::size_t capacity = list->capacity > 0 ? list->capacity * 2 : 4;
    void *items = loam_realloc(thread, list->items, capacity * sizeof(std::uint64_t));
    if (items == nullptr) return false;
    list->items = static_cast<std::uint64_t *>(items);
    list->capacity = capacity;
  }
  loam_xincref(thread, unbox(word));
  list->items[list->length] = word;
  ++list->length;
  return true;
}

// Bytes of a Sized with that many references.
inline std::size_t sized_bytes(std::size_t count) {
  return offsetof(Sized, refs) + count * sizeof(loam_object *);
}

// The types, registered with one runtime.
struct Types {
  loam_type *pair, *traced_pair, *finalized_pair, *triple, *tagged, *list, *sized, *leaf;
};

// What registering a spec needs besides its layout.
struct TypeHooks {
  loam_finalize_fn finalize;  // of finalized_pair
  loam_dispose_fn dispose;    // of finalized_pair
};

namespace detail {

inline void trace_pair(loam_object *self, loam_visitor *visitor) {
  Pair *pair = reinterpret_cast<Pair *>(self);
  loam_visit(visitor, pair->left);
  loam_visit(visitor, pair->right);
}

inline void trace_sized(loam_object *self, loam_visitor *visitor) {
  Sized *sized = reinterpret_cast<Sized *>(self);
  for (std::size_t i = 0; i < sized->count; ++i) loam_visit(visitor, sized->refs[i]);
}

inline void dispose_list(loam_thread *thread, loam_object *self) {
  loam_free(thread, reinterpret_cast<List *>(self)->items);
}

}  // namespace detail

inline loam_type_spec spec_of(const char *name, std::size_t instance_size) {
  loam_type_spec spec = {};
  spec.struct_size = sizeof spec;
  spec.name = name;
  spec.instance_size = instance_size;
  return spec;
}

// The spec of a Pair by ref_offsets: where a test wants a type of its own, it starts from here.
inline loam_type_spec pair_spec(const char *name) {
  static const std::uint16_t kOffsets[] = {offsetof(Pair, left), offsetof(Pair, right)};
  loam_type_spec spec = spec_of(name, sizeof(Pair));
  spec.ref_offsets = kOffsets;
  spec.ref_count = 2;
  return spec;
}

inline loam_type_spec triple_spec(const char *name) {
  static const std::uint16_t kOffsets[] = {8, 16, 24};
  static_assert(offsetof(Triple, refs) == 8, "kOffsets name the elements of refs");
  loam_type_spec spec = spec_of(name, sizeof(Triple));
  spec.ref_offsets = kOffsets;
  spec.ref_count = 3;
  return spec;
}

inline loam_type_spec tagged_spec(const char *name) {
  static const std::uint16_t kOffsets[] = {8, 16};
  static_assert(offsetof(Tagged, words) == 8, "kOffsets name the elements of words");
  loam_type_spec spec = spec_of(name, sizeof(Tagged));
  spec.value_offsets = kOffsets;
  spec.value_count = 2;
  spec.value_mask = kTagMask;
  spec.value_bits = kTagReference;
  spec.pointer_mask = ~kTagMask;
  return spec;
}

inline loam_type_spec list_spec(const char *name) {
  loam_type_spec spec = spec_of(name, sizeof(List));
  spec.value_mask = kTagMask;
  spec.value_bits = kTagReference;
  spec.pointer_mask = ~kTagMask;
  spec.items_offset = offsetof(List, items);
  spec.length_offset = offsetof(List, length);
  spec.dispose = detail::dispose_list;
  return spec;
}

// Registers all of Types, or those without a trace; the first status that is not LOAM_OK ends it.
inline loam_status register_types(loam_runtime *runtime, const TypeHooks &hooks, Types *out,
                                  bool traced_ones = true) {
  loam_type_spec traced = spec_of("traced_pair", sizeof(Pair));
  traced.trace = detail::trace_pair;
  loam_type_spec finalized = pair_spec("finalized_pair");
  finalized.finalize = hooks.finalize;
  finalized.dispose = hooks.dispose;
  loam_type_spec sized = spec_of("sized", 0);
  sized.trace = detail::trace_sized;

  struct {
    loam_type_spec spec;
    loam_type **out_type;
  } const rows[] = {
      {pair_spec("pair"), &out->pair},
      {traced, &out->traced_pair},
      {finalized, &out->finalized_pair},
      {triple_spec("triple"), &out->triple},
      {tagged_spec("tagged"), &out->tagged},
      {list_spec("list"), &out->list},
      {sized, &out->sized},
      {spec_of("leaf", sizeof(Leaf)), &out->leaf},
  };
  for (const auto &row : rows) {
    if (row.spec.trace != nullptr && !traced_ones) continue;
    loam_status status = loam_type_register(runtime, &row.spec, row.out_type);
    if (status != LOAM_OK) return status;
  }
  return LOAM_OK;
}

}  // namespace loam::test

#endif  // LOAM_TESTS_SUPPORT_TYPES_H
