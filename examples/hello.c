/* The smallest host: two objects that refer to each other are dropped, and the collector finds
 * them. */
#include <inttypes.h>
#include <loam/loam.h>
#include <stdio.h>

struct node {
  loam_object base; /* every object starts with its header */
  struct node *peer;
};

static void print_row(const loam_type_stats *row, void *context) {
  (void)context;
  printf("  %zu alive of type %s, %zu bytes\n", row->objects, row->name, row->bytes);
}

static void report(loam_runtime *runtime, const char *when) {
  loam_stats stats = {.struct_size = sizeof stats};
  loam_stats_get(runtime, &stats);
  printf("%s: freed %" PRIu64 " by count, %" PRIu64 " by the collector\n", when,
         stats.freed_by_count, stats.freed_by_collector);
  loam_stats_types(runtime, print_row, NULL);
}

int main(void) {
  loam_runtime *runtime;
  if (loam_runtime_create(NULL, &runtime) != LOAM_OK) return 1;
  loam_thread *thread = loam_runtime_main_thread(runtime);

  /* A type tells Loam how large its objects are and where they hold references. */
  static const uint16_t references[] = {offsetof(struct node, peer)};
  loam_type_spec spec = {.struct_size = sizeof spec,
                         .name = "node",
                         .instance_size = sizeof(struct node),
                         .ref_offsets = references,
                         .ref_count = 1};
  loam_type *node_type;
  if (loam_type_register(runtime, &spec, &node_type) != LOAM_OK) return 1;

  struct node *a = loam_new(thread, node_type);
  struct node *b = loam_new(thread, node_type);
  if (a == NULL || b == NULL) return 1;
  a->peer = b; /* the reference to b moves into a */
  b->peer = a;
  loam_incref(thread, &a->base); /* a has two now: ours, and b's */
  report(runtime, "made a cycle");

  loam_decref(thread, &a->base); /* nobody needs it any more, but its counts are not zero */
  report(runtime, "dropped it");

  printf("loam_collect freed %zu objects\n", loam_collect(thread));
  report(runtime, "at the end");
  loam_runtime_destroy(runtime);
  return 0;
}
