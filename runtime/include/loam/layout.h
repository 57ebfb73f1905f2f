/* Loam's vocabulary: the layouts and constants that compiled-in fast paths (yours, a JIT's,
 * inline.h's) share with the library. Everything here is part of the ABI that LOAM_ABI numbers.
 *
 * object block | refcount : 32 | tag : 32 | payload ... | tag = type << 8 | flags
 *   free block     |        0 : 64            | zero ...     |   tag 0 means free
 *
 * Invariants: a free block of an object kind is zero; so a payload comes zeroed.
 * Threads: the layouts are plain memory; only the thread that owns a loam_thread touches it,
 * `attention` excepted.
 */
#ifndef LOAM_LAYOUT_H
#define LOAM_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Version of every layout in the public headers; loam_runtime_create_abi refuses another. */
#define LOAM_ABI 1u

#ifdef __cplusplus
extern "C" {
#endif

typedef enum loam_status {
  LOAM_OK = 0,
  LOAM_ENOMEM, /* memory, addresses, or a table with a fixed bound ran out */
  LOAM_EINVAL, /* an argument is outside what the call documents */
  LOAM_ESTATE, /* the call is not legal now (for example from inside a callback) */
  LOAM_EABI    /* the caller was compiled against another LOAM_ABI */
} loam_status;

typedef struct loam_runtime loam_runtime;
typedef struct loam_thread loam_thread;
typedef struct loam_type loam_type;
typedef struct loam_visitor loam_visitor;
typedef struct loam_weak loam_weak;

/* The header that starts every object. Hosts embed it as their struct's first member and never
 * write it. */
typedef struct loam_object {
  uint32_t refcount; /* references held; sign bit set: immortal, never changed again */
  uint32_t tag;      /* type << LOAM_TAG_TYPE_SHIFT | LOAM_FLAG_*; 0: a free block */
} loam_object;

enum {
  LOAM_TAG_TYPE_SHIFT = 8,
  LOAM_FLAG_WEAK = 1 << 0,      /* a weak reference names this object as target or owner */
  LOAM_FLAG_FINALIZED = 1 << 1, /* the finalizer has been called; it is never called again */
  LOAM_FLAG_LARGE = 1 << 2,     /* outside the range, behind a large prefix */
  LOAM_FLAG_OLD = 1 << 3,       /* survived a collection: freeing it clears its `allocated` bit */
  LOAM_FLAG_CONDEMNED = 1 << 4, /* proven unreachable by the collector, not freed yet */
  LOAM_FLAG_FINALIZING = 1 << 5 /* its finalizer or a weak callback on it is running */
};

/* Size classes: steps of 8 bytes, 16 to 256. Multiples of 16 are 16-byte aligned. */
enum {
  LOAM_CLASS_STEP = 8,
  LOAM_MIN_BLOCK = 16,
  LOAM_MAX_BLOCK = 256, /* header included; anything above is large */
  LOAM_SLAB_SHIFT = 16  /* slabs of 64 KiB */
};

/* Heads of lists of free blocks. head = LOAM_HEADS_<KIND> + block size / LOAM_CLASS_STEP, and one
 * more, LOAM_HEADS_RAW + 1, for plain memory of 1 to 8 bytes, in blocks of 16: so its head follows
 * from a size alone. Memory of no bytes takes the slow path. */
enum {
  LOAM_HEAD_NULL = 0, /* empty and full, always: what must take the slow path points here */
  LOAM_HEADS_RAW = 0,
  LOAM_HEADS_LEAF = 32,
  LOAM_HEADS_CONTAINER = 64,
  LOAM_HEADS_PRIVATE = 97, /* one per LOAM_TYPE_PRIVATE_POOL type, in order of registration */
  LOAM_HEAD_COUNT = 512
};

/* Where the blocks of a slab come from and return to. */
typedef struct loam_slab_pool {
  uint16_t head_offset; /* byte offset in loam_thread of the head */
  uint16_t block_size;  /* bytes; 0: of a slab that is not in use, whose head is LOAM_HEAD_NULL's */
} loam_slab_pool;

/* The head of a thread's list of free blocks.
 *
 *                            top ----.                limit ----.
 *                                    v                          v
 *   slots   | NULL | block | block | block | (free) | ... | (the last) |
 *
 * A pop takes what top points at, unless that is NULL, and steps back. A push steps on and stores
 * there, unless top == limit. No list reads or writes the blocks themselves. */
typedef struct loam_list {
  void **top;
  void **limit;
} loam_list;

/* The public prefix of a thread. Writer of every field: the library, on this thread, unless said
 * otherwise. */
struct loam_thread {
  loam_list heads[LOAM_HEAD_COUNT];
  const loam_slab_pool *slab_pools; /* by slab of the range */
  uintptr_t range_base;             /* first address of the range */
  size_t range_bytes;               /* reserved length of the range */
  /* non-zero: the next safepoint has work. Written from signal handlers too: atomic */
  uint32_t attention;
  loam_runtime *runtime;
  void *context; /* options.context */
};

/* The public prefix of a type. */
struct loam_type {
  uint64_t header;      /* what a new object's first 8 bytes are: count 1, tag, no flags */
  uint32_t head_offset; /* byte offset in loam_thread of the head to pop */
  uint32_t size;        /* instance size in bytes, header included; 0: given per object */
};

/* Reports each strong edge of self with loam_visit, and does nothing else: it neither allocates,
 * frees, collects nor changes a count. Called with self intact, at any point where collection may
 * happen and once in teardown. */
typedef void (*loam_trace_fn)(loam_object *self, loam_visitor *visitor);
/* Called at most once per object, on intact neighbours; may call anything, and may resurrect self
 * by taking a reference. */
typedef void (*loam_finalize_fn)(loam_thread *thread, loam_object *self);
/* Releases what trace does not report; its children are released already and must not be touched.
 */
typedef void (*loam_dispose_fn)(loam_thread *thread, loam_object *self);
/* Called once after `weak` was cleared, before any finalizer of the same garbage. May call
 * anything. */
typedef void (*loam_weak_fn)(loam_thread *thread, loam_weak *weak, void *context);

#ifdef __cplusplus
}
#endif
#endif
