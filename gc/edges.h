// Edges: calling something for each strong reference that an object holds.
//
//   fields   refs and tagged words in the first 256 bytes      inline
//   rest     those behind; an array of them; what trace tells  rare types only
//
// Descriptors are walked inline; a trace callback reports through loam_visit, which comes back
// here by way of a loam_visitor. Hot loops call the two halves apart: what the second one is given
// escapes, and must not share locals with them.
#pragma once

#include <cstring>
#include <type_traits>

#include "allocator/base/check.h"
#include "gc/type.h"

struct loam_visitor {
  void (*visit)(loam_visitor *self, loam_object *target);
};

namespace loam::gc {

// Objects as bytes: hosts declare the fields with types of their own.
template <typename T>
inline T read_field(const loam_object *object, size_t offset) {
  T value;
  std::memcpy(&value, reinterpret_cast<const char *>(object) + offset, sizeof value);
  return value;
}

// What a tagged word refers to, or NULL.
inline loam_object *reference_in(const Type &type, uint64_t word) {
  if ((word & type.value_mask) != type.value_bits) return nullptr;
  return reinterpret_cast<loam_object *>(word & type.pointer_mask);
}

template <typename Visit>
inline void visit_word(const Type &type, uint64_t word, Visit &&visit) {
  loam_object *target = reference_in(type, word);
  if (target != nullptr) visit(target);
}

// visit(loam_object *) for each field that is a reference or may hold one, NULL included: it is no
// address in the range, so that the test for that finds it too. Returns type.has_rest: of most
// types one look at only_run tells that there is nothing else.
template <typename Visit>
inline bool visit_fields(const Type &type, const loam_object *object, Visit &&visit) {
  for (size_t at = type.run_begin, end = type.run_end; at != end; at += sizeof(loam_object *)) {
    visit(read_field<loam_object *>(object, at));
  }
  if (LOAM_EXPECT(type.only_run)) return false;
  for (uint32_t words = type.ref_words; words != 0; words &= words - 1) {
    const auto at = static_cast<unsigned>(__builtin_ctz(words));
    visit(read_field<loam_object *>(object, at * sizeof(uint64_t)));
  }
  for (uint32_t words = type.value_words; words != 0; words &= words - 1) {
    const auto at = static_cast<unsigned>(__builtin_ctz(words));
    visit_word(type, read_field<uint64_t>(object, at * sizeof(uint64_t)), visit);
  }
  return type.has_rest;
}

// The same for `count` objects of one type that lie `step` bytes apart; of a type with short_run.
// What is the same for all of them is looked at once.
template <typename Visit>
LOAM_ALWAYS_INLINE void visit_runs(const Type &type, const char *first, ptrdiff_t step,
                                   ptrdiff_t count, Visit &&visit) {
  const auto each = [=, &visit](auto fields) LOAM_INLINED {
    const char *run = first + type.run_begin;
    for (const char *const end = run + count * step; run != end; run += step) {
      const auto *const object = reinterpret_cast<const loam_object *>(run);
      for (size_t i = 0; i < fields; ++i) {
        visit(read_field<loam_object *>(object, i * sizeof(loam_object *)));
      }
    }
  };
  static_assert(kShortRun == 4);
  switch (type.short_run) {
    case 1:
      return each(std::integral_constant<size_t, 1>());
    case 2:
      return each(std::integral_constant<size_t, 2>());
    case 3:
      return each(std::integral_constant<size_t, 3>());
    case 4:
      return each(std::integral_constant<size_t, 4>());
    default:
      LOAM_ASSERT(false);
  }
}

// Appends a target that is not NULL, without a branch on whether it is; returns the new count.
template <typename Target>
inline size_t append(loam_object *target, Target *targets, size_t count) {
  targets[count] = reinterpret_cast<Target>(target);
  return count + (target != nullptr);
}

template <size_t kFields, typename Target>
LOAM_ALWAYS_INLINE size_t gather_run(const Type &type, const loam_object *object, Target *targets,
                                     size_t count) {
  for (size_t i = 0; i < kFields; ++i) {
    const size_t at = type.run_begin + i * sizeof(loam_object *);
    count = append(read_field<loam_object *>(object, at), targets, count);
  }
  return count;
}

// The same fields, for whoever looks at targets in a loop of its own: appends those that are not
// NULL to targets[count], pointers or words; returns the new count. At most kMostFields: a word may
// be named as a reference and as a tagged word.
constexpr size_t kMostFields = 2 * kMappedWords;
// Who gathers the edges of many objects looks at them once there are so many.
constexpr size_t kGathered = 96;

template <typename Target>
inline size_t gather_fields(const Type &type, const loam_object *object, Target *targets,
                            size_t count) {
  static_assert(kShortRun == 4);
  switch (type.short_run) {
    case 1:
      return gather_run<1>(type, object, targets, count);
    case 2:
      return gather_run<2>(type, object, targets, count);
    case 3:
      return gather_run<3>(type, object, targets, count);
    case 4:
      return gather_run<4>(type, object, targets, count);
    default:
      break;
  }
  for (size_t at = type.run_begin, end = type.run_end; at != end; at += sizeof(loam_object *)) {
    count = append(read_field<loam_object *>(object, at), targets, count);
  }
  for (uint32_t words = type.ref_words; words != 0; words &= words - 1) {
    const auto at = static_cast<unsigned>(__builtin_ctz(words));
    count = append(read_field<loam_object *>(object, at * sizeof(uint64_t)), targets, count);
  }
  for (uint32_t words = type.value_words; words != 0; words &= words - 1) {
    const auto at = static_cast<unsigned>(__builtin_ctz(words));
    const uint64_t word = read_field<uint64_t>(object, at * sizeof(uint64_t));
    count = append(reference_in(type, word), targets, count);
  }
  return count;
}

// The same behind the first words, where only large objects have fields. NULL is skipped from here
// on.
template <typename Visit>
inline void visit_far_fields(const Type &type, const loam_object *object, Visit &&visit) {
  for (size_t i = 0, count = type.ref_count; i < count; ++i) {
    loam_object *target = read_field<loam_object *>(object, type.refs[i]);
    if (target != nullptr) visit(target);
  }
  for (size_t i = 0, count = type.value_count; i < count; ++i) {
    visit_word(type, read_field<uint64_t>(object, type.values[i]), visit);
  }
}

// The same for all edges that are no fields of the first words; of types that has_rest.
template <typename Visit>
inline void visit_rest(const Type &type, loam_object *object, Visit &&visit) {
  visit_far_fields(type, object, visit);
  if (type.items_offset != 0) {
    const size_t length = read_field<size_t>(object, type.length_offset);
    const uint64_t *items = read_field<const uint64_t *>(object, type.items_offset);
    for (size_t i = 0; i < length; ++i) visit_word(type, items[i], visit);
  }
  if (type.trace != nullptr) {
    using Function = std::remove_reference_t<Visit>;
    struct Adapter : loam_visitor {
      Function *function;
    } adapter;
    adapter.visit = [](loam_visitor *self, loam_object *target) {
      (*static_cast<Adapter *>(self)->function)(target);
    };
    adapter.function = &visit;
    type.trace(object, &adapter);
  }
}

// Arrays longer than this are followed in parts where time is short, and not at all by young
// collections (loam.h, loam_collect_young).
constexpr size_t kItemsAtOnce = 2048;

inline bool is_long_array(const Type &type, const loam_object *object) {
  return type.items_offset != 0 && read_field<size_t>(object, type.length_offset) > kItemsAtOnce;
}

// A part of its array, from `first` on; true when more is left.
template <typename Visit>
inline bool visit_items(const Type &type, const loam_object *object, size_t first, Visit &&visit) {
  const size_t length = read_field<size_t>(object, type.length_offset);
  const uint64_t *items = read_field<const uint64_t *>(object, type.items_offset);
  const bool more = first < length && length - first > kItemsAtOnce;
  const size_t end = more ? first + kItemsAtOnce : length;
  for (size_t i = first; i < end; ++i) visit_word(type, items[i], visit);
  return more;
}

// Of an object with a long array its fields and the first items, or, where `first` is not 0, the
// items from there on; true when more is left.
template <typename Visit>
inline bool visit_part(const Type &type, const loam_object *object, size_t first, Visit &&visit) {
  if (first == 0) {
    visit_fields(type, object, visit);
    visit_far_fields(type, object, visit);
  }
  return visit_items(type, object, first, visit);
}

template <typename Visit>
inline void visit_edges(const Type &type, loam_object *object, Visit &&visit) {
  visit_fields(type, object, [&visit](loam_object *target) {
    if (target != nullptr) visit(target);
  });
  if (type.has_rest) visit_rest(type, object, visit);
}

}  // namespace loam::gc
