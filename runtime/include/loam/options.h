/* What a host may choose when it creates a runtime. The rows stand in options.def. */
#ifndef LOAM_OPTIONS_H
#define LOAM_OPTIONS_H

#include <loam/layout.h>

#ifdef __cplusplus
extern "C" {
#endif

struct loam_event;

/* Detected corruption or misuse. `message` names the function, the type and the address; valid
 * during the call. It should not return; when it does, the process aborts. */
typedef void (*loam_fatal_fn)(void *context, const char *message);
/* A diagnostic, one line without a newline. Must not call into Loam. */
typedef void (*loam_message_fn)(void *context, const char *message);
/* An allocation of `bytes` is about to fail. May free and, unless the heap is locked, collect.
 * Returns whether to retry. */
typedef bool (*loam_out_of_memory_fn)(loam_thread *thread, size_t bytes, void *context);
/* A collection starts or ends, or a stretch of work is over (stats.h). Must not allocate, free,
 * collect, or change a count. */
typedef void (*loam_event_fn)(loam_thread *thread, const struct loam_event *event, void *context);

typedef enum loam_collect_at {
  LOAM_COLLECT_AT_NEW = 0,  /* in loam_new* of a container, at safepoints and on request */
  LOAM_COLLECT_AT_SAFEPOINT /* only at safepoints and on request */
} loam_collect_at;

#define LOAM_OPTION_TYPE_SIZE size_t
#define LOAM_OPTION_TYPE_COUNT uint64_t
#define LOAM_OPTION_TYPE_FLAG bool
#define LOAM_OPTION_TYPE_ORDER loam_collect_at

enum { LOAM_OPTION_PATH_BYTES = 256 };

/* Deliberate hardship, for tests of a host and of Loam itself. */
typedef struct loam_torture {
#define LOAM_OPTION_TORTURE(kind, name, text) LOAM_OPTION_TYPE_##kind name;
#include <loam/options.def>
} loam_torture;

/* Zero-initialise, then set what differs: a zero field means its default. */
typedef struct loam_options {
  size_t struct_size; /* sizeof(loam_options), or 0: the size that LOAM_ABI implies */
#define LOAM_OPTION(kind, name, default_value, min, max, text) LOAM_OPTION_TYPE_##kind name;
#define LOAM_OPTION_PATH(name, text) char name[LOAM_OPTION_PATH_BYTES];
#define LOAM_OPTION_HOOK(type, name, text) type name;
#include <loam/options.def>
  loam_torture torture;
} loam_options;

#ifdef __cplusplus
}
#endif
#endif
