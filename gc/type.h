// What the collector knows about a type: how to find an object's edges, and the host's functions.
//
// [G-1] Edges are found in one way only: by the descriptors (refs, values, items), or by trace.
//
// Thread safety: written once at registration, then read-only.
#pragma once

#include <loam/layout.h>

#include <cstddef>
#include <cstdint>

#include "allocator/slab.h"

namespace loam::gc {

// The words of an object that a bit each can tell of: all of a small one.
constexpr size_t kMappedWords = 32;
static_assert(kMappedWords * sizeof(uint64_t) == LOAM_MAX_BLOCK);

constexpr size_t kShortRun = 4;  // fields: most types have no more

struct Type : loam_type {
  alloc::Kind kind;   // kLeaf: untracked (no references, or acyclic); kContainer
  bool unzeroed;      // LOAM_TYPE_UNZEROED
  bool has_edges;     // false: nothing to trace
  bool only_run;      // all its edges are the run of fields below
  uint8_t short_run;  // how many fields, if only_run and at most kShortRun; else 0
  bool has_rest;      // edges behind its first words: far fields, items, what trace reports
  // Dies without host code; all its edges are fields of the first words; its blocks have a head.
  bool dies_plainly;
  // The first run of fields that are a loam_object *: offsets of the first and behind the last.
  uint16_t run_begin, run_end;
  uint32_t ref_words;    // bit i: the object's word i, of 8 bytes, is one that is not in the run
  uint32_t value_words;  // bit i: it is a tagged word
  uint64_t value_mask, value_bits, pointer_mask;
  uint16_t ref_count;      // refs[ref_count]
  uint16_t value_count;    // values[value_count]
  const uint16_t *refs;    // offsets of a loam_object * in the words from kMappedWords on
  const uint16_t *values;  // offsets of tagged words there
  size_t items_offset;     // of a pointer to tagged words; 0: none
  size_t length_offset;    // of their number, a size_t
  loam_trace_fn trace;
  loam_finalize_fn finalize;
  loam_dispose_fn dispose;
  uint32_t block_size;   // bytes of a small block of a fixed size; else 0
  uint32_t reciprocal;   // of block_size, see block_index
  uint16_t pool_head;    // of its private pool; LOAM_HEAD_NULL: by size
  size_t instance_size;  // bytes, header included; 0: given per object
  size_t least_size;     // bytes: the header and every described field
  const char *name;
  void *context;
};

// What the common death reads of a type: a simple one, which dies without host code, whose only
// edges are refs, and whose blocks have a head.
struct SimpleDeath {
  uint16_t head_offset;   // in loam_thread; LOAM_HEAD_NULL's: the type is not simple
  uint16_t zeroed_bytes;  // of the block; 0: what is behind the header was found NULL
  uint16_t first_ref;     // the refs lie in the words from this offset,
  uint16_t end_ref;       // to this one; between them other fields may lie
};
static_assert(sizeof(SimpleDeath) == 8);

inline uint32_t type_index(uint32_t tag) { return tag >> LOAM_TAG_TYPE_SHIFT; }

// Types by index; index 0 stands for free blocks, whose tag is 0: a type that is never simple.
struct TypeTable {
  Type **types = nullptr;
  SimpleDeath *deaths = nullptr;  // by index too: eight types to a cache line
  uint32_t count = 1;
  uint32_t capacity = 0;
  bool any_finalizer = false;
  bool any_dispose = false;
  bool any_trace = false;

  Type &of(const loam_object *object) const { return *types[type_index(object->tag)]; }
};

}  // namespace loam::gc
