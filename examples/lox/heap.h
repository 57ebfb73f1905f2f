// How the interpreter gets memory from Loam: objects by kind, and plain buffers.
//
// Every function that can fail returns NULL when memory ran out, after one full collection and a
// second try; the caller turns that into the Lox error "Out of memory.". The second try matters:
// instances have a finalizer, and Loam's own emergency collection leaves those alone.
//
// 1. Any call here may collect, so whatever the caller holds across it is counted.
// 2. Buffers count against the heap limit like objects, and die with the runtime.
#ifndef LOX_HEAP_H
#define LOX_HEAP_H

#include "value.h"

namespace lox {

enum Kind : uint8_t {
  kString,
  kFunction,
  kNative,
  kClosure,
  kUpvalue,
  kClass,
  kInstance,
  kBoundMethod,
  kList,
  kMap,
  kWeakRef,
  kKindCount
};

struct Heap {
  loam_runtime *runtime;
  loam_thread *thread;
  const loam_type *types[kKindCount];
  uint32_t type_ids[kKindCount];  // as found above the flags in an object's tag
  bool collects;                  // false under --no-collect: then failure is final
};

inline bool is_kind(const Heap &heap, const Object *object, Kind kind) {
  return object->tag >> LOAM_TAG_TYPE_SHIFT == heap.type_ids[kind];
}

inline bool is_kind(const Heap &heap, Value value, Kind kind) {
  return is_object(value) && is_kind(heap, as_object(value), kind);
}

Kind kind_of(const Heap &heap, const Object *object);

void *new_object_slow(Heap &heap, Kind kind);
void *new_sized(Heap &heap, Kind kind, size_t size);

// A new object of a kind of fixed size; the caller owns its one reference.
template <class T>
T *new_object(Heap &heap, Kind kind) {
  void *object = loam_new(heap.thread, heap.types[kind]);
  if (!LOAM_LIKELY(object != nullptr)) object = new_object_slow(heap, kind);
  return static_cast<T *>(object);
}

// NULL allocates; on failure the old block is untouched.
void *reallocate(Heap &heap, void *block, size_t size);

// An array that grows. It is what Loam calls items: `items` and `length` are what descriptors name,
// so the length is published only once the buffer is there.
template <class T>
struct Array {
  T *items;
  size_t length;
  size_t capacity;
};

template <class T>
bool array_reserve(Heap &heap, Array<T> *array, size_t capacity) {
  if (capacity <= array->capacity) return true;
  size_t grown = array->capacity < 4 ? 8 : array->capacity + array->capacity / 2;
  if (grown < capacity) grown = capacity;
  if (grown > SIZE_MAX / sizeof(T)) return false;
  void *items = reallocate(heap, array->items, grown * sizeof(T));
  if (items == nullptr) return false;
  array->items = static_cast<T *>(items);
  array->capacity = grown;
  return true;
}

// Appends; values are moved in, their count with them.
template <class T>
bool array_push(Heap &heap, Array<T> *array, T item) {
  if (array->length == array->capacity && !array_reserve(heap, array, array->length + 1)) {
    return false;
  }
  array->items[array->length] = item;
  ++array->length;
  return true;
}

template <class T>
void array_free(loam_thread *thread, Array<T> *array) {
  loam_free(thread, array->items);
  *array = Array<T>{};
}

}  // namespace lox

#endif
