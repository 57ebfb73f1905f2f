// The layouts of everything that a Lox value can point to.
//
// Each struct starts with Loam's 8-byte header. How Loam finds the references in each is declared
// in types.cc; a field that is not declared there says here why it is not counted.
//
//   String       characters behind the struct; interned, so that equal strings are one object
//   Function     code and constants; made by the compiler, shared by closures
//   Closure      a function and its upvalues, which lie behind the struct
//   Upvalue      a variable that outlives its frame
//   Class        a name and methods; native classes make lists, maps or weak references
//   Instance     fields; List, Map, WeakRef: the same prefix, other contents
//   BoundMethod  a receiver and what to call on it
//   Native       a C++ function
#ifndef LOX_OBJECT_H
#define LOX_OBJECT_H

#include <cstddef>
#include <iterator>
#include <string_view>

#include "heap.h"

namespace lox {

struct Vm;
struct Call;

// See table.h for what it means and its functions.
struct Table {
  Value *slots;
  size_t length;  // values in `slots`: two per pair, a power of two, or 0
  size_t count;   // pairs taken
};

struct String {
  Object header;
  uint32_t hash;
  uint32_t length;  // bytes; a NUL follows them

  char *chars() { return reinterpret_cast<char *>(this + 1); }
  const char *chars() const { return reinterpret_cast<const char *>(this + 1); }
  std::string_view view() const { return {chars(), length}; }
};

// From `offset` bytes of code on, up to the next start: this source line.
struct LineStart {
  uint32_t offset;
  int line;
};

struct Function {
  Object header;
  int arity;
  int upvalue_count;
  int max_stack;  // slots that a call needs: slot 0, parameters, variables, temporaries
  String *name;   // NULL: the script
  Array<Value> constants;
  Array<uint8_t> code;
  Array<LineStart> lines;
};

struct Upvalue {
  Object header;
  Value *location;     // a slot of the stack while open, then &closed
  Value closed;        // counted; the number 0 while open, when the stack owns the value
  Upvalue *next_open;  // the VM's list, which owns one count of each open upvalue
};

struct Closure {
  Object header;
  Function *function;
  Upvalue **upvalues;  // into this very object; Loam never moves objects
  size_t upvalue_count;
};

// False after runtime_error or out_of_memory was called; else the result is in the call.
using NativeFunction = bool (*)(Vm &vm, Call &call);

struct Native {
  Object header;
  NativeFunction function;
  const char *name;  // for error messages; static
  int arity;
};

struct Class {
  Object header;
  String *name;
  Table methods;
  size_t field_pairs;  // pairs that an earlier instance grew to: room to give the next one at once
  Kind makes;          // kInstance, or the kind of a native class
};

// The prefix that all four kinds share, so that finding a method never asks which it is.
struct Instance {
  Object header;
  Class *klass;
  Table fields;
};

struct List {
  Object header;
  Class *klass;
  Array<Value> items;
};

// See map.h.
struct Map {
  Object header;
  Class *klass;
  Array<Value> entries;
  uint32_t *index;
  uint32_t index_length;
  uint32_t live;
};

struct WeakRef {
  Object header;
  Class *klass;
  loam_weak *weak;  // NULL: made without a target
};

static_assert(offsetof(Instance, klass) == offsetof(List, klass) &&
              offsetof(Instance, klass) == offsetof(Map, klass) &&
              offsetof(Instance, klass) == offsetof(WeakRef, klass));

struct BoundMethod {
  Object header;
  Value receiver;
  Object *method;  // a Closure or a Native
};

// A value as an object of a kind that the caller has checked.
template <class T>
T *as(Value value) {
  return reinterpret_cast<T *>(as_object(value));
}

template <class T>
T *as(Object *object) {
  return reinterpret_cast<T *>(object);
}

// The class of anything that has one, or NULL.
inline Class *class_of(const Heap &heap, Value value) {
  if (!is_object(value)) return nullptr;
  Object *object = as_object(value);
  if (is_kind(heap, object, kInstance) || is_kind(heap, object, kList) ||
      is_kind(heap, object, kMap) || is_kind(heap, object, kWeakRef)) {
    return as<Instance>(object)->klass;
  }
  return nullptr;
}

}  // namespace lox

#endif
