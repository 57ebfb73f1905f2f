// Memory that is not a block: most large ones and the runtime's own structures. It comes from
// mimalloc; under AddressSanitizer and Valgrind it comes from libc instead, so that those tools see
// each block. Which it is, is found out once per object of this class: all agree.
// Thread safety: the sources'.
#pragma once

#include <malloc.h>
#include <mimalloc.h>

#include <cstddef>
#include <cstdlib>

namespace loam::base {

class SystemHeap {
 public:
  SystemHeap();

  // All return nullptr when memory ran out. Blocks are aligned to 16 bytes.
  void *allocate(size_t bytes) const { return libc_ ? std::malloc(bytes) : mi_malloc(bytes); }
  void *allocate_zeroed(size_t bytes) const {
    return libc_ ? std::calloc(1, bytes) : mi_zalloc(bytes);
  }
  // On failure the old block is untouched.
  void *reallocate(void *block, size_t bytes) const {
    return libc_ ? std::realloc(block, bytes) : mi_realloc(block, bytes);
  }
  void free(void *block) const { libc_ ? std::free(block) : mi_free(block); }
  size_t usable_size(const void *block) const {
    return libc_ ? malloc_usable_size(const_cast<void *>(block)) : mi_usable_size(block);
  }
  // Without the question, where is_watched() is false.
  void *allocate_unwatched(size_t bytes) const { return mi_malloc(bytes); }
  void free_unwatched(void *block) const { mi_free(block); }
  // Bytes of a block of which so many are asked for, unless a build that checks for writes past the
  // end gives those only.
  size_t good_size(size_t bytes) const { return libc_ ? bytes : mi_good_size(bytes); }
  // A tool watches each block: what was freed is its business.
  bool is_watched() const { return libc_; }
  // No pointer to the block is kept where a tool that looks for lost ones would find it.
  void keep_hidden(const void *block) const;
  void trim() const;  // asks the source to give back what it caches

 private:
  bool libc_;
};

}  // namespace loam::base
