#include "allocator/base/system_heap.h"

#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif

#if defined(__SANITIZE_ADDRESS__)
#define LOAM_UNDER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LOAM_UNDER_ASAN 1
#endif
#endif
#ifndef LOAM_UNDER_ASAN
#define LOAM_UNDER_ASAN 0
#endif

#if LOAM_UNDER_ASAN
#include <sanitizer/lsan_interface.h>
#endif

namespace loam::base {

SystemHeap::SystemHeap() {
#if LOAM_UNDER_ASAN
  libc_ = true;
#elif defined(RUNNING_ON_VALGRIND)
  libc_ = RUNNING_ON_VALGRIND != 0;
#else
  libc_ = false;
#endif
}

void SystemHeap::keep_hidden(const void *block) const {
#if LOAM_UNDER_ASAN
  __lsan_ignore_object(block);
#else
  (void)block;
#endif
}

void SystemHeap::trim() const {
  if (libc_) {
    malloc_trim(0);
  } else {
    mi_collect(true);
  }
}

}  // namespace loam::base
