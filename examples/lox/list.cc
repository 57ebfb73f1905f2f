// The native class List.
#include "native.h"

namespace lox {

namespace {

Array<Value> &items_of(const Call &call) { return as<List>(call.receiver())->items; }

// Puts a new count of the value at a position up to the length.
bool insert_at(Vm &vm, Call &call, size_t at, Value value) {
  Array<Value> &items = items_of(call);
  if (!array_reserve(vm.heap, &items, items.length + 1)) return call.out_of_memory();
  std::memmove(items.items + at + 1, items.items + at, (items.length - at) * sizeof(Value));
  retain(vm.heap.thread, value);
  items.items[at] = value;
  ++items.length;
  return true;
}

// The caller gets the list's count of the item.
Value take_at(Call &call, size_t at) {
  Array<Value> &items = items_of(call);
  Value value = items.items[at];
  --items.length;
  std::memmove(items.items + at, items.items + at + 1, (items.length - at) * sizeof(Value));
  return value;
}

bool add(Vm &vm, Call &call) {
  return insert_at(vm, call, items_of(call).length, call.arguments[0]);
}

bool get(Vm &vm, Call &call) {
  size_t i;
  if (!call.index(0, items_of(call).length, &i)) return false;
  Value value = items_of(call).items[i];
  retain(vm.heap.thread, value);
  return call.give(value);
}

bool set(Vm &vm, Call &call) {
  size_t i;
  if (!call.index(0, items_of(call).length, &i)) return false;
  assign(vm.heap.thread, &items_of(call).items[i], call.arguments[1]);
  return true;
}

bool insert(Vm &vm, Call &call) {
  size_t i;
  if (!call.index(0, items_of(call).length + 1, &i)) return false;
  return insert_at(vm, call, i, call.arguments[1]);
}

bool remove_at(Vm &, Call &call) {
  size_t i;
  return call.index(0, items_of(call).length, &i) && call.give(take_at(call, i));
}

bool pop_last(Vm &vm, Call &call) {
  size_t length = items_of(call).length;
  if (length == 0) return runtime_error(vm, "List.pop: the list is empty.");
  return call.give(take_at(call, length - 1));
}

bool length(Vm &, Call &call) { return call.give(static_cast<double>(items_of(call).length)); }

bool clear(Vm &vm, Call &call) {
  Array<Value> old = items_of(call);
  items_of(call) = Array<Value>{};  // what is released may look here
  for (size_t i = 0; i < old.length; ++i) release(vm.heap.thread, old.items[i]);
  array_free(vm.heap.thread, &old);
  return true;
}

}  // namespace

List *new_list(Vm &vm) {
  List *list = new_object<List>(vm.heap, kList);
  if (list == nullptr) return nullptr;
  retain(vm.heap.thread, vm.list_class);
  list->klass = vm.list_class;
  return list;
}

bool define_list(Vm &vm) {
  static const NativeSpec kMethods[] = {
      {"add", "List.add", add, 1},
      {"get", "List.get", get, 1},
      {"set", "List.set", set, 2},
      {"insert", "List.insert", insert, 2},
      {"removeAt", "List.removeAt", remove_at, 1},
      {"pop", "List.pop", pop_last, 0},
      {"length", "List.length", length, 0},
      {"clear", "List.clear", clear, 0},
      {"sort", "List.sort", sort_list, 1},
  };
  return define_class(vm, "List", kList, kMethods, std::size(kMethods), &vm.list_class);
}

}  // namespace lox
