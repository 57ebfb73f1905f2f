// The instructions of the virtual machine, one byte each, followed by operands of one byte, except
// for jumps, which carry two (big-endian).
//
// OPCODE(name, effect): effect is how the stack's depth changes. Where the operands
// take part in it, it is what remains: a call also drops its arguments.
#ifndef LOX_OPCODE_H
#define LOX_OPCODE_H

#include <cstdint>

#define LOX_OPCODES(OPCODE)                                   \
  OPCODE(Constant, 1) /* constant */                          \
  OPCODE(Nil, 1)                                              \
  OPCODE(True, 1)                                             \
  OPCODE(False, 1)                                            \
  OPCODE(Pop, -1)                                             \
  OPCODE(GetLocal, 1)      /* slot */                         \
  OPCODE(SetLocal, 0)      /* slot */                         \
  OPCODE(GetGlobal, 1)     /* name */                         \
  OPCODE(DefineGlobal, -1) /* name */                         \
  OPCODE(SetGlobal, 0)     /* name */                         \
  OPCODE(GetUpvalue, 1)    /* index */                        \
  OPCODE(SetUpvalue, 0)    /* index */                        \
  OPCODE(GetProperty, 0)   /* name */                         \
  OPCODE(SetProperty, -1)  /* name */                         \
  OPCODE(GetSuper, -1)     /* name */                         \
  OPCODE(Equal, -1)                                           \
  OPCODE(Greater, -1)                                         \
  OPCODE(Less, -1)                                            \
  OPCODE(Add, -1)                                             \
  OPCODE(Subtract, -1)                                        \
  OPCODE(Multiply, -1)                                        \
  OPCODE(Divide, -1)                                          \
  OPCODE(Not, 0)                                              \
  OPCODE(Negate, 0)                                           \
  OPCODE(Print, -1)                                           \
  OPCODE(Jump, 0)         /* distance */                      \
  OPCODE(JumpIfFalse, 0)  /* distance; the condition stays */ \
  OPCODE(Loop, 0)         /* distance back */                 \
  OPCODE(Call, 0)         /* arguments */                     \
  OPCODE(Invoke, 0)       /* name, arguments */               \
  OPCODE(SuperInvoke, -1) /* name, arguments */               \
  OPCODE(Closure, 1)      /* function; then pairs, see Op */  \
  OPCODE(CloseUpvalue, -1)                                    \
  OPCODE(Return, -1)                                          \
  OPCODE(Class, 1) /* name */                                 \
  OPCODE(Inherit, -1)                                         \
  OPCODE(Method, -1) /* name */

namespace lox {

// Behind Closure stand two bytes for each upvalue: 1 and a slot of the enclosing frame, or 0 and an
// index of the enclosing closure.
enum class Op : uint8_t {
#define LOX_ENUMERATE(name, effect) k##name,
  LOX_OPCODES(LOX_ENUMERATE)
#undef LOX_ENUMERATE
};

}  // namespace lox

#endif
