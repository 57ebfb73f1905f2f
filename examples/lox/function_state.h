// What the compiler knows about the function it is in the middle of.
//
// The depth of the VM's stack is known at each instruction, since each statement leaves it as it
// was. Its maximum is stored in the function, so that one check per call is enough at run time.
#ifndef LOX_FUNCTION_STATE_H
#define LOX_FUNCTION_STATE_H

#include "object.h"
#include "scanner.h"

namespace lox {

enum class FunctionType { kFunction, kInitializer, kMethod, kScript };

constexpr int kMaxLocals = 256;
constexpr int kMaxUpvalues = 256;

struct Local {
  std::string_view name;
  int depth;      // of its scope; kUninitialized while its initializer is being compiled
  bool captured;  // by a closure: must be moved off the stack when its scope ends
};

constexpr int kUninitialized = -1;

struct CapturedVariable {
  uint8_t index;
  bool is_local;  // a slot of the enclosing function, else one of its own upvalues
};

// Kept out of the C++ stack, which nested functions would soon fill.
struct FunctionState {
  FunctionState *enclosing;
  Function *function;  // one reference
  FunctionType type;
  Local locals[kMaxLocals];
  int local_count;
  CapturedVariable upvalues[kMaxUpvalues];
  int scope_depth;  // 0: globals
  int stack_depth;
};

struct ClassState {
  ClassState *enclosing;
  bool has_superclass;
};

// A forward jump whose distance is not known yet.
struct PendingJump {
  size_t operand;   // where its distance goes
  int stack_depth;  // on arrival
};

}  // namespace lox

#endif
