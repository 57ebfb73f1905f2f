#include "heap.h"

namespace lox {

namespace {

bool collect_and_retry(Heap &heap) { return heap.collects && loam_collect(heap.thread) != 0; }

}  // namespace

Kind kind_of(const Heap &heap, const Object *object) {
  int kind = 0;
  while (!is_kind(heap, object, static_cast<Kind>(kind))) ++kind;
  return static_cast<Kind>(kind);
}

void *new_object_slow(Heap &heap, Kind kind) {
  if (!collect_and_retry(heap)) return nullptr;
  return loam_new(heap.thread, heap.types[kind]);
}

void *new_sized(Heap &heap, Kind kind, size_t size) {
  void *object = loam_new_sized(heap.thread, heap.types[kind], size);
  if (object == nullptr && collect_and_retry(heap)) {
    object = loam_new_sized(heap.thread, heap.types[kind], size);
  }
  return object;
}

void *reallocate(Heap &heap, void *block, size_t size) {
  void *moved = loam_realloc(heap.thread, block, size);
  if (moved == nullptr && collect_and_retry(heap)) {
    moved = loam_realloc(heap.thread, block, size);
  }
  return moved;
}

}  // namespace lox
