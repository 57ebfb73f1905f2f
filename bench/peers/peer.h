// What the headers allocator.h of the peers share. A program of add_peer_programs() (CMakeLists.txt
// beside this file) includes "allocator.h", and its include path decides whose that is.
//
// Each defines peer::Heap, a value to be held in a local variable and passed on, as a host of Loam
// holds its handle; for the others it is empty. Its members:
//   static Heap open()                          once, first; ends the process when the allocator
//                                               behind the calls is not the one that is named
//   void *allocate(size_t)                      NULL when memory ran out
//   void *reallocate(void *, size_t)
//   void release(void *)
//   void release_sized(void *, size_t)          with the size that was asked for
//   void trim()                                 gives the OS what the allocator has to spare
// and here is peer::kName. All of it is for one thread.
#ifndef LOAM_BENCH_PEERS_PEER_H
#define LOAM_BENCH_PEERS_PEER_H

#include <dlfcn.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>

namespace peer {

inline constexpr const char *kName = PEER_NAME;

inline void require(bool holds, const char *what) {
  if (holds) return;
  std::fprintf(stderr, "%s: %s\n", kName, what);
  std::exit(1);
}

// Ends the process unless the malloc and the free that this program calls are those of a library
// whose file name starts with `file`: allocators' libraries like to take over all of a process.
inline void require_malloc_of(const char *file) {
  for (const char *name : {"malloc", "realloc", "free"}) {
    Dl_info found{};
    void *address = dlsym(RTLD_DEFAULT, name);
    require(address != nullptr && dladdr(address, &found) != 0, "malloc is nobody's");
    const char *slash = std::strrchr(found.dli_fname, '/');
    const char *base = slash == nullptr ? found.dli_fname : slash + 1;
    if (std::strncmp(base, file, std::strlen(file)) == 0) continue;
    std::fprintf(stderr, "%s: %s comes from %s\n", kName, name, found.dli_fname);
    std::exit(1);
  }
}

}  // namespace peer

#endif
