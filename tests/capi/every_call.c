/* A host in plain C11 that makes every call of the public API, and checks what each returns.
 * Built with the inline functions, with LOAM_NO_INLINE, and against the archive. */
#include <loam/loam.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPECT(condition) expect((condition), #condition, __LINE__)

static void expect(bool holds, const char *condition, int line) {
  if (holds) return;
  fprintf(stderr, "every_call.c:%d: expected %s\n", line, condition);
  exit(1);
}

struct vm {
  int finalized, disposed, weak_calls, events, out_of_memory_calls, messages;
};

struct node {
  loam_object base;
  loam_object *left, *right;
};

struct buffer {
  loam_object base;
  size_t length;
  unsigned char bytes[8];
};

static void on_message(void *context, const char *message) {
  ++((struct vm *)context)->messages;
  fprintf(stderr, "message: %s\n", message);
}

static bool on_out_of_memory(loam_thread *thread, size_t bytes, void *context) {
  (void)thread;
  (void)bytes;
  ++((struct vm *)context)->out_of_memory_calls;
  return false;
}

static void on_event(loam_thread *thread, const loam_event *event, void *context) {
  (void)thread;
  if (event->kind == LOAM_EVENT_COLLECTION_END) ++((struct vm *)context)->events;
}

static void trace_node(loam_object *self, loam_visitor *visitor) {
  struct node *node = (struct node *)self;
  loam_visit(visitor, node->left);
  loam_visit(visitor, node->right);
}

static void finalize_node(loam_thread *thread, loam_object *self) {
  (void)self;
  ++((struct vm *)loam_thread_context(thread))->finalized;
}

static void dispose_node(loam_thread *thread, loam_object *self) {
  (void)self;
  ++((struct vm *)loam_thread_context(thread))->disposed;
}

static void on_weak(loam_thread *thread, loam_weak *weak, void *context) {
  EXPECT(loam_weak_get(thread, weak) == NULL);
  ++*(int *)context;
}

static void report_roots(loam_visitor *visitor, void *context) {
  loam_visit(visitor, *(loam_object **)context);
}

static void add_type_row(const loam_type_stats *row, void *context) {
  *(size_t *)context += row->objects;
}

static void add_pool_row(const loam_pool_stats *row, void *context) {
  *(size_t *)context += row->blocks;
}

struct host {
  loam_runtime *runtime;
  loam_thread *thread;
  loam_type *node, *buffer;
  struct vm *vm;
};

static loam_options options_of(struct vm *vm) {
  loam_options options = {.struct_size = sizeof options,
                          .context = vm,
                          .message = on_message,
                          .out_of_memory = on_out_of_memory,
                          .event = on_event};
  EXPECT(loam_options_parse(&options, "heap_limit=64M,collect_at=safepoint") == LOAM_OK);
  EXPECT(options.heap_limit == (size_t)64 << 20);
  EXPECT(options.collect_at == LOAM_COLLECT_AT_SAFEPOINT);
  EXPECT(loam_options_parse(&options, "no_such_option=1") == LOAM_EINVAL);
  return options;
}

static struct host create_host(struct vm *vm) {
  struct host host = {.vm = vm};
  loam_options options = options_of(vm);
  EXPECT(loam_runtime_create_abi(LOAM_ABI + 1, &options, &host.runtime) == LOAM_EABI);
  EXPECT(host.runtime == NULL);
  EXPECT(loam_runtime_create(&options, &host.runtime) == LOAM_OK);
  host.thread = loam_runtime_main_thread(host.runtime);
  EXPECT(loam_thread_runtime(host.thread) == host.runtime);
  EXPECT(loam_thread_context(host.thread) == vm);

  loam_type_spec node = {.struct_size = sizeof node,
                         .name = "node",
                         .context = vm,
                         .instance_size = sizeof(struct node),
                         .trace = trace_node,
                         .finalize = finalize_node,
                         .dispose = dispose_node};
  EXPECT(loam_type_register(host.runtime, &node, &host.node) == LOAM_OK);
  EXPECT(loam_type_context(host.node) == vm);
  EXPECT(strcmp(loam_type_name(host.node), "node") == 0);
  loam_type_spec buffer = {.struct_size = sizeof buffer, .name = "buffer"};
  EXPECT(loam_type_register(host.runtime, &buffer, &host.buffer) == LOAM_OK);
  return host;
}

static struct node *new_node(struct host *host) {
  struct node *node = loam_new(host->thread, host->node);
  EXPECT(node != NULL);
  EXPECT(node->left == NULL && node->right == NULL);
  return node;
}

/* A node that only its own cycle keeps alive. */
static void leak_node(struct host *host) {
  struct node *node = new_node(host);
  node->left = &node->base;
}

static void test_counts(struct host *host) {
  struct node *node = new_node(host);
  EXPECT(loam_type_of(host->runtime, &node->base) == host->node);
  EXPECT(loam_refcount(&node->base) == 1);
  loam_incref(host->thread, &node->base);
  loam_xincref(host->thread, &node->base);
  loam_xincref(host->thread, NULL);
  EXPECT(loam_try_incref(host->thread, &node->base));
  EXPECT(loam_refcount(&node->base) == 4);
  for (int i = 0; i < 3; ++i) loam_decref(host->thread, &node->base);
  loam_xdecref(host->thread, NULL);
  loam_xdecref(host->thread, &node->base);
  EXPECT(host->vm->finalized == 1 && host->vm->disposed == 1);

  struct buffer *buffer = loam_new_sized(host->thread, host->buffer, 5000);
  EXPECT(buffer != NULL);
  EXPECT(loam_new_sized(host->thread, host->buffer, SIZE_MAX) == NULL);
  loam_decref(host->thread, &buffer->base);
}

static void test_weak(struct host *host) {
  struct node *node = new_node(host);
  loam_weak *weak = NULL;
  EXPECT(loam_weak_create(host->thread, &node->base, NULL, on_weak, &host->vm->weak_calls, &weak) ==
         LOAM_OK);
  EXPECT(loam_weak_get(host->thread, weak) == &node->base);
  loam_decref(host->thread, &node->base);
  EXPECT(host->vm->weak_calls == 0);
  loam_decref(host->thread, &node->base);
  EXPECT(host->vm->weak_calls == 1);
  EXPECT(loam_weak_get(host->thread, weak) == NULL);
  loam_weak_destroy(host->thread, weak);
}

static void test_plain_memory(struct host *host) {
  size_t before = loam_mem_alloc(host->runtime);
  unsigned char *block = loam_malloc(host->thread, 40);
  EXPECT(block != NULL && loam_usable_size(host->runtime, block) >= 40);
  memset(block, 7, 40);
  block = loam_realloc(host->thread, block, 4000);
  EXPECT(block != NULL && block[0] == 7 && block[39] == 7);
  EXPECT(loam_mem_alloc(host->runtime) >= before + 4000);
  loam_free(host->thread, block);

  size_t *zeroed = loam_calloc(host->thread, 10, sizeof *zeroed);
  EXPECT(zeroed != NULL && zeroed[0] == 0 && zeroed[9] == 0);
  loam_free_sized(host->thread, zeroed, 10 * sizeof *zeroed);
  EXPECT(loam_calloc(host->thread, SIZE_MAX / 2, 4) == NULL);
  EXPECT(loam_good_size(33) >= 33);
  EXPECT(loam_mem_alloc(host->runtime) == before);

  loam_external_add(host->thread, 1000);
  EXPECT(loam_mem_alloc(host->runtime) == before + 1000);
  loam_external_add(host->thread, -1000);
  EXPECT(loam_mem_alloc(host->runtime) == before);
}

static void test_limits(struct host *host) {
  int calls = host->vm->out_of_memory_calls;
  EXPECT(loam_malloc(host->thread, (size_t)65 << 20) == NULL);
  EXPECT(host->vm->out_of_memory_calls == calls + 1);
  EXPECT(loam_mem_free(host->runtime) > 0);
  EXPECT(loam_mem_free(host->runtime) <= (size_t)64 << 20);

  loam_heap_lock(host->thread);
  EXPECT(loam_new(host->thread, host->node) == NULL);
  EXPECT(loam_malloc(host->thread, 16) == NULL);
  loam_heap_unlock(host->thread);
  void *block = loam_malloc(host->thread, 16);
  EXPECT(block != NULL);
  loam_free(host->thread, block);
  loam_trim(host->thread);
}

static void test_collection(struct host *host) {
  leak_node(host);
  EXPECT(loam_collect(host->thread) == 1);
  EXPECT(loam_collect(host->thread) == 0);
  leak_node(host);
  EXPECT(loam_collect_young(host->thread) == 1);

  leak_node(host);
  loam_freeze(host->thread);
  EXPECT(loam_collect(host->thread) == 0);
  loam_unfreeze(host->thread);
  EXPECT(loam_collect(host->thread) == 1);

  int disposed = host->vm->disposed;
  leak_node(host);
  loam_safepoint(host->thread); /* nothing asked for a collection */
  EXPECT(host->vm->disposed == disposed);
  loam_collect_request(host->runtime);
  loam_safepoint(host->thread);
  EXPECT(host->vm->disposed == disposed + 1);

  loam_collect_disable(host->thread);
  leak_node(host);
  EXPECT(loam_collect(host->thread) == 1); /* explicit collections still run */
  loam_collect_enable(host->thread);
  while (loam_collect_step(host->thread, 1000000)) continue;
  loam_unwind(host->thread); /* outside a callback: nothing */
  EXPECT(host->vm->events >= 7);
}

static void test_roots(struct host *host) {
  struct node *root = new_node(host);
  loam_object *reported = &root->base;
  loam_roots *roots = NULL;
  EXPECT(loam_roots_register(host->runtime, report_roots, &reported, &roots) == LOAM_OK);
  EXPECT(loam_collect(host->thread) == 0);
  loam_roots_unregister(host->runtime, roots);
  loam_decref(host->thread, reported);
}

static void test_inspection(struct host *host) {
  struct node *node = new_node(host);
  size_t objects = 0, blocks = 0;
  EXPECT(loam_stats_types(host->runtime, add_type_row, &objects) == LOAM_OK);
  EXPECT(objects == 1);
  EXPECT(loam_stats_pools(host->runtime, add_pool_row, &blocks) == LOAM_OK);
  EXPECT(blocks >= 1);
  loam_stats stats = {.struct_size = sizeof stats};
  EXPECT(loam_stats_get(host->runtime, &stats) == LOAM_OK);
  EXPECT(stats.bytes_in_use == loam_mem_alloc(host->runtime));
  EXPECT(stats.types == 2);
  const loam_pauses *pauses = &stats.collections[LOAM_COLLECTION_FULL].pauses;
  EXPECT(loam_pauses_quantile(pauses, 0.5) <= loam_pauses_quantile(pauses, 1));
  EXPECT(loam_pauses_quantile(pauses, 1) == pauses->max_ns);
  for (unsigned level = 0; level <= 2; ++level) {
    EXPECT(loam_verify(host->runtime, level) == LOAM_OK);
  }
  EXPECT(loam_verify(host->runtime, 3) == LOAM_EINVAL);
  loam_decref(host->thread, &node->base);
}

int main(void) {
  struct vm vm = {0};
  struct host host = create_host(&vm);
  test_counts(&host);
  test_weak(&host);
  test_plain_memory(&host);
  test_limits(&host);
  test_collection(&host);
  test_roots(&host);
  test_inspection(&host);

  struct node *immortal = new_node(&host);
  loam_immortalize(host.thread, &immortal->base);
  EXPECT(loam_refcount(&immortal->base) == UINT32_MAX);
  loam_decref(host.thread, &immortal->base);
  int disposed = vm.disposed;
  loam_runtime_destroy(host.runtime);
  EXPECT(vm.disposed == disposed + 1);
  EXPECT(vm.finalized == vm.disposed);
  EXPECT(vm.messages == 0);
  return 0;
}
