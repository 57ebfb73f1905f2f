// CPython's allocator of objects, which serves up to 512 bytes itself.
#ifndef LOAM_BENCH_PEERS_ALLOCATOR_H
#define LOAM_BENCH_PEERS_ALLOCATOR_H

#include <Python.h>
#include <malloc.h>

#include "../peer.h"

namespace peer {

struct Heap {
  // No interpreter is started: pre-initialisation chooses the allocators, and is all that these
  // calls need. The environment is not asked, so that PYTHONMALLOC changes nothing.
  static Heap open() {
    require_malloc_of("libc.");
    PyPreConfig config;
    PyPreConfig_InitIsolatedConfig(&config);
    config.allocator = PYMEM_ALLOCATOR_PYMALLOC;
    require(!PyStatus_Exception(Py_PreInitialize(&config)), "Py_PreInitialize failed");
    require(std::strcmp(_PyMem_GetCurrentAllocatorName(), "pymalloc") == 0,
            "PyObject_Malloc is not pymalloc");
    return {};
  }

  void *allocate(size_t bytes) const { return PyObject_Malloc(bytes); }
  void *reallocate(void *block, size_t bytes) const { return PyObject_Realloc(block, bytes); }
  void release(void *block) const { PyObject_Free(block); }
  void release_sized(void *block, size_t) const { PyObject_Free(block); }
  void trim() const { malloc_trim(0); }  // arenas that empty go back by themselves
};

}  // namespace peer

#endif
