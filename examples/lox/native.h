// C++ functions that Lox programs call.
#ifndef LOX_NATIVE_H
#define LOX_NATIVE_H

#include "vm.h"

namespace lox {

// One call of a native: its arguments, and where its result goes.
//
// The readers below check an argument and report "name: argument 1 must be ..." when it is not what
// they want. Arguments are counted from 0 in C++ and from 1 in messages, and stay on the stack for
// the whole call.
struct Call {
  Vm &vm;
  const Native *native;
  Value *arguments;
  int count;
  Value result;  // owned; nil unless the native sets it

  Value receiver() const { return arguments[-1]; }
  bool string(int i, String **out);
  bool number(int i, double *out);
  // A whole number from 0 to limit - 1.
  bool index(int i, size_t limit, size_t *out);

  bool wrong_argument(int i, const char *wanted);
  bool out_of_memory() { return lox::out_of_memory(vm); }
  // These set the result and return true, or report that memory ran out.
  bool give(Value owned);
  bool give(double value) { return give(lox::number(value)); }
  bool give_text(std::string_view text);
  template <class T>
  bool give_object(T *owned) {
    return owned == nullptr ? out_of_memory() : give(object_value(owned));
  }
};

struct NativeSpec {
  const char *name;     // in Lox
  const char *message;  // in error messages: with its class
  NativeFunction function;
  int arity;
};

// All of them; each of these returns false when memory ran out.
bool define_natives(Vm &vm);

bool define_system(Vm &vm);
bool define_text(Vm &vm);
bool define_memory(Vm &vm);
bool define_list(Vm &vm);
bool define_map(Vm &vm);
bool define_weak_ref(Vm &vm);

bool define_functions(Vm &vm, const NativeSpec *specs, size_t count);
// A global class whose instances are of the given kind. *out_class gets a reference of its own.
bool define_class(Vm &vm, const char *name, Kind makes, const NativeSpec *methods, size_t count,
                  Class **out_class);

template <size_t N>
bool define_functions(Vm &vm, const NativeSpec (&specs)[N]) {
  return define_functions(vm, specs, N);
}

// New and empty, one reference the caller's; NULL when memory ran out.
List *new_list(Vm &vm);
Map *new_map(Vm &vm);

// list.sort (sort.cc).
bool sort_list(Vm &vm, Call &call);

}  // namespace lox

#endif
