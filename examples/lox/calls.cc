// Calls, properties and methods: everything that the interpreter loop does not do inline.
#include "native.h"
#include "vm.h"

namespace lox {

namespace {

bool wrong_arity(Vm &vm, int wanted, int count) {
  return runtime_error(vm, "Expected %d arguments but got %d.", wanted, count);
}

bool call_closure(Vm &vm, Closure *closure, int count, bool owns_closure) {
  if (enter(vm, closure, vm.stack_top, count, owns_closure)) {
    if (owns_closure) retain(vm.heap.thread, closure);
    return true;
  }
  if (closure->function->arity != count) return wrong_arity(vm, closure->function->arity, count);
  return runtime_error(vm, "Stack overflow.");
}

bool call_native(Vm &vm, const Native *native, int count) {
  if (native->arity != count) return wrong_arity(vm, native->arity, count);
  Call call{vm, native, vm.stack_top - count, count, kNil};
  if (!native->function(vm, call)) return false;
  for (int i = 0; i <= count; ++i) release(vm.heap.thread, pop(vm));
  push(vm, call.result);
  return true;
}

Instance *new_instance(Vm &vm, Kind kind) {
  switch (kind) {  // of different sizes, with the same prefix
    case kList:
      return reinterpret_cast<Instance *>(new_object<List>(vm.heap, kList));
    case kMap:
      return reinterpret_cast<Instance *>(new_object<Map>(vm.heap, kMap));
    case kWeakRef:
      return reinterpret_cast<Instance *>(new_object<WeakRef>(vm.heap, kWeakRef));
    default:
      return new_object<Instance>(vm.heap, kInstance);
  }
}

bool construct(Vm &vm, Class *klass, int count) {
  Instance *instance = new_instance(vm, klass->makes);
  if (instance == nullptr) return out_of_memory(vm);
  instance->klass = klass;  // with the stack's count
  vm.stack_top[-1 - count] = object_value(instance);
  if (Value *init = table_find(klass->methods, vm.init_name)) {
    return call_method(vm, as_object(*init), count);
  }
  return count == 0 || wrong_arity(vm, 0, count);
}

bool call_bound(Vm &vm, BoundMethod *bound, int count) {
  retain(vm.heap.thread, bound->receiver);
  vm.stack_top[-1 - count] = bound->receiver;
  bool called = call_method(vm, bound->method, count);
  release(vm.heap.thread, bound);
  return called;
}

}  // namespace

bool call_value(Vm &vm, int count) {
  Value callee = peek(vm, count);
  if (is_object(callee)) {
    Object *object = as_object(callee);
    if (is_kind(vm.heap, object, kClosure)) {
      return call_closure(vm, as<Closure>(object), count, false);
    }
    if (is_kind(vm.heap, object, kNative)) return call_native(vm, as<Native>(object), count);
    if (is_kind(vm.heap, object, kClass)) return construct(vm, as<Class>(object), count);
    if (is_kind(vm.heap, object, kBoundMethod)) {
      return call_bound(vm, as<BoundMethod>(object), count);
    }
  }
  return runtime_error(vm, "Can only call functions and classes.");
}

bool call_method(Vm &vm, Object *method, int count) {
  if (is_kind(vm.heap, method, kClosure)) return call_closure(vm, as<Closure>(method), count, true);
  return call_native(vm, as<Native>(method), count);
}

bool invoke(Vm &vm, String *name, int count) {
  Value receiver = peek(vm, count);
  Class *klass = class_of(vm.heap, receiver);
  if (klass == nullptr) return runtime_error(vm, "Only instances have methods.");
  if (is_kind(vm.heap, receiver, kInstance)) {
    if (Value *field = table_find(as<Instance>(receiver)->fields, name)) {
      assign(vm.heap.thread, &vm.stack_top[-1 - count], *field);
      return call_value(vm, count);
    }
  }
  return invoke_from_class(vm, klass, name, count);
}

bool invoke_from_class(Vm &vm, Class *klass, String *name, int count) {
  Value *method = table_find(klass->methods, name);
  if (method == nullptr) return runtime_error(vm, "Undefined property '%s'.", name->chars());
  return call_method(vm, as_object(*method), count);
}

bool bind_method(Vm &vm, Class *klass, String *name) {
  Value *method = table_find(klass->methods, name);
  if (method == nullptr) return runtime_error(vm, "Undefined property '%s'.", name->chars());
  auto *bound = new_object<BoundMethod>(vm.heap, kBoundMethod);
  if (bound == nullptr) return out_of_memory(vm);
  retain(vm.heap.thread, *method);
  bound->method = as_object(*method);
  bound->receiver = pop(vm);  // with the stack's count
  push(vm, object_value(bound));
  return true;
}

bool get_property(Vm &vm, String *name) {
  Value receiver = peek(vm, 0);
  Class *klass = class_of(vm.heap, receiver);
  if (klass == nullptr) return runtime_error(vm, "Only instances have properties.");
  if (is_kind(vm.heap, receiver, kInstance)) {
    if (Value *field = table_find(as<Instance>(receiver)->fields, name)) {
      assign(vm.heap.thread, &vm.stack_top[-1], *field);
      return true;
    }
  }
  return bind_method(vm, klass, name);
}

bool set_property(Vm &vm, String *name) {
  constexpr size_t kMostPairsAtOnce = 16;
  if (!is_kind(vm.heap, peek(vm, 1), kInstance)) {
    return runtime_error(vm, "Only instances have fields.");
  }
  auto *instance = as<Instance>(peek(vm, 1));
  Class *klass = instance->klass;
  if (!table_reserve(vm.heap, &instance->fields, klass->field_pairs) ||
      !table_set(vm.heap, &instance->fields, name, peek(vm, 0))) {
    return out_of_memory(vm);
  }
  size_t pairs = instance->fields.length / 2;
  if (pairs > klass->field_pairs && pairs <= kMostPairsAtOnce) klass->field_pairs = pairs;
  Value value = pop(vm);
  release(vm.heap.thread, pop(vm));
  push(vm, value);
  return true;
}

}  // namespace lox
