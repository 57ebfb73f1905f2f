// A Lox value in one machine word (NaN boxing).
//
//   number    any double that is not one of the patterns below
//   singleton 0x7ffc'0000'0000'000t   t: nil, false, true, absent
//   object    0xfffc'pppp'pppp'pppp   p: the 50 low bits of a pointer to a Loam object
//
// Loam's type descriptors describe exactly this: a word is a reference where
// (word & kObjectBits) == kObjectBits, to word & kPointerMask. So no type here needs a trace
// function.
//
// 1. Arithmetic yields only the processor's default NaN, whose bit 50 is clear: it is never taken
//    for a singleton or an object.
// 2. `absent` marks an empty place in a table; no Lox program ever holds it.
#ifndef LOX_VALUE_H
#define LOX_VALUE_H

#include <loam/loam.h>

#include <cstring>

namespace lox {

using Object = loam_object;

struct Value {
  uint64_t bits;
};

constexpr uint64_t kQuietNan = 0x7ffc000000000000;
constexpr uint64_t kObjectBits = 0xfffc000000000000;
constexpr uint64_t kPointerMask = ~kObjectBits;

constexpr Value kNil{kQuietNan | 1};
constexpr Value kFalse{kQuietNan | 2};
constexpr Value kTrue{kQuietNan | 3};
constexpr Value kAbsent{kQuietNan | 4};

inline bool same(Value a, Value b) { return a.bits == b.bits; }
inline bool is_nil(Value v) { return same(v, kNil); }
inline bool is_absent(Value v) { return same(v, kAbsent); }
inline bool is_boolean(Value v) { return (v.bits | 1) == kTrue.bits; }
inline bool is_number(Value v) { return (v.bits & kQuietNan) != kQuietNan; }
inline bool is_object(Value v) { return (v.bits & kObjectBits) == kObjectBits; }
inline bool is_falsey(Value v) { return is_nil(v) || same(v, kFalse); }

inline Value boolean(bool b) { return b ? kTrue : kFalse; }

inline Value number(double d) {
  Value v;
  std::memcpy(&v.bits, &d, sizeof d);
  return v;
}

inline double as_number(Value v) {
  double d;
  std::memcpy(&d, &v.bits, sizeof d);
  return d;
}

// For any struct that starts with an Object header.
template <class T>
Value object_value(const T *object) {
  return Value{kObjectBits | reinterpret_cast<uintptr_t>(object)};
}

inline Object *as_object(Value v) { return reinterpret_cast<Object *>(v.bits & kPointerMask); }

// Numbers compare as numbers, so that NaN differs from itself and 0 equals -0; strings are
// interned, so that for everything else equality is identity.
inline bool equal(Value a, Value b) {
  if (is_number(a) && is_number(b)) return as_number(a) == as_number(b);
  return same(a, b);
}

inline void retain(loam_thread *thread, Value v) {
  if (is_object(v)) loam_incref(thread, as_object(v));
}

inline void release(loam_thread *thread, Value v) {
  if (is_object(v)) loam_decref(thread, as_object(v));
}

template <class T>
void retain(loam_thread *thread, T *object) {
  loam_incref(thread, reinterpret_cast<Object *>(object));
}

// NULL is allowed, as in free().
template <class T>
void release(loam_thread *thread, T *object) {
  loam_xdecref(thread, reinterpret_cast<Object *>(object));
}

// Stores a new counted reference to v. The old value goes last: its end may change any table.
inline void assign(loam_thread *thread, Value *place, Value v) {
  retain(thread, v);
  Value old = *place;
  *place = v;
  release(thread, old);
}

}  // namespace lox

#endif
