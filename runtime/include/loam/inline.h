/* The hot calls. Each is at most two branches and no call on its hit path; what is rare is in the
 * named _slow partner. Included by loam.h; under LOAM_NO_INLINE the same names are plain exported
 * functions instead.
 *
 * loam_new: load the head, pop it, store the header. The payload is zero already.
 * loam_decref: test the sign (immortal), decrement, call out when the result is <= 0. loam_free:
 * one compare against the range, one slab look-up, push.
 */
#ifndef LOAM_INLINE_H
#define LOAM_INLINE_H

#include <loam/layout.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define LOAM_LIKELY(condition) __builtin_expect(!!(condition), 1)
#else
#define LOAM_LIKELY(condition) (condition)
#endif
#ifndef LOAM_HOT
#define LOAM_HOT static inline
#endif

/* The slow partners. Not for direct use; their contracts are those of the calls that end in them.
 */
LOAM_API void *loam_new_slow(loam_thread *thread, const loam_type *type);
LOAM_API void loam_decref_slow(loam_thread *thread, loam_object *object);
LOAM_API void *loam_malloc_slow(loam_thread *thread, size_t size);
LOAM_API void loam_free_slow(loam_thread *thread, void *block);
LOAM_API void loam_free_sized_slow(loam_thread *thread, void *block, size_t size);
LOAM_API void loam_safepoint_slow(loam_thread *thread);

#ifndef LOAM_NO_INLINE

LOAM_HOT void *loam_new(loam_thread *thread, const loam_type *type) {
  loam_list *list = (loam_list *)(void *)((char *)thread + type->head_offset);
  void **top = list->top;
  loam_object *object = (loam_object *)*top;
  if (LOAM_LIKELY(object != NULL)) {
    list->top = top - 1;
    /* in halves, as they will be read */
    object->refcount = 1;
    object->tag = (uint32_t)(type->header >> 32);
    return object;
  }
  return loam_new_slow(thread, type);
}

LOAM_HOT void loam_incref(loam_thread *thread, loam_object *object) {
  (void)thread;
  /* an overflow makes it immortal */
  if (LOAM_LIKELY((int32_t)object->refcount >= 0)) ++object->refcount;
}

LOAM_HOT void loam_decref(loam_thread *thread, loam_object *object) {
  int32_t count = (int32_t)object->refcount;
  if (LOAM_LIKELY(count >= 0)) {
    object->refcount = (uint32_t)--count;
    if (count <= 0) loam_decref_slow(thread, object);
  }
}

LOAM_HOT void *loam_malloc(loam_thread *thread, size_t size) {
  if (LOAM_LIKELY(size <= LOAM_MAX_BLOCK)) {
    size_t class_index = (size + (LOAM_CLASS_STEP - 1)) / LOAM_CLASS_STEP;
    loam_list *list = &thread->heads[LOAM_HEADS_RAW + class_index];
    void **top = list->top;
    void *block = *top;
    if (LOAM_LIKELY(block != NULL)) {
      list->top = top - 1;
      /* It is written next: a store that misses keeps others waiting, a prefetch does not. */
      __builtin_prefetch(block, 1);
      return block;
    }
  }
  return loam_malloc_slow(thread, size);
}

/* The common part of both frees: true when the block now waits on its list. */
static inline bool loam_push_freed(loam_thread *thread, void *pointer) {
  size_t offset = (uintptr_t)pointer - thread->range_base;
  if (LOAM_LIKELY(offset < thread->range_bytes)) {
    size_t head_offset = thread->slab_pools[offset >> LOAM_SLAB_SHIFT].head_offset;
    loam_list *list = (loam_list *)(void *)((char *)thread + head_offset);
    void **top = list->top;
    if (LOAM_LIKELY(top != list->limit)) {
      top[1] = pointer;
      list->top = top + 1;
      return true;
    }
  }
  return false;
}

LOAM_HOT void loam_free(loam_thread *thread, void *pointer) {
  if (!LOAM_LIKELY(loam_push_freed(thread, pointer))) loam_free_slow(thread, pointer);
}

LOAM_HOT void loam_free_sized(loam_thread *thread, void *pointer, size_t size) {
  if (!LOAM_LIKELY(loam_push_freed(thread, pointer))) loam_free_sized_slow(thread, pointer, size);
}

LOAM_HOT void loam_safepoint(loam_thread *thread) {
  if (!LOAM_LIKELY(__atomic_load_n(&thread->attention, __ATOMIC_RELAXED) == 0))
    loam_safepoint_slow(thread);
}

#endif /* LOAM_NO_INLINE */

#ifdef __cplusplus
}
#endif
#endif
