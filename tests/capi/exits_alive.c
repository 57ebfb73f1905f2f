/* A host that ends without destroying its runtime has lost nothing: what it allocated is Loam's to
 * free. Of use under AddressSanitizer, which looks for lost blocks at exit, where large memory that
 * small objects and blocks refer to is no pointer of libc's heap away. */
#include <loam/loam.h>
#include <stddef.h>
#include <string.h>

typedef struct {
  loam_object base;
  void *buffer;
} holder;

static loam_runtime *runtime; /* found by whoever looks; what it leads to is not */
static holder *object;
static void **table;

static void free_buffer(loam_thread *thread, loam_object *dying) {
  loam_free(thread, ((holder *)dying)->buffer);
}

int main(void) {
  if (loam_runtime_create(NULL, &runtime) != LOAM_OK) return 1;
  loam_thread *thread = loam_runtime_main_thread(runtime);
  loam_type_spec spec;
  memset(&spec, 0, sizeof spec);
  spec.struct_size = sizeof spec;
  spec.name = "holder";
  spec.instance_size = sizeof(holder);
  spec.dispose = free_buffer;
  loam_type *type;
  if (loam_type_register(runtime, &spec, &type) != LOAM_OK) return 1;
  object = loam_new(thread, type);
  table = loam_malloc(thread, sizeof *table);
  if (object == NULL || table == NULL) return 1;
  object->buffer = loam_malloc(thread, 1000);
  *table = loam_realloc(thread, loam_calloc(thread, 1, 200000), 300000);
  return object->buffer == NULL || *table == NULL;
}
