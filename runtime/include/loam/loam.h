/* Loam: an embeddable memory manager for scripting runtimes. C11 and C++17.
 *
 * A host creates a runtime, registers its types, and allocates objects with loam_new. Objects die
 * when their count reaches zero; the collector finds the cycles that counts alone would leak.
 *
 *     loam_runtime ── one heap, its types, its collector
 *       └ loam_thread ── one OS thread attached to it
 *           └ objects: struct node { loam_object base; ... };
 *
 * You never need a global: every call takes the thread (or the runtime) first.
 *
 * THE HOST'S CONTRACT
 *   1. Wherever collection may happen, every edge that a trace reports is already counted.
 *      Decrements may be late, increments never.
 *   2. Grow a buffer before publishing its length.
 *   3. A borrowed reference that lives across a safepoint needs a counted one that outlives it.
 *   4. dispose may release what trace does not report, and touches nothing else.
 *   5. Host code called back returns, or calls loam_unwind on its way out.
 *
 * Every comment below ends in four words. Ownership: who holds what afterwards. Errors: what is
 * returned, the heap being as it was. Threads: "own" means only from the OS thread that `thread`
 * belongs to. May collect: whether objects that only cycles keep alive may be finalized and freed
 * during the call. A NULL handle where none is allowed is LOAM_EINVAL from calls that return a
 * status; other out-of-line calls report it to the fatal handler in debug mode; elsewhere it is
 * undefined.
 *
 * Define LOAM_NO_INLINE before including to call the hot functions as plain exported symbols (FFI,
 * stable ABI).
 */
#ifndef LOAM_LOAM_H
#define LOAM_LOAM_H

#include <loam/layout.h>
#include <loam/options.h>
#include <loam/stats.h>

/* noplt, where the compiler knows it: a call reads the address by itself, without the stub that the
 * linker would put in between. */
#if defined(__has_attribute)
#if __has_attribute(noplt)
#define LOAM_API __attribute__((visibility("default"), noplt))
#endif
#endif
#if !defined(LOAM_API) && defined(__GNUC__)
#define LOAM_API __attribute__((visibility("default")))
#elif !defined(LOAM_API)
#define LOAM_API
#endif

#include <loam/inline.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ── Runtimes ────────────────────────────────────────────────────────────────────────────────── */

/* loam_runtime_create with the caller's ABI spelled out; for FFI. LOAM_EABI when it is not the
 * library's. */
LOAM_API loam_status loam_runtime_create_abi(uint32_t abi, const loam_options *options,
                                             loam_runtime **out_runtime);

/* Creates an isolate and attaches the calling thread. options may be NULL: all defaults; they are
 * copied.
 * Ownership: the caller's, until loam_runtime_destroy. Errors: ENOMEM, EINVAL (an option out of
 * bounds, a bad $LOAM_OPTIONS, a trace_file that cannot be created), EABI; *out_runtime is NULL
 * then. Threads: any. May collect: no. */
static inline loam_status loam_runtime_create(const loam_options *options,
                                              loam_runtime **out_runtime) {
  return loam_runtime_create_abi(LOAM_ABI, options, out_runtime);
}

/* Collects, then finalizes, disposes and frees everything still alive, and gives all memory back.
 * NULL does nothing.
 * Ownership: every pointer that came from the runtime is gone. Errors: inside a callback, the
 * fatal handler. Threads: own (the main thread). May collect: yes. */
LOAM_API void loam_runtime_destroy(loam_runtime *runtime);

/* The thread that created the runtime. Ownership: borrowed, lives as long as the runtime. Errors:
 * none. Threads: any. May collect: no. */
LOAM_API loam_thread *loam_runtime_main_thread(loam_runtime *runtime);

/* The runtime that a thread is attached to, and options.context. Ownership: borrowed. Errors:
 * none. Threads: any. May collect: no. */
LOAM_API loam_runtime *loam_thread_runtime(loam_thread *thread);
LOAM_API void *loam_thread_context(loam_thread *thread);

/* Applies "name=value,name=value" to *options: sizes take K, M, G; flags take
 * 0/1/true/false/on/off; collect_at takes new or safepoint; trace_file takes a path without a
 * comma; torture takes "fail_at:3+verify".
 * A flag alone is on, 0 is the default, and space around separators is skipped.
 * Names are the fields of loam_options. Ownership: none moves.
 * Errors: EINVAL for an unknown name, a bad value or one out of bounds; *options is unchanged
 * then. Threads: any. May collect: no. */
LOAM_API loam_status loam_options_parse(loam_options *options, const char *text);

/* ── Types ───────────────────────────────────────────────────────────────────────────────────── */

enum {
  LOAM_TYPE_ACYCLIC = 1 << 0,      /* never part of a cycle: not tracked by the collector */
  LOAM_TYPE_PRIVATE_POOL = 1 << 1, /* slabs of its own; needs 0 < instance_size <= LOAM_MAX_BLOCK */
  /* payload may come uninitialised; only for types without references */
  LOAM_TYPE_UNZEROED = 1 << 2
};

/* One layout. Copied by loam_type_register, arrays and name included. Zero-initialise, then set
 * what applies. References are described either by the descriptors below or by trace, not by both;
 * a type with neither is a leaf. */
typedef struct loam_type_spec {
  size_t struct_size;   /* sizeof(loam_type_spec) */
  const char *name;     /* for reports; not NULL */
  void *context;        /* the host's, see loam_type_context */
  size_t instance_size; /* bytes, header included; 0: given per object to loam_new_sized */
  uint32_t flags;       /* LOAM_TYPE_* */

  /* Offsets (multiples of 8, behind the header, inside the instance) of fields that hold a
   * loam_object * or NULL. */
  const uint16_t *ref_offsets;
  size_t ref_count;
  /* Offsets of fields that hold tagged words: a reference where (word & value_mask) == value_bits,
   * to word & pointer_mask (or NULL). A pointer_mask of 0 means all bits; with value_mask 0 every
   * word is a reference. */
  const uint16_t *value_offsets;
  size_t value_count;
  uint64_t value_mask, value_bits, pointer_mask;
  /* An array of tagged words as above, behind the pointer at items_offset; its length is the
   * size_t at length_offset. items_offset 0: none. The pointer may be NULL while the length is 0.
   * The host frees the array, in dispose. */
  size_t items_offset, length_offset;

  loam_trace_fn trace;       /* for every other layout */
  loam_finalize_fn finalize; /* at most once; sees intact neighbours; may resurrect */
  /* release what trace does not report: buffers, files, entries in uncounted tables */
  loam_dispose_fn dispose;
} loam_type_spec;

/* Registers a type for the life of the runtime. Ownership: *out_type is the runtime's. Errors:
 * EINVAL (an offset out of range or unaligned, an absurd size, flags that contradict the layout),
 * ENOMEM (also when 2^24 types or all private heads are taken); *out_type is NULL then. Threads:
 * own. May collect: no. */
LOAM_API loam_status loam_type_register(loam_runtime *runtime, const loam_type_spec *spec,
                                        loam_type **out_type);

/* spec.context, and spec.name (the runtime's copy). Ownership: borrowed. Errors: none. Threads:
 * any. May collect: no. */
LOAM_API void *loam_type_context(const loam_type *type);
LOAM_API const char *loam_type_name(const loam_type *type);

/* ── Objects ─────────────────────────────────────────────────────────────────────────────────── */

#ifdef LOAM_NO_INLINE
LOAM_API void *loam_new(loam_thread *thread, const loam_type *type);
LOAM_API void loam_incref(loam_thread *thread, loam_object *object);
LOAM_API void loam_decref(loam_thread *thread, loam_object *object);
LOAM_API void *loam_malloc(loam_thread *thread, size_t size);
LOAM_API void loam_free(loam_thread *thread, void *pointer);
LOAM_API void loam_free_sized(loam_thread *thread, void *pointer, size_t size);
LOAM_API void loam_safepoint(loam_thread *thread);
#endif

/* void *loam_new(loam_thread *thread, const loam_type *type);
 * An object of type->size bytes, zeroed behind its header. Types with instance_size 0 need
 * loam_new_sized.
 * Ownership: one reference, the caller's. Errors: NULL at the heap limit, when memory ran out, or
 * under the heap lock. Threads: own. May collect: yes for containers with collect_at=new; else
 * only at the heap limit. */

/* An object of `size` bytes, header included; for types with instance_size 0. At least the size
 * that holds every described field. Ownership: one reference, the caller's. Errors: NULL as
 * loam_new, and for a size that is too small or overflows. Threads: own. May collect: as loam_new.
 */
LOAM_API void *loam_new_sized(loam_thread *thread, const loam_type *type, size_t size);

/* void loam_incref(loam_thread *thread, loam_object *object);
 * Adds a reference; at 2^31 the object becomes immortal. Ownership: one more reference, the
 * caller's. Errors: none. Threads: own. May collect: no. */

/* void loam_decref(loam_thread *thread, loam_object *object);
 * Drops a reference. At zero: weak references are cleared, the finalizer runs, children are
 * released, dispose runs, the block is freed; never recursing, never allocating. Ownership: one
 * reference less. Errors: a dead object goes to the fatal handler. Threads: own. May collect: no
 * (but finalizers run). */

/* The same, NULL allowed. Ownership, Errors, Threads, May collect: as loam_incref and loam_decref.
 */
static inline void loam_xincref(loam_thread *thread, loam_object *object) {
  if (object != NULL) loam_incref(thread, object);
}
static inline void loam_xdecref(loam_thread *thread, loam_object *object) {
  if (object != NULL) loam_decref(thread, object);
}

/* For tables that hold objects without counting them, such as interned strings: takes a reference
 * unless the object is dead or condemned. What a finalizer saved stays condemned until its
 * collection has looked again. Callable from the object's birth until its dispose.
 * Ownership: on true, one reference, the caller's.
 * Errors: none. Threads: own. May collect: no. */
LOAM_API bool loam_try_incref(loam_thread *thread, loam_object *object);

/* Reports one strong edge of the object being traced; NULL is allowed. Only inside a
 * loam_trace_fn. Ownership: none moves.
 * Errors: none. Threads: own. May collect: no. */
LOAM_API void loam_visit(loam_visitor *visitor, loam_object *object);

/* Keeps the object, and so what it refers to, until the runtime is destroyed. Ownership: its
 * counts no longer matter.
 * Errors: none. Threads: own. May collect: no. */
LOAM_API void loam_immortalize(loam_thread *thread, loam_object *object);

/* References held; UINT32_MAX for an immortal object. And the type. Ownership: borrowed. Errors:
 * none (loam_type_of: NULL for a free block). Threads: own. May collect: no. */
LOAM_API uint32_t loam_refcount(const loam_object *object);
LOAM_API const loam_type *loam_type_of(loam_runtime *runtime, const loam_object *object);

/* ── Weak references ─────────────────────────────────────────────────────────────────────────── */

/* A weak reference to target. When target dies it is emptied, and then callback (or NULL) is
 * called once. owner (or NULL) is the object that the callback belongs to: there is no callback
 * once the owner is dead or condemned. It is not counted.
 * Ownership: *out_weak is the caller's, until loam_weak_destroy; target and owner are not kept
 * alive by it. During the call, which may call out_of_memory, the caller holds both.
 * Errors: ENOMEM, EINVAL, ESTATE (target or owner is dead, or garbage whose finalizers have run);
 * *out_weak is NULL then. Threads: own. May collect: no. */
LOAM_API loam_status loam_weak_create(loam_thread *thread, loam_object *target, loam_object *owner,
                                      loam_weak_fn callback, void *context, loam_weak **out_weak);

/* The target, or NULL once it died, or where loam_try_incref would fail. Ownership: a new
 * reference, the caller's. Errors: none. Threads: own. May collect: no. */
LOAM_API loam_object *loam_weak_get(loam_thread *thread, loam_weak *weak);

/* Ends a weak reference, from inside its own callback too; its callback is not called any more.
 * NULL does nothing.
 * Ownership: weak is gone. Errors: none. Threads: own. May collect: no. */
LOAM_API void loam_weak_destroy(loam_thread *thread, loam_weak *weak);

/* ── Plain memory ────────────────────────────────────────────────────────────────────────────── */

/* void *loam_malloc(loam_thread *thread, size_t size); void loam_free(loam_thread *thread, void
 * *pointer); Like malloc and free, counted against the runtime's limit. Aligned to 16 bytes where
 * the size is a multiple of 16 or above LOAM_MAX_BLOCK, else to 8. Size 0 is a unique pointer;
 * freeing NULL does nothing.
 * Ownership: the block is the caller's until freed, or until the runtime is destroyed. Errors:
 * NULL at the limit, when memory ran out, or under the heap lock. Threads: own. May collect: no
 * (the out_of_memory callback may). */

/* n * size bytes, zeroed. Ownership, Threads, May collect: as loam_malloc. Errors: NULL also when
 * n * size overflows. */
LOAM_API void *loam_calloc(loam_thread *thread, size_t n, size_t size);

/* Resizes, moving where it must; NULL allocates, size 0 gives a unique pointer. Ownership: on
 * success the old pointer is gone.
 * Errors: NULL, and the old block is untouched. Threads, May collect: as loam_malloc. */
LOAM_API void *loam_realloc(loam_thread *thread, void *pointer, size_t size);

/* void loam_free_sized(loam_thread *thread, void *pointer, size_t size); loam_free with the size
 * that was asked for, or any up to loam_usable_size; debug mode checks it. Ownership, Errors,
 * Threads, May collect: as loam_free. */

/* Bytes that may be used behind a pointer from loam_malloc (in debug mode exactly what was asked
 * for; NULL: 0), and what a request would be rounded up to. Ownership: none moves. Errors: none.
 * Threads: own. May collect: no. */
LOAM_API size_t loam_usable_size(loam_runtime *runtime, const void *pointer);
LOAM_API size_t loam_good_size(size_t size);

/* Accounts for memory that Loam objects hold outside Loam; negative when it is released. Past the
 * limit it succeeds and requests a collection. Ownership: none moves. Errors: none; below zero is
 * clamped. Threads: own. May collect: no. */
LOAM_API void loam_external_add(loam_thread *thread, ptrdiff_t bytes);

/* ── Collection ──────────────────────────────────────────────────────────────────────────────── */

/* Collects every container now, disabled or not. Returns the objects condemned and freed, without
 * their acyclic children. Inside a callback: an emergency collection (stats.h), and a full one is
 * requested for the next safepoint.
 * Ownership: none moves. Errors: 0 under the heap lock or from dispose, an event or a trace.
 * Threads: own. May collect: yes. */
LOAM_API size_t loam_collect(loam_thread *thread);

/* The same for containers allocated since the last collection; what an array of more than 2048
 * items leads to is kept. Ownership, Errors, Threads, May collect: as loam_collect. */
LOAM_API size_t loam_collect_young(loam_thread *thread);

/* Does collection work for about budget_ns, in slices, when some is due; true while work remains.
 * A young collection and a requested full one are done whole, and may take longer. Ownership,
 * Errors, Threads, May collect: as loam_collect. */
LOAM_API bool loam_collect_step(loam_thread *thread, uint64_t budget_ns);

/* Switch automatic collection off and on; they nest. Emergency and explicit collections still run.
 * Ownership: none moves.
 * Errors: enabling what is not disabled does nothing. Threads: own. May collect: no. */
LOAM_API void loam_collect_disable(loam_thread *thread);
LOAM_API void loam_collect_enable(loam_thread *thread);

/* Sets every container now alive aside: collections leave it alone, so that its memory stays
 * shared after fork. Unfreezing returns all of them. Ownership: none moves. Errors: ignored inside
 * a callback. Threads: own. May collect: no. */
LOAM_API void loam_freeze(loam_thread *thread);
LOAM_API void loam_unfreeze(loam_thread *thread);

/* void loam_safepoint(loam_thread *thread);
 * A point where collection may happen: one load and one branch when there is nothing to do.
 * Ownership: none moves.
 * Errors: none. Threads: own. May collect: yes. */

/* Asks for a full collection at the next safepoint (or loam_new with collect_at=new).
 * Async-signal-safe. Ownership: none moves.
 * Errors: none. Threads: any, and signal handlers. May collect: no. */
LOAM_API void loam_collect_request(loam_runtime *runtime);

/* Host code that leaves a finalizer, weak callback or out-of-memory callback by longjmp or
 * unwinding calls this first, once per callback left, innermost first. What the callback
 * interrupted is continued at the next safepoint, and is still whole.
 * Ownership: none moves. Errors: outside a callback it does nothing. Threads: own. May collect:
 * no. */
LOAM_API void loam_unwind(loam_thread *thread);

/* A hint where live objects are: reports them with loam_visit, as a trace does. */
typedef struct loam_roots loam_roots;
typedef void (*loam_roots_fn)(loam_visitor *visitor, void *context);

/* Registers a hint that shortens automatic full collections; never needed, never trusted. Best is
 * what the host holds for long, such as its globals: a cycle whose hint proves wrong starts again
 * without. Ownership: *out_roots is the caller's until unregistered or the runtime is destroyed.
 * Errors: ENOMEM, EINVAL. Threads: own. May collect: no. */
LOAM_API loam_status loam_roots_register(loam_runtime *runtime, loam_roots_fn report, void *context,
                                         loam_roots **out_roots);
LOAM_API void loam_roots_unregister(loam_runtime *runtime, loam_roots *roots);

/* ── Memory, as MicroPython shows it ─────────────────────────────────────────────────────────── */

/* Bytes in use: blocks handed out, large blocks, external memory. Ownership: none moves. Errors:
 * none. Threads: own. May collect: no. */
LOAM_API size_t loam_mem_alloc(const loam_runtime *runtime);

/* Bytes left under heap_limit, once what is in use, metadata and the eighth kept back for the
 * collector are taken off; 0 past that. Without a limit, bytes committed and unused.
 * Ownership: none moves. Errors: none. Threads: own. May collect: no. */
LOAM_API size_t loam_mem_free(const loam_runtime *runtime);

/* While locked every allocation fails, every free works, nothing collects, and no callback runs:
 * finalizers wait; only options.event may still be called. Locks nest. One that a callback takes
 * while loam_runtime_destroy runs ends when the outermost callback has returned.
 * Ownership: none moves. Errors: unlocking what is not locked does nothing. Threads: own. May
 * collect: no. */
LOAM_API void loam_heap_lock(loam_thread *thread);
LOAM_API void loam_heap_unlock(loam_thread *thread);

/* Gives unused memory back to the OS; a slab with one block in use stays. Returns the bytes.
 * Ownership: none moves.
 * Errors: 0. Threads: own. May collect: no. */
LOAM_API size_t loam_trim(loam_thread *thread);

/* ── Looking inside ──────────────────────────────────────────────────────────────────────────── */

/* Fills *out_stats. Ownership: the caller's struct. Errors: EINVAL. Threads: own. May collect: no.
 */
LOAM_API loam_status loam_stats_get(loam_runtime *runtime, loam_stats *out_stats);

/* The time that `fraction` of the pauses did not exceed (0.5: the median, 0.999: the 99.9th
 * percentile): the upper end of the bucket that it falls into, and at most max_ns. 0 without
 * pauses.
 * Ownership: none moves. Errors: none; a fraction below 0 is 0, one above 1 is 1. Threads: any. May
 * collect: no. */
LOAM_API uint64_t loam_pauses_quantile(const loam_pauses *pauses, double fraction);

/* Calls row for each type, or each pool, that holds anything; walks the heap. row must not call
 * into the runtime. Ownership: rows are valid during the call. Errors: EINVAL. Threads: own. May
 * collect: no. */
LOAM_API loam_status loam_stats_types(loam_runtime *runtime, loam_type_stats_fn row, void *context);
LOAM_API loam_status loam_stats_pools(loam_runtime *runtime, loam_pool_stats_fn row, void *context);

/* Checks the heap: level 0 the accounting, 1 also every slab, bitmap and list, 2 also every edge
 * against its count. What is found goes to options.message. Ownership: none moves. Errors: EINVAL
 * (level), ESTATE (something is wrong, or called inside a callback at level 2). Threads: own. May
 * collect: no. */
LOAM_API loam_status loam_verify(loam_runtime *runtime, unsigned level);

#ifdef __cplusplus
}
#endif
#endif
