// The life of a VM, its stack, and its errors.
#include "vm.h"

#include <cstdarg>
#include <cstdio>

#include "compiler.h"
#include "native.h"
#include "types.h"

namespace lox {

namespace {

int line_of(const Function *function, const uint8_t *ip) {
  // ip is behind the instruction that was fetched, or at the start of a function just entered.
  auto fetched = static_cast<size_t>(ip - function->code.items);
  size_t offset = fetched == 0 ? 0 : fetched - 1;
  const Array<LineStart> &lines = function->lines;
  size_t low = 0;
  size_t high = lines.length;
  while (high - low > 1) {
    size_t middle = low + (high - low) / 2;
    if (lines.items[middle].offset <= offset) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return lines.items[low].line;
}

void print_trace(const Vm &vm) {
  for (int i = vm.frame_count - 1; i >= 0; --i) {
    const Function *function = vm.frames[i].closure->function;
    std::fprintf(stderr, "[line %d] in ", line_of(function, vm.frames[i].ip));
    if (function->name == nullptr) {
      std::fputs("script\n", stderr);
    } else {
      std::fprintf(stderr, "%s()\n", function->name->chars());
    }
  }
}

Closure *new_script(Vm &vm, Function *function) {
  auto *closure = static_cast<Closure *>(new_sized(vm.heap, kClosure, sizeof(Closure)));
  if (closure == nullptr) {
    release(vm.heap.thread, function);
    out_of_memory(vm);
    return nullptr;
  }
  closure->function = function;
  return closure;
}

}  // namespace

bool open_vm(Vm &vm, loam_runtime *runtime) {
  vm.heap.runtime = runtime;
  vm.heap.thread = loam_runtime_main_thread(runtime);
  if (register_types(vm.heap) != LOAM_OK) return false;

  constexpr size_t kFrames = kMaxFrames + kFinalizerFrames;
  vm.frames = static_cast<Frame *>(reallocate(vm.heap, nullptr, kFrames * sizeof(Frame)));
  vm.stack =
      static_cast<Value *>(reallocate(vm.heap, nullptr, kFrames * kSlotsPerFrame * sizeof(Value)));
  if (vm.frames == nullptr || vm.stack == nullptr) return false;
  vm.frame_limit = kMaxFrames;
  vm.stack_top = vm.stack;
  vm.stack_limit = vm.stack + kMaxFrames * kSlotsPerFrame;

  vm.init_name = make_string(vm.heap, &vm.strings, "init");
  return vm.init_name != nullptr && open_finalizers(vm) && define_natives(vm);
}

void close_vm(Vm &vm) {
  loam_thread *thread = vm.heap.thread;
  vm.closing = true;
  for (; vm.heap_locks > 0; --vm.heap_locks) loam_heap_unlock(thread);
  if (vm.stack != nullptr) unwind(vm, 0, vm.stack);
  close_finalizers(vm);
  table_clear(thread, &vm.globals);
  release(thread, vm.init_name);
  release(thread, vm.list_class);
  release(thread, vm.map_class);
  release(thread, vm.weak_ref_class);
  loam_free(thread, vm.frames);
  loam_free(thread, vm.stack);
  loam_collect(thread);  // cycles; after this every string has left the table
  loam_free(thread, vm.strings.slots);
  vm.strings = StringTable{};
}

Outcome interpret(Vm &vm, std::string_view source) {
  Function *function = compile(vm.heap, &vm.strings, source);
  if (function == nullptr) return Outcome::kCompileError;
  Closure *script = new_script(vm, function);
  if (script == nullptr) return Outcome::kRuntimeError;
  push(vm, object_value(script));
  bool succeeded = call_value(vm, 0) && run(vm, 0);
  unwind(vm, 0, vm.stack);
  run_finalizers(vm);
  return succeeded ? Outcome::kOk : Outcome::kRuntimeError;
}

bool call_back(Vm &vm, Value callee, const Value *arguments, int count, Value *result) {
  if (vm.stack_limit - vm.stack_top <= count) return runtime_error(vm, "Stack overflow.");
  retain(vm.heap.thread, callee);
  push(vm, callee);
  for (int i = 0; i < count; ++i) {
    retain(vm.heap.thread, arguments[i]);
    push(vm, arguments[i]);
  }
  int base = vm.frame_count;
  if (!call_value(vm, count)) return false;
  if (vm.frame_count > base && !run(vm, base)) return false;
  *result = pop(vm);
  return true;
}

void unwind(Vm &vm, int frame_count, Value *stack_top) {
  close_upvalues(vm, stack_top);
  while (vm.stack_top > stack_top) release(vm.heap.thread, pop(vm));
  while (vm.frame_count > frame_count) {
    const Frame &frame = vm.frames[--vm.frame_count];
    if (frame.owns_closure) release(vm.heap.thread, frame.closure);
  }
}

bool runtime_error(Vm &vm, const char *format, ...) {
  std::fflush(stdout);  // in the order in which things happened, where both go to one place
  va_list arguments;
  va_start(arguments, format);
  std::vfprintf(stderr, format, arguments);
  va_end(arguments);
  std::fputc('\n', stderr);
  print_trace(vm);
  return false;
}

bool out_of_memory(Vm &vm) { return runtime_error(vm, "Out of memory."); }

Upvalue *capture_upvalue(Vm &vm, Value *slot) {
  Upvalue **link = &vm.open_upvalues;
  while (*link != nullptr && (*link)->location > slot) link = &(*link)->next_open;
  if (*link != nullptr && (*link)->location == slot) {
    retain(vm.heap.thread, *link);
    return *link;
  }
  auto *upvalue = new_object<Upvalue>(vm.heap, kUpvalue);
  if (upvalue == nullptr) return nullptr;
  upvalue->location = slot;
  upvalue->next_open = *link;
  *link = upvalue;  // the list's count is the one from birth
  retain(vm.heap.thread, upvalue);
  return upvalue;
}

void close_upvalues(Vm &vm, Value *slot) {
  while (vm.open_upvalues != nullptr && vm.open_upvalues->location >= slot) {
    Upvalue *upvalue = vm.open_upvalues;
    vm.open_upvalues = upvalue->next_open;
    upvalue->closed = *upvalue->location;  // the stack's count moves along
    *upvalue->location = kNil;
    upvalue->location = &upvalue->closed;
    release(vm.heap.thread, upvalue);
  }
}

}  // namespace lox
