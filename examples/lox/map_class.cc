// The native class Map.
#include "map.h"
#include "native.h"

namespace lox {

namespace {

Map *map_of(const Call &call) { return as<Map>(call.receiver()); }

bool get(Vm &vm, Call &call) {
  Value *value = map_find(vm.heap, map_of(call), call.arguments[0]);
  if (value == nullptr) return true;
  retain(vm.heap.thread, *value);
  return call.give(*value);
}

bool set(Vm &vm, Call &call) {
  if (map_set(vm.heap, map_of(call), call.arguments[0], call.arguments[1])) return true;
  return call.out_of_memory();
}

bool has(Vm &vm, Call &call) {
  return call.give(boolean(map_find(vm.heap, map_of(call), call.arguments[0]) != nullptr));
}

bool remove(Vm &vm, Call &call) {
  return call.give(boolean(map_remove(vm.heap, map_of(call), call.arguments[0])));
}

bool keys(Vm &vm, Call &call) {
  List *list = new_list(vm);
  if (list == nullptr) return call.out_of_memory();
  if (!array_reserve(vm.heap, &list->items, map_of(call)->live)) {
    release(vm.heap.thread, list);
    return call.out_of_memory();
  }
  const Array<Value> &entries = map_of(call)->entries;
  for (size_t i = 0; i < entries.length; i += 2) {
    if (is_absent(entries.items[i])) continue;
    retain(vm.heap.thread, entries.items[i]);
    list->items.items[list->items.length++] = entries.items[i];
  }
  return call.give_object(list);
}

bool length(Vm &, Call &call) { return call.give(static_cast<double>(map_of(call)->live)); }

bool clear(Vm &vm, Call &call) {
  map_clear(vm.heap.thread, map_of(call));
  return true;
}

}  // namespace

Map *new_map(Vm &vm) {
  Map *map = new_object<Map>(vm.heap, kMap);
  if (map == nullptr) return nullptr;
  retain(vm.heap.thread, vm.map_class);
  map->klass = vm.map_class;
  return map;
}

bool define_map(Vm &vm) {
  static const NativeSpec kMethods[] = {
      {"get", "Map.get", get, 1},       {"set", "Map.set", set, 2},
      {"has", "Map.has", has, 1},       {"remove", "Map.remove", remove, 1},
      {"keys", "Map.keys", keys, 0},    {"length", "Map.length", length, 0},
      {"clear", "Map.clear", clear, 0},
  };
  return define_class(vm, "Map", kMap, kMethods, std::size(kMethods), &vm.map_class);
}

}  // namespace lox
