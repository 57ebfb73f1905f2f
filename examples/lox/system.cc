// Natives for the world outside, and for looking at values.
#include <cmath>
#include <cstdio>
#include <ctime>

#include "file.h"
#include "native.h"
#include "print.h"

namespace lox {

namespace {

// Processor seconds.
bool clock_seconds(Vm &, Call &call) {
  return call.give(static_cast<double>(std::clock()) / static_cast<double>(CLOCKS_PER_SEC));
}

// print without the newline.
bool write(Vm &vm, Call &call) {
  print_value(vm.heap, call.arguments[0], stdout);
  return true;
}

const char *type_name(const Heap &heap, Value value) {
  if (is_nil(value)) return "nil";
  if (is_boolean(value)) return "boolean";
  if (is_number(value)) return "number";
  switch (kind_of(heap, as_object(value))) {
    case kString:
      return "string";
    case kClass:
      return "class";
    case kInstance:
      return "instance";
    case kList:
      return "list";
    case kMap:
      return "map";
    case kWeakRef:
      return "weakref";
    default:
      return "function";
  }
}

bool type_of(Vm &vm, Call &call) { return call.give_text(type_name(vm.heap, call.arguments[0])); }

bool floor_number(Vm &, Call &call) {
  double value = 0;
  return call.number(0, &value) && call.give(std::floor(value));
}

// The file's bytes as a string, or nil when it cannot be read.
bool read_file_native(Vm &vm, Call &call) {
  String *path;
  if (!call.string(0, &path)) return false;
  Array<char> bytes = {};
  FileStatus status = read_file(vm.heap, path->chars(), &bytes);
  String *text = nullptr;
  if (status == FileStatus::kOk) {
    text = make_string(vm.heap, &vm.strings, {bytes.items, bytes.length});
  }
  array_free(vm.heap.thread, &bytes);
  if (status == FileStatus::kCannotOpen || status == FileStatus::kCannotRead) {
    return call.give(kNil);
  }
  return call.give_object(text);
}

bool program_arguments(Vm &vm, Call &call) {
  List *list = new_list(vm);
  if (list == nullptr) return call.out_of_memory();
  for (int i = 0; i < vm.argument_count; ++i) {
    String *string = make_string(vm.heap, &vm.strings, vm.arguments[i]);
    if (string == nullptr || !array_push(vm.heap, &list->items, object_value(string))) {
      release(vm.heap.thread, string);
      release(vm.heap.thread, list);
      return call.out_of_memory();
    }
  }
  return call.give_object(list);
}

}  // namespace

bool define_system(Vm &vm) {
  static const NativeSpec kFunctions[] = {
      {"clock", "clock", clock_seconds, 0},
      {"write", "write", write, 1},
      {"typeOf", "typeOf", type_of, 1},
      {"floor", "floor", floor_number, 1},
      {"readFile", "readFile", read_file_native, 1},
      {"args", "args", program_arguments, 0},
  };
  return define_functions(vm, kFunctions);
}

}  // namespace lox
