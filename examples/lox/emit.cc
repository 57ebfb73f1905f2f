// Functions, bytecode, constants and variables.
#include "compiler_internal.h"

namespace lox {

namespace {

constexpr size_t kMaxConstants = 256;  // a constant's index is one byte
constexpr size_t kMaxJump = UINT16_MAX;

constexpr int kStackEffects[] = {
#define LOX_EFFECT(name, effect) effect,
    LOX_OPCODES(LOX_EFFECT)
#undef LOX_EFFECT
};

}  // namespace

Function *compile(Heap &heap, StringTable *strings, std::string_view source) {
  return Compiler(heap, strings, source).run();
}

Function *Compiler::run() {
  parser_.advance();
  if (!begin_function(FunctionType::kScript)) return nullptr;
  while (!parser_.match(TokenType::kEnd)) declaration();
  FunctionState *finished = end_function();
  Function *script = finished->function;
  loam_free(heap_.thread, finished);
  if (!parser_.had_error()) return script;
  release(heap_.thread, script);
  return nullptr;
}

// Slot 0 belongs to the callee, or to `this` in methods.
bool Compiler::begin_function(FunctionType type) {
  auto *state = static_cast<FunctionState *>(reallocate(heap_, nullptr, sizeof(FunctionState)));
  auto *function = state == nullptr ? nullptr : new_object<Function>(heap_, kFunction);
  if (function != nullptr && type != FunctionType::kScript) {
    function->name = make_string(heap_, strings_, parser_.previous().text);
  }
  if (function == nullptr || (function->name == nullptr && type != FunctionType::kScript)) {
    release(heap_.thread, function);
    loam_free(heap_.thread, state);
    out_of_memory();
    return false;
  }
  state->enclosing = state_;
  state->function = function;
  state->type = type;
  state->scope_depth = 0;
  state->local_count = 1;
  state->stack_depth = 0;
  bool has_this = type == FunctionType::kMethod || type == FunctionType::kInitializer;
  state->locals[0] = {has_this ? "this" : "", 0, false};
  state_ = state;
  adjust_stack(1);
  return true;
}

// The caller has the finished function's reference and its state, to be freed.
FunctionState *Compiler::end_function() {
  emit_return();
  FunctionState *finished = state_;
  state_ = finished->enclosing;
  return finished;
}

void Compiler::emit_byte(uint8_t byte) {
  Function *function = state_->function;
  int line = parser_.previous().line;
  size_t length = function->code.length;
  size_t lines = function->lines.length;
  bool same_line = lines != 0 && function->lines.items[lines - 1].line == line;
  if (length > UINT32_MAX ||
      (!same_line &&
       !array_push(heap_, &function->lines, LineStart{static_cast<uint32_t>(length), line})) ||
      !array_push(heap_, &function->code, byte)) {
    out_of_memory();
  }
}

void Compiler::adjust_stack(int effect) {
  state_->stack_depth += effect;
  if (state_->stack_depth > state_->function->max_stack) {
    state_->function->max_stack = state_->stack_depth;
  }
}

void Compiler::emit(Op op) {
  emit_byte(static_cast<uint8_t>(op));
  adjust_stack(kStackEffects[static_cast<int>(op)]);
}

void Compiler::emit(Op op, uint8_t operand) {
  emit(op);
  emit_byte(operand);
}

void Compiler::emit_call(uint8_t argument_count) {
  emit(Op::kCall, argument_count);
  adjust_stack(-argument_count);
}

void Compiler::emit_invoke(Op op, uint8_t name, uint8_t argument_count) {
  emit(op, name);
  emit_byte(argument_count);
  adjust_stack(-argument_count);
}

void Compiler::emit_return() {
  if (state_->type == FunctionType::kInitializer) {
    emit(Op::kGetLocal, 0);
  } else {
    emit(Op::kNil);
  }
  emit(Op::kReturn);
}

PendingJump Compiler::emit_jump(Op op) {
  emit(op);
  emit_byte(0xff);
  emit_byte(0xff);
  return {here() - 2, state_->stack_depth};
}

// Makes a jump arrive here.
void Compiler::land(PendingJump jump) {
  if (here() < 2 || jump.operand > here() - 2) return;  // memory ran out
  size_t distance = here() - jump.operand - 2;
  if (distance > kMaxJump) parser_.error("Too much code to jump over.");
  state_->function->code.items[jump.operand] = static_cast<uint8_t>(distance >> 8);
  state_->function->code.items[jump.operand + 1] = static_cast<uint8_t>(distance);
  state_->stack_depth = jump.stack_depth;
}

void Compiler::emit_loop(size_t start) {
  emit(Op::kLoop);
  size_t distance = here() - start + 2;
  if (distance > kMaxJump) parser_.error("Loop body too large.");
  emit_byte(static_cast<uint8_t>(distance >> 8));
  emit_byte(static_cast<uint8_t>(distance));
}

// Takes over the value's reference.
uint8_t Compiler::constant(Value owned) {
  Array<Value> *constants = &state_->function->constants;
  if (constants->length < kMaxConstants) {
    if (array_push(heap_, constants, owned)) return static_cast<uint8_t>(constants->length - 1);
    out_of_memory();
  } else {
    parser_.error("Too many constants in one chunk.");
  }
  release(heap_.thread, owned);
  return 0;
}

uint8_t Compiler::name_constant(std::string_view name) {
  String *string = make_string(heap_, strings_, name);
  if (string != nullptr) return constant(object_value(string));
  out_of_memory();
  return 0;
}

void Compiler::end_scope() {
  --state_->scope_depth;
  while (state_->local_count > 0) {
    const Local &local = state_->locals[state_->local_count - 1];
    if (local.depth <= state_->scope_depth) break;
    emit(local.captured ? Op::kCloseUpvalue : Op::kPop);
    --state_->local_count;
  }
}

// Parses a variable's name and declares it. For a global, its name's constant; else 0.
uint8_t Compiler::declare(const char *message) {
  parser_.consume(TokenType::kIdentifier, message);
  declare_local();
  return state_->scope_depth > 0 ? uint8_t{0} : name_constant(parser_.previous().text);
}

// Does nothing for globals: they are bound late.
void Compiler::declare_local() {
  if (state_->scope_depth == 0) return;
  std::string_view name = parser_.previous().text;
  for (int i = state_->local_count - 1; i >= 0; --i) {
    const Local &local = state_->locals[i];
    if (local.depth != kUninitialized && local.depth < state_->scope_depth) break;
    if (local.name == name) parser_.error("Already a variable with this name in this scope.");
  }
  add_local(name);
}

void Compiler::add_local(std::string_view name) {
  if (state_->local_count == kMaxLocals) {
    parser_.error("Too many local variables in function.");
    return;
  }
  state_->locals[state_->local_count++] = {name, kUninitialized, false};
}

void Compiler::define(uint8_t global) {
  if (state_->scope_depth > 0) {
    mark_initialized();
  } else {
    emit(Op::kDefineGlobal, global);
  }
}

void Compiler::mark_initialized() {
  if (state_->scope_depth == 0) return;
  state_->locals[state_->local_count - 1].depth = state_->scope_depth;
}

// The slot of a local variable, or -1.
int Compiler::find_local(FunctionState *state, std::string_view name) {
  for (int i = state->local_count - 1; i >= 0; --i) {
    if (state->locals[i].name != name) continue;
    if (state->locals[i].depth == kUninitialized) {
      parser_.error("Can't read local variable in its own initializer.");
    }
    return i;
  }
  return -1;
}

// The index of an upvalue for a variable of an enclosing function, or -1. Each function in between
// captures it too.
int Compiler::find_upvalue(FunctionState *state, std::string_view name) {
  if (state->enclosing == nullptr) return -1;
  int local = find_local(state->enclosing, name);
  if (local != -1) {
    state->enclosing->locals[local].captured = true;
    return add_upvalue(state, static_cast<uint8_t>(local), true);
  }
  int upvalue = find_upvalue(state->enclosing, name);
  if (upvalue == -1) return -1;
  return add_upvalue(state, static_cast<uint8_t>(upvalue), false);
}

int Compiler::add_upvalue(FunctionState *state, uint8_t index, bool is_local) {
  int count = state->function->upvalue_count;
  for (int i = 0; i < count; ++i) {
    const CapturedVariable &upvalue = state->upvalues[i];
    if (upvalue.index == index && upvalue.is_local == is_local) return i;
  }
  if (count == kMaxUpvalues) {
    parser_.error("Too many closure variables in function.");
    return 0;
  }
  state->upvalues[count] = {index, is_local};
  return state->function->upvalue_count++;
}

}  // namespace lox
