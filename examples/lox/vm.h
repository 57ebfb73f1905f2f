// The virtual machine's state, and the operations on it that the interpreter loop and the natives
// share.
//
//   stack    | script | ... | callee or this | arguments | variables, temporaries | ...
//                             ^ frame.slots                                        ^ stack_top
//
// 1. Each slot below stack_top owns one count of its value. Nothing above it is valid.
// 2. While the interpreter loop runs, ip and stack_top live in its locals; it stores them here
// before
//    it calls anything that looks at them or may fail. Loam needs neither: counts are its roots.
// 3. Whatever ends an object may call dispose and the instances' finalizer, at any release or
//    allocation. Neither of them runs Lox code: see finalizers.h.
// 4. A function that returns false has reported a Lox error; its caller passes that on until some
//    caller unwinds the stack.
#ifndef LOX_VM_H
#define LOX_VM_H

#include "finalizers.h"
#include "object.h"
#include "strings.h"
#include "table.h"

namespace lox {

constexpr int kMaxFrames = 64;
constexpr int kSlotsPerFrame = 256;
// On top of the above, for Lox finalizers that run while the program itself is deep down.
constexpr int kFinalizerFrames = 16;

struct Frame {
  Closure *closure;
  const uint8_t *ip;  // while another frame is on top
  Value *slots;
  const Value *constants;  // of the closure's function: one load instead of three
  bool owns_closure;       // a method, one count; a function's closure is kept by slot 0
};

struct Vm {
  Heap heap;
  StringTable strings;
  Table globals;
  Frame *frames;
  int frame_count;
  int frame_limit;
  Value *stack;
  Value *stack_top;
  Value *stack_limit;
  Upvalue *open_upvalues;  // by slot, highest first; one count each
  Finalizers finalizers;
  String *init_name;
  Class *list_class;
  Class *map_class;
  Class *weak_ref_class;
  int argument_count;  // of the program, behind its file
  char **arguments;
  int heap_locks;  // by heapLock()
  bool closing;    // objects end without their Lox finalizers
};

enum class Outcome { kOk, kCompileError, kRuntimeError };

// vm must be the runtime's options.context. False when memory ran out; close is legal then too.
bool open_vm(Vm &vm, loam_runtime *runtime);
// Releases everything, so that the runtime holds nothing but its types.
void close_vm(Vm &vm);

// Compiles and runs. A NUL must follow the source.
Outcome interpret(Vm &vm, std::string_view source);

// Runs until the frame count is back at base; the result is on top of the stack (interpreter.cc).
bool run(Vm &vm, int base);

// Calls from C++: natives, finalizers. The values are borrowed, the result is owned.
bool call_back(Vm &vm, Value callee, const Value *arguments, int count, Value *result);

// Calls what lies below `count` arguments on the stack. A closure has only been entered on return,
// anything native has been replaced by its result.
bool call_value(Vm &vm, int count);
// The same for a method that is called with the receiver in the callee's place.
bool call_method(Vm &vm, Object *method, int count);
bool invoke(Vm &vm, String *name, int count);
bool invoke_from_class(Vm &vm, Class *klass, String *name, int count);

// Properties; receiver and value lie on the stack and are replaced by the result.
bool get_property(Vm &vm, String *name);
bool set_property(Vm &vm, String *name);
bool bind_method(Vm &vm, Class *klass, String *name);

// Moves every captured variable from `slot` upwards off the stack.
void close_upvalues(Vm &vm, Value *slot);
// A reference to the upvalue for a slot, or NULL.
Upvalue *capture_upvalue(Vm &vm, Value *slot);

// Prints message and stack trace to stderr. Both return false, to be returned in turn.
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
bool runtime_error(Vm &vm, const char *format, ...);
bool out_of_memory(Vm &vm);

// Releases frames and slots down to the given ones.
void unwind(Vm &vm, int frame_count, Value *stack_top);

inline void push(Vm &vm, Value owned) { *vm.stack_top++ = owned; }
inline Value pop(Vm &vm) { return *--vm.stack_top; }
inline Value peek(const Vm &vm, int distance) { return vm.stack_top[-1 - distance]; }

// Enters a closure whose arguments are on the stack, unless something is wrong: then nothing
// happened, and enter_slow says what.
inline bool enter(Vm &vm, Closure *closure, Value *stack_top, int count, bool owns_closure) {
  Function *function = closure->function;
  Value *slots = stack_top - count - 1;
  if (!LOAM_LIKELY(function->arity == count && vm.frame_count < vm.frame_limit &&
                   vm.stack_limit - slots >= function->max_stack)) {
    return false;
  }
  Frame *frame = &vm.frames[vm.frame_count++];
  frame->closure = closure;
  frame->ip = function->code.items;
  frame->slots = slots;
  frame->constants = function->constants.items;
  frame->owns_closure = owns_closure;
  return true;
}

}  // namespace lox

#endif
