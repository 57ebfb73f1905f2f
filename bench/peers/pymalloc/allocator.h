// CPython's allocator of objects, which serves up to 512 bytes itself.
#ifndef LOAM_BENCH_PEERS_ALLOCATOR_H
#define LOAM_BENCH_PEERS_ALLOCATOR_H

#include <Python.h>
#include <malloc.h>

#include "../peer.h"

namespace peer {

// No interpreter is started: pre-initialisation chooses the allocators, and is all that these calls
// need. The environment is not asked, so that PYTHONMALLOC changes nothing.
inline void open() {
  require_malloc_of("libc.");
  PyPreConfig config;
  PyPreConfig_InitIsolatedConfig(&config);
  config.allocator = PYMEM_ALLOCATOR_PYMALLOC;
  require(!PyStatus_Exception(Py_PreInitialize(&config)), "Py_PreInitialize failed");
  require(std::strcmp(_PyMem_GetCurrentAllocatorName(), "pymalloc") == 0,
          "PyObject_Malloc is not pymalloc");
}

inline void *allocate(size_t bytes) { return PyObject_Malloc(bytes); }
inline void *reallocate(void *block, size_t bytes) { return PyObject_Realloc(block, bytes); }
inline void release(void *block) { PyObject_Free(block); }
inline void release_sized(void *block, size_t) { PyObject_Free(block); }
inline void trim() { malloc_trim(0); }  // arenas that empty go back by themselves

}  // namespace peer

#endif
