// Memory of the machine that was in use a moment ago, for whoever is measured next.
//
// A guest's memory is cold until its host has backed it, and again when it lay idle for seconds.
// What that costs depends on who ran before, and is many times what an allocator does. So as much
// as a measurement needs is taken, touched and given up by a child, whose exit leaves it to the
// next. To be called before there is much in memory: after a fork, each page that is used costs a
// fault.
#ifndef LOAM_BENCH_WARM_H
#define LOAM_BENCH_WARM_H

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>

#include "require.h"

namespace bench {

inline void warm_memory(size_t bytes) {
  if (bytes == 0) return;
  const pid_t child = fork();
  require(child >= 0, "fork");
  if (child == 0) {
    void *memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) _exit(1);
    madvise(memory, bytes, MADV_HUGEPAGE);  // faster, where there are such pages
    for (size_t at = 0; at < bytes; at += 4096) static_cast<volatile char *>(memory)[at] = 1;
    _exit(0);
  }
  int status = 0;
  require(waitpid(child, &status, 0) == child && status == 0, "memory for a warm start");
}

}  // namespace bench

#endif
