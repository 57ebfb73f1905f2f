/* Whose malloc does a host of Loam get? libc's, although libmimalloc.so, which Loam needs, exports
 * one too. CMakeLists.txt in the root tells why for each form of the library. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <loam/loam.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *owner_of(void *address) {
  Dl_info found;
  if (address == NULL || dladdr(address, &found) == 0) return "nobody";
  return found.dli_fname;
}

int main(void) {
  loam_runtime *runtime;
  if (loam_runtime_create(NULL, &runtime) != LOAM_OK) return 1;
  /* A large block comes from mimalloc, so that mimalloc is really in this process. */
  loam_thread *thread = loam_runtime_main_thread(runtime);
  void *block = loam_malloc(thread, 100000);
  if (block == NULL) return 1;

  const char *libc = owner_of(dlsym(RTLD_DEFAULT, "gnu_get_libc_version"));
  const char *names[] = {"malloc", "calloc", "realloc", "free"};
  int wrong = 0;
  for (size_t i = 0; i < sizeof names / sizeof *names; ++i) {
    const char *owner = owner_of(dlsym(RTLD_DEFAULT, names[i]));
    printf("%s: %s\n", names[i], owner);
    wrong |= strcmp(owner, libc);
  }
  if (wrong != 0) fprintf(stderr, "expected all of them from %s\n", libc);
  loam_free(thread, block);
  loam_runtime_destroy(runtime);
  return wrong != 0;
}
