// The interpreter loop.
//
// ip and sp (the stack pointer) live in locals, and so in registers: STORE writes them back before
// anything is called that may look at them, report an error or run Lox code; LOAD_FRAME fetches
// them when another frame is on top. A plain release needs neither, see invariants 2 and 3 of vm.h.
//
// Collection: the runtime is created with collect_at=safepoint, which is what a dispatch loop
// wants. Allocation then only asks for a collection, and it happens where the loop stands between
// two instructions: at calls and at the back edges of loops, one of which any program soon reaches.
#include <cstdio>

#include "opcode.h"
#include "print.h"
#include "vm.h"

namespace lox {

namespace {

void run_ready_finalizers(Vm &vm, Frame *frame, const uint8_t *ip, Value *sp) {
  frame->ip = ip;
  vm.stack_top = sp;
  run_finalizers(vm);
}

bool concatenate(Vm &vm) {
  Value right = peek(vm, 0);
  Value left = peek(vm, 1);
  if (!is_kind(vm.heap, left, kString) || !is_kind(vm.heap, right, kString)) {
    return runtime_error(vm, "Operands must be two numbers or two strings.");
  }
  std::string_view head = as<String>(left)->view();
  std::string_view tail = as<String>(right)->view();
  String *string = new_string(vm.heap, head.size() + tail.size());
  if (string == nullptr) return out_of_memory(vm);
  std::memcpy(string->chars(), head.data(), head.size());
  std::memcpy(string->chars() + head.size(), tail.data(), tail.size());
  string = intern_string(vm.heap, &vm.strings, string);
  if (string == nullptr) return out_of_memory(vm);
  release(vm.heap.thread, pop(vm));
  release(vm.heap.thread, pop(vm));
  push(vm, object_value(string));
  return true;
}

bool undefined_variable(Vm &vm, const String *name) {
  return runtime_error(vm, "Undefined variable '%s'.", name->chars());
}

bool define_global(Vm &vm, String *name) {
  if (!table_set(vm.heap, &vm.globals, name, peek(vm, 0))) return out_of_memory(vm);
  release(vm.heap.thread, pop(vm));
  return true;
}

// `captures` are the pairs that follow the instruction.
bool push_closure(Vm &vm, const Frame &frame, Function *function, const uint8_t *captures) {
  auto count = static_cast<size_t>(function->upvalue_count);
  size_t size = sizeof(Closure) + count * sizeof(Upvalue *);
  auto *closure = static_cast<Closure *>(new_sized(vm.heap, kClosure, size));
  if (closure == nullptr) return out_of_memory(vm);
  retain(vm.heap.thread, function);
  closure->function = function;
  closure->upvalues = reinterpret_cast<Upvalue **>(closure + 1);
  push(vm, object_value(closure));
  for (size_t i = 0; i < count; ++i) {
    uint8_t index = captures[2 * i + 1];
    Upvalue *upvalue;
    if (captures[2 * i] != 0) {
      upvalue = capture_upvalue(vm, frame.slots + index);
      if (upvalue == nullptr) return out_of_memory(vm);
    } else {
      upvalue = frame.closure->upvalues[index];
      retain(vm.heap.thread, upvalue);
    }
    closure->upvalues[i] = upvalue;
    closure->upvalue_count = i + 1;
  }
  return true;
}

bool push_class(Vm &vm, String *name) {
  auto *klass = new_object<Class>(vm.heap, kClass);
  if (klass == nullptr) return out_of_memory(vm);
  retain(vm.heap.thread, name);
  klass->name = name;
  klass->makes = kInstance;
  push(vm, object_value(klass));
  return true;
}

// The methods are copied before the class has its own: overriding is replacing.
bool inherit(Vm &vm) {
  if (!is_kind(vm.heap, peek(vm, 1), kClass)) {
    return runtime_error(vm, "Superclass must be a class.");
  }
  auto *superclass = as<Class>(peek(vm, 1));
  if (superclass->makes != kInstance) {
    return runtime_error(vm, "Can't inherit from the native class '%s'.",
                         superclass->name->chars());
  }
  if (!table_add_all(vm.heap, superclass->methods, &as<Class>(peek(vm, 0))->methods)) {
    return out_of_memory(vm);
  }
  release(vm.heap.thread, pop(vm));
  return true;
}

bool add_method(Vm &vm, String *name) {
  auto *klass = as<Class>(peek(vm, 1));
  if (!table_set(vm.heap, &klass->methods, name, peek(vm, 0))) return out_of_memory(vm);
  release(vm.heap.thread, pop(vm));
  return true;
}

bool get_super(Vm &vm, String *name) {
  auto *superclass = as<Class>(pop(vm));
  bool bound = bind_method(vm, superclass, name);
  release(vm.heap.thread, superclass);
  return bound;
}

bool invoke_super(Vm &vm, String *name, int count) {
  auto *superclass = as<Class>(pop(vm));
  bool called = invoke_from_class(vm, superclass, name, count);
  release(vm.heap.thread, superclass);
  return called;
}

}  // namespace

// One function, longer than any other here, since its locals are the machine's registers. An
// instruction's common case is inline; the rest is above and in calls.cc.
#define OPERAND() (*ip++)
#define OPERAND_NAME() (as<String>(constants[OPERAND()]))
#define DISTANCE() (ip += 2, static_cast<size_t>(ip[-2] << 8 | ip[-1]))
#define STORE() (frame->ip = ip, vm.stack_top = sp)
#define LOAD_FRAME()                                                             \
  (frame = &vm.frames[vm.frame_count - 1], ip = frame->ip, slots = frame->slots, \
   constants = frame->constants)
// Calls something that works on the VM's stack.
#define TRY(call)              \
  do {                         \
    STORE();                   \
    if (!(call)) return false; \
    sp = vm.stack_top;         \
  } while (false)
#define TRY_CALL(call) \
  do {                 \
    TRY(call);         \
    LOAD_FRAME();      \
  } while (false)
#define SAFE_POINT()                                    \
  do {                                                  \
    loam_safepoint(thread);                             \
    if (!LOAM_LIKELY(vm.finalizers.ready_count == 0)) { \
      run_ready_finalizers(vm, frame, ip, sp);          \
    }                                                   \
  } while (false)
#define ARITHMETIC(result)                                      \
  do {                                                          \
    if (!LOAM_LIKELY(is_number(sp[-1]) && is_number(sp[-2]))) { \
      TRY(runtime_error(vm, "Operands must be numbers."));      \
    }                                                           \
    double a = as_number(sp[-2]);                               \
    double b = as_number(sp[-1]);                               \
    --sp;                                                       \
    sp[-1] = (result);                                          \
  } while (false)
#define CASE(name) at_##name
#define NEXT() goto *kLabels[*ip++]

bool run(Vm &vm, int base) {
  static const void *const kLabels[] = {
#define LOX_LABEL(name, effect) &&at_##name,
      LOX_OPCODES(LOX_LABEL)
#undef LOX_LABEL
  };
  loam_thread *const thread = vm.heap.thread;
  Frame *frame;
  const uint8_t *ip;
  Value *slots;
  const Value *constants;
  Value *sp = vm.stack_top;
  LOAD_FRAME();
  NEXT();

  CASE(Constant) : {
    Value value = constants[OPERAND()];
    retain(thread, value);
    *sp++ = value;
    NEXT();
  }
  CASE(Nil) : *sp++ = kNil;
  NEXT();
  CASE(True) : *sp++ = kTrue;
  NEXT();
  CASE(False) : *sp++ = kFalse;
  NEXT();
  CASE(Pop) : --sp;
  release(thread, *sp);
  NEXT();

  CASE(GetLocal) : {
    Value value = slots[OPERAND()];
    retain(thread, value);
    *sp++ = value;
    NEXT();
  }
  CASE(SetLocal) : assign(thread, &slots[OPERAND()], sp[-1]);
  NEXT();
  CASE(GetGlobal) : {
    String *name = OPERAND_NAME();
    Value *place = table_find(vm.globals, name);
    if (place == nullptr) TRY(undefined_variable(vm, name));
    retain(thread, *place);
    *sp++ = *place;
    NEXT();
  }
  CASE(DefineGlobal) : TRY(define_global(vm, OPERAND_NAME()));
  NEXT();
  CASE(SetGlobal) : {
    String *name = OPERAND_NAME();
    Value *place = table_find(vm.globals, name);
    if (place == nullptr) TRY(undefined_variable(vm, name));
    assign(thread, place, sp[-1]);
    NEXT();
  }
  CASE(GetUpvalue) : {
    Value value = *frame->closure->upvalues[OPERAND()]->location;
    retain(thread, value);
    *sp++ = value;
    NEXT();
  }
  CASE(SetUpvalue) : assign(thread, frame->closure->upvalues[OPERAND()]->location, sp[-1]);
  NEXT();

  CASE(GetProperty) : {
    String *name = OPERAND_NAME();
    if (LOAM_LIKELY(is_kind(vm.heap, sp[-1], kInstance))) {
      auto *instance = as<Instance>(sp[-1]);
      if (Value *field = table_find(instance->fields, name)) {
        sp[-1] = *field;
        retain(thread, sp[-1]);
        release(thread, instance);
        NEXT();
      }
    }
    TRY(get_property(vm, name));
    NEXT();
  }
  CASE(SetProperty) : {
    String *name = OPERAND_NAME();
    if (LOAM_LIKELY(is_kind(vm.heap, sp[-2], kInstance))) {
      auto *instance = as<Instance>(sp[-2]);
      if (Value *field = table_find(instance->fields, name)) {
        --sp;
        sp[-1] = *sp;
        assign(thread, field, *sp);
        release(thread, instance);
        NEXT();
      }
    }
    TRY(set_property(vm, name));
    NEXT();
  }
  CASE(GetSuper) : TRY(get_super(vm, OPERAND_NAME()));
  NEXT();

  CASE(Equal) : {
    Value b = *--sp;
    Value a = sp[-1];
    sp[-1] = boolean(equal(a, b));
    release(thread, a);
    release(thread, b);
    NEXT();
  }
  CASE(Greater) : ARITHMETIC(boolean(a > b));
  NEXT();
  CASE(Less) : ARITHMETIC(boolean(a < b));
  NEXT();
  CASE(Add) : if (LOAM_LIKELY(is_number(sp[-1]) && is_number(sp[-2]))) {
    --sp;
    sp[-1] = number(as_number(sp[-1]) + as_number(*sp));
    NEXT();
  }
  TRY(concatenate(vm));
  NEXT();
  CASE(Subtract) : ARITHMETIC(number(a - b));
  NEXT();
  CASE(Multiply) : ARITHMETIC(number(a * b));
  NEXT();
  CASE(Divide) : ARITHMETIC(number(a / b));
  NEXT();
  CASE(Not) : {
    Value value = sp[-1];
    sp[-1] = boolean(is_falsey(value));
    release(thread, value);
    NEXT();
  }
  CASE(Negate) : if (!is_number(sp[-1])) TRY(runtime_error(vm, "Operand must be a number."));
  sp[-1] = number(-as_number(sp[-1]));
  NEXT();
  CASE(Print) : --sp;
  print_value(vm.heap, *sp, stdout);
  std::fputc('\n', stdout);
  release(thread, *sp);
  NEXT();

  CASE(Jump) : {
    size_t distance = DISTANCE();
    ip += distance;
    NEXT();
  }
  CASE(JumpIfFalse) : {
    size_t distance = DISTANCE();
    if (is_falsey(sp[-1])) ip += distance;
    NEXT();
  }
  CASE(Loop) : {
    size_t distance = DISTANCE();
    ip -= distance;
    SAFE_POINT();
    NEXT();
  }

  CASE(Call) : {
    int count = OPERAND();
    Value callee = sp[-1 - count];
    frame->ip = ip;
    if (!is_kind(vm.heap, callee, kClosure) || !enter(vm, as<Closure>(callee), sp, count, false)) {
      TRY(call_value(vm, count));
    }
    LOAD_FRAME();
    SAFE_POINT();
    NEXT();
  }
  CASE(Invoke) : {
    String *name = OPERAND_NAME();
    int count = OPERAND();
    TRY_CALL(invoke(vm, name, count));
    SAFE_POINT();
    NEXT();
  }
  CASE(SuperInvoke) : {
    String *name = OPERAND_NAME();
    int count = OPERAND();
    TRY_CALL(invoke_super(vm, name, count));
    SAFE_POINT();
    NEXT();
  }
  CASE(Closure) : {
    auto *function = as<Function>(constants[OPERAND()]);
    TRY(push_closure(vm, *frame, function, ip));
    ip += 2 * function->upvalue_count;
    NEXT();
  }
  CASE(CloseUpvalue) : close_upvalues(vm, sp - 1);
  --sp;
  release(thread, *sp);
  NEXT();
  CASE(Return) : {
    Value result = *--sp;
    if (vm.open_upvalues != nullptr && vm.open_upvalues->location >= slots) {
      close_upvalues(vm, slots);
    }
    while (sp > slots) release(thread, *--sp);
    if (frame->owns_closure) release(thread, frame->closure);
    --vm.frame_count;
    *sp++ = result;
    if (vm.frame_count == base) {
      vm.stack_top = sp;
      return true;
    }
    LOAD_FRAME();
    NEXT();
  }

  CASE(Class) : TRY(push_class(vm, OPERAND_NAME()));
  NEXT();
  CASE(Inherit) : TRY(inherit(vm));
  NEXT();
  CASE(Method) : TRY(add_method(vm, OPERAND_NAME()));
  NEXT();
}

}  // namespace lox
