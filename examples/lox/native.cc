#include "native.h"

#include <cmath>

namespace lox {

namespace {

bool add_native(Vm &vm, Table *table, const NativeSpec &spec) {
  String *name = make_string(vm.heap, &vm.strings, spec.name);
  auto *native = name == nullptr ? nullptr : new_object<Native>(vm.heap, kNative);
  bool done = false;
  if (native != nullptr) {
    native->function = spec.function;
    native->name = spec.message;
    native->arity = spec.arity;
    done = table_set(vm.heap, table, name, object_value(native));
  }
  release(vm.heap.thread, native);
  release(vm.heap.thread, name);
  return done;
}

}  // namespace

bool Call::wrong_argument(int i, const char *wanted) {
  return runtime_error(vm, "%s: argument %d must be %s.", native->name, i + 1, wanted);
}

bool Call::string(int i, String **out) {
  if (!is_kind(vm.heap, arguments[i], kString)) return wrong_argument(i, "a string");
  *out = as<String>(arguments[i]);
  return true;
}

bool Call::number(int i, double *out) {
  if (!is_number(arguments[i])) return wrong_argument(i, "a number");
  *out = as_number(arguments[i]);
  return true;
}

bool Call::index(int i, size_t limit, size_t *out) {
  double value = 0;
  if (!number(i, &value)) return false;
  if (value != std::floor(value)) return wrong_argument(i, "a whole number");
  if (!(value >= 0 && value < static_cast<double>(limit))) {
    if (limit == 0) {
      return runtime_error(vm, "%s: %g is out of range: it is empty.", native->name, value);
    }
    return runtime_error(vm, "%s: %g is out of range: 0 to %zu.", native->name, value, limit - 1);
  }
  *out = static_cast<size_t>(value);
  return true;
}

bool Call::give(Value owned) {
  result = owned;
  return true;
}

bool Call::give_text(std::string_view text) {
  return give_object(make_string(vm.heap, &vm.strings, text));
}

bool define_functions(Vm &vm, const NativeSpec *specs, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    if (!add_native(vm, &vm.globals, specs[i])) return false;
  }
  return true;
}

bool define_class(Vm &vm, const char *name, Kind makes, const NativeSpec *methods, size_t count,
                  Class **out_class) {
  auto *klass = new_object<Class>(vm.heap, kClass);
  if (klass == nullptr) return false;
  *out_class = klass;
  klass->makes = makes;
  klass->name = make_string(vm.heap, &vm.strings, name);
  if (klass->name == nullptr) return false;
  for (size_t i = 0; i < count; ++i) {
    if (!add_native(vm, &klass->methods, methods[i])) return false;
  }
  return table_set(vm.heap, &vm.globals, klass->name, object_value(klass));
}

bool define_natives(Vm &vm) {
  return define_system(vm) && define_text(vm) && define_memory(vm) && define_list(vm) &&
         define_map(vm) && define_weak_ref(vm);
}

}  // namespace lox
