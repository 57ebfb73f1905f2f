#include "allocator/base/system_heap.h"

#include <malloc.h>
#include <mimalloc.h>

#include <cstdlib>

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

namespace loam::base {

namespace {

// A few instructions under neither tool; constant under AddressSanitizer.
inline bool watched() {
#if LOAM_UNDER_ASAN
  return true;
#elif defined(RUNNING_ON_VALGRIND)
  return RUNNING_ON_VALGRIND != 0;
#else
  return false;
#endif
}

}  // namespace

void *system_malloc(size_t bytes) { return watched() ? std::malloc(bytes) : mi_malloc(bytes); }

void *system_calloc(size_t bytes) { return watched() ? std::calloc(1, bytes) : mi_zalloc(bytes); }

void *system_realloc(void *block, size_t bytes) {
  return watched() ? std::realloc(block, bytes) : mi_realloc(block, bytes);
}

void system_free(void *block) {
  if (watched()) {
    std::free(block);
  } else {
    mi_free(block);
  }
}

size_t system_usable_size(const void *block) {
  return watched() ? malloc_usable_size(const_cast<void *>(block)) : mi_usable_size(block);
}

size_t system_good_size(size_t bytes) { return watched() ? bytes : mi_good_size(bytes); }

void system_trim() {
  if (watched()) {
    malloc_trim(0);
  } else {
    mi_collect(true);
  }
}

}  // namespace loam::base
