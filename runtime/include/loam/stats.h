/* What Loam tells about itself: counters, pauses, events. All sizes in bytes, all times in
 * nanoseconds. */
#ifndef LOAM_STATS_H
#define LOAM_STATS_H

#include <loam/layout.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum loam_collection {
  LOAM_COLLECTION_YOUNG = 0, /* containers allocated since the last collection */
  LOAM_COLLECTION_FULL,      /* every container */
  /* A full one at the heap limit, or inside a callback: objects whose finalizer has not run, and
   * all that they hold, are left for the next full one. */
  LOAM_COLLECTION_EMERGENCY,
  LOAM_COLLECTION_KINDS
} loam_collection;

/* Kinds of work for which the host waits. */
typedef enum loam_work {
  LOAM_WORK_YOUNG = 0, /* a whole young collection, finalizers and callbacks included */
  LOAM_WORK_FULL,      /* a whole full collection, done at a stand; likewise */
  LOAM_WORK_EMERGENCY, /* a whole emergency collection */
  /* Slices of an incremental full collection, by its phases (gc/DESIGN.md). */
  LOAM_WORK_START,
  LOAM_WORK_RESCUE,
  LOAM_WORK_MARK,
  LOAM_WORK_SPLIT,
  LOAM_WORK_FINAL,
  LOAM_WORK_FINALIZE,
  LOAM_WORK_SWEEP,
  LOAM_WORK_CLEAR,
  LOAM_WORK_DRAIN, /* freeing what died by its count and waited (pending_objects) */
  LOAM_WORKS
} loam_work;

/* Four buckets for each doubling: buckets[i] counts pauses of i ns for i < 4, else those from
 * (4 + i % 4) << (i / 4 - 1) ns up to where the next begins. The last one, from 7.5 s, takes all
 * that are longer. */
enum { LOAM_PAUSE_BUCKETS = 128 };

typedef struct loam_pauses {
  uint64_t count;
  uint64_t total_ns;
  uint64_t max_ns;
  uint64_t buckets[LOAM_PAUSE_BUCKETS];
} loam_pauses;

typedef struct loam_collection_stats {
  uint64_t runs;          /* collections begun */
  uint64_t collected;     /* objects condemned and freed, without their acyclic children */
  uint64_t survivors;     /* containers that were judged and kept */
  uint64_t resurrected;   /* condemned, then saved by a finalizer */
  uint64_t uncollectable; /* kept because traces reported more edges than counts hold */
  /* Those that the host saw: one per collection done at a stand, and one per slice of an
   * incremental one. */
  loam_pauses pauses;
} loam_collection_stats;

typedef struct loam_stats {
  /* set by the caller to sizeof(loam_stats), or 0: the size that LOAM_ABI implies */
  size_t struct_size;
  /* Memory. */
  /* loam_mem_alloc: blocks handed to the host, large blocks, external memory */
  size_t bytes_in_use;
  /* what heap_limit bounds: slabs in use, metadata, large blocks (those that wait too), external
   * memory */
  size_t counted_bytes;
  size_t peak_bytes;     /* highest counted_bytes so far */
  size_t heap_limit;     /* 0: none */
  size_t small_bytes;    /* blocks of 256 bytes or less in use, whole blocks */
  size_t small_blocks;   /* how many */
  size_t large_bytes;    /* usable bytes of large blocks; of objects, prefixes too */
  size_t large_blocks;   /* how many */
  size_t external_bytes; /* reported by loam_external_add */
  size_t metadata_bytes; /* side tables of segments in use */
  size_t cached_blocks;  /* free blocks that wait for the next of their size */
  size_t cached_bytes;   /* what they hold: at most 256 KiB */
  /* unused bytes of slabs in use, thread lists aside: what blocks in use keep from loam_trim */
  size_t pinned_bytes;
  size_t slabs_in_use;       /* 64 KiB each */
  size_t segments_committed; /* 4 MiB each, idle ones included */
  size_t reserved_bytes;     /* addresses */
  /* Objects. */
  size_t types;           /* registered */
  size_t frozen_objects;  /* set aside by loam_freeze and still alive */
  size_t weak_references; /* created and not destroyed */
  /* what cascade_budget left: dead objects and references that they held, each of which keeps its
   * target alive till its turn; and the dead that wait until their finalizers may run. What only
   * these hold is alive, and not counted */
  size_t pending_objects;
  /* objects that died by their count, children of collected ones included */
  uint64_t freed_by_count;
  uint64_t freed_by_collector; /* sum of collected over the kinds */
  uint64_t finalizers_run;
  uint64_t weak_callbacks_run;
  uint64_t failed_allocations; /* attempts that found no memory, retried ones included */
  /* Collections. */
  size_t condemned_objects;      /* proven unreachable and not freed yet */
  loam_work collecting;          /* the phase of a collection under way; LOAM_WORKS: none is */
  size_t bytes_after_collection; /* handed out when the last full collection ended; 0: none did */
  size_t next_collection_bytes;  /* handed out when the next full collection starts */
  loam_collection_stats collections[LOAM_COLLECTION_KINDS];
  loam_pauses work[LOAM_WORKS]; /* each stretch of work by its kind */
} loam_stats;

/* One row of loam_stats_types. */
typedef struct loam_type_stats {
  const loam_type *type;
  const char *name;
  size_t objects; /* alive */
  size_t bytes;   /* whole blocks and large blocks that they occupy */
} loam_type_stats;
typedef void (*loam_type_stats_fn)(const loam_type_stats *row, void *context);

/* One row of loam_stats_pools. */
typedef struct loam_pool_stats {
  const char *kind;  /* "raw", "leaf", "container", "private" or "large" */
  const char *name;  /* the type's name for a private pool, else NULL */
  size_t block_size; /* 0 for large */
  size_t blocks;     /* in use */
  size_t bytes;      /* in use: blocks x block_size */
  size_t slabs;      /* held */
} loam_pool_stats;
typedef void (*loam_pool_stats_fn)(const loam_pool_stats *row, void *context);

typedef enum loam_event_kind {
  LOAM_EVENT_COLLECTION_START = 0,
  LOAM_EVENT_COLLECTION_END,
  LOAM_EVENT_WORK /* a stretch of work is over; before the end of the collection that it ends */
} loam_event_kind;

/* Passed to options.event; valid during the call. */
typedef struct loam_event {
  size_t struct_size;
  loam_event_kind kind;
  loam_collection collection; /* at start and end */
  loam_work work;             /* of LOAM_EVENT_WORK; else LOAM_WORKS */
  uint64_t time_ns;           /* monotonic clock; of LOAM_EVENT_WORK: when it began */
  uint64_t duration_ns;       /* at the end: since the start; of work: how long; at the start: 0 */
  /* at the end: collected; of work: what a whole collection collected, what a drain freed, or about
   * how many a slice looked at */
  size_t objects;
  size_t survivors; /* at the end: containers judged and kept; else 0 */
  size_t bytes;     /* bytes handed out now, blocks on thread lists included */
} loam_event;

#ifdef __cplusplus
}
#endif
#endif
