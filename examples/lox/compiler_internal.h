// The compiler's one class; its methods are spread over emit.cc (bytecode and variables),
// expressions.cc and statements.cc.
//
// Expressions are parsed by precedence climbing: `expression_above(p)` parses one operand and then
// every operator that binds at least as tightly as p.
#ifndef LOX_COMPILER_INTERNAL_H
#define LOX_COMPILER_INTERNAL_H

#include "compiler.h"
#include "function_state.h"
#include "opcode.h"
#include "parser.h"

namespace lox {

// From loose to tight; each binary operator parses its right operand one step tighter.
enum class Precedence {
  kNone,
  kAssignment,
  kOr,
  kAnd,
  kEquality,
  kComparison,
  kTerm,
  kFactor,
  kUnary,
  kCall
};

class Compiler {
 public:
  Compiler(Heap &heap, StringTable *strings, std::string_view source)
      : heap_(heap), strings_(strings), parser_(source) {}

  Function *run();

 private:
  // Levels of statements and expressions inside one another; each takes some hundred bytes of the
  // C++ stack.
  static constexpr int kMaxNesting = 2000;
  static constexpr int kMaxArguments = 255;

  // Counts one level for as long as it lives, and fails past the last.
  class Nesting {
   public:
    explicit Nesting(Compiler *compiler) : compiler_(compiler) {
      if (++compiler->nesting_ > kMaxNesting) compiler->parser_.fatal("Too much nesting.");
    }
    ~Nesting() { --compiler_->nesting_; }
    bool too_deep() const { return compiler_->nesting_ > kMaxNesting; }

   private:
    Compiler *compiler_;
  };

  // Statements.
  void declaration();
  void class_declaration();
  void superclass(std::string_view class_name);
  void method();
  void function_declaration();
  void var_declaration();
  void statement();
  void block();
  void expression_statement();
  void for_statement();
  void if_statement();
  void print_statement();
  void return_statement();
  void while_statement();
  void function_body(FunctionType type);
  void parameters();
  void closure_of(FunctionState *finished);

  // Expressions.
  void expression() { expression_above(Precedence::kAssignment); }
  void expression_above(Precedence precedence);
  bool operand(TokenType type, bool can_assign);
  void operator_and_operand(TokenType type, bool can_assign);
  void binary(TokenType type);
  void logical_and();
  void logical_or();
  void call();
  void dot(bool can_assign);
  void grouping();
  void number();
  void string();
  void super_access();
  void this_access();
  void unary(TokenType type);
  void variable(std::string_view name, bool can_assign);
  uint8_t arguments();

  // Variables.
  void begin_scope() { ++state_->scope_depth; }
  void end_scope();
  uint8_t declare(const char *message);
  void declare_local();
  void add_local(std::string_view name);
  void define(uint8_t global);
  void mark_initialized();
  int find_local(FunctionState *state, std::string_view name);
  int find_upvalue(FunctionState *state, std::string_view name);
  int add_upvalue(FunctionState *state, uint8_t index, bool is_local);

  // Bytecode.
  bool begin_function(FunctionType type);
  FunctionState *end_function();
  void out_of_memory() { parser_.fatal("Out of memory."); }
  void emit_byte(uint8_t byte);
  void emit(Op op);
  void emit(Op op, uint8_t operand);
  void emit_call(uint8_t argument_count);
  void emit_invoke(Op op, uint8_t name, uint8_t argument_count);
  void emit_return();
  void adjust_stack(int effect);
  PendingJump emit_jump(Op op);
  void land(PendingJump jump);
  void emit_loop(size_t start);
  size_t here() const { return state_->function->code.length; }
  uint8_t constant(Value owned);
  uint8_t name_constant(std::string_view name);

  Heap &heap_;
  StringTable *strings_;
  Parser parser_;
  FunctionState *state_ = nullptr;
  ClassState *class_ = nullptr;
  int nesting_ = 0;
};

}  // namespace lox

#endif
