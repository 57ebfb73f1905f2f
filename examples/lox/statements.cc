#include "compiler_internal.h"

namespace lox {

void Compiler::declaration() {
  Nesting nesting(this);
  if (nesting.too_deep()) return;
  if (parser_.match(TokenType::kClass)) {
    class_declaration();
  } else if (parser_.match(TokenType::kFun)) {
    function_declaration();
  } else if (parser_.match(TokenType::kVar)) {
    var_declaration();
  } else {
    statement();
  }
  if (parser_.panicking()) parser_.synchronize();
}

void Compiler::class_declaration() {
  parser_.consume(TokenType::kIdentifier, "Expect class name.");
  std::string_view name = parser_.previous().text;
  uint8_t constant = name_constant(name);
  declare_local();
  emit(Op::kClass, constant);
  define(constant);

  ClassState class_state{class_, false};
  class_ = &class_state;
  if (parser_.match(TokenType::kLess)) superclass(name);
  variable(name, false);  // for the methods to be added to
  parser_.consume(TokenType::kLeftBrace, "Expect '{' before class body.");
  while (!parser_.check(TokenType::kRightBrace) && !parser_.check(TokenType::kEnd)) method();
  parser_.consume(TokenType::kRightBrace, "Expect '}' after class body.");
  emit(Op::kPop);
  if (class_state.has_superclass) end_scope();
  class_ = class_state.enclosing;
}

// `super` is a local variable around the class body, so that methods capture it.
void Compiler::superclass(std::string_view class_name) {
  parser_.consume(TokenType::kIdentifier, "Expect superclass name.");
  std::string_view name = parser_.previous().text;
  variable(name, false);
  if (name == class_name) parser_.error("A class can't inherit from itself.");
  begin_scope();
  add_local("super");
  define(0);
  variable(class_name, false);
  emit(Op::kInherit);
  class_->has_superclass = true;
}

void Compiler::method() {
  Nesting nesting(this);
  if (nesting.too_deep()) return;
  parser_.consume(TokenType::kIdentifier, "Expect method name.");
  std::string_view name = parser_.previous().text;
  uint8_t constant = name_constant(name);
  function_body(name == "init" ? FunctionType::kInitializer : FunctionType::kMethod);
  emit(Op::kMethod, constant);
}

void Compiler::function_declaration() {
  uint8_t global = declare("Expect function name.");
  mark_initialized();  // before the body, which may call it
  function_body(FunctionType::kFunction);
  define(global);
}

void Compiler::function_body(FunctionType type) {
  if (!begin_function(type)) return;
  begin_scope();
  parser_.consume(TokenType::kLeftParen, "Expect '(' after function name.");
  parameters();
  parser_.consume(TokenType::kRightParen, "Expect ')' after parameters.");
  parser_.consume(TokenType::kLeftBrace, "Expect '{' before function body.");
  block();
  FunctionState *finished = end_function();
  closure_of(finished);
  loam_free(heap_.thread, finished);
}

void Compiler::parameters() {
  if (parser_.check(TokenType::kRightParen)) return;
  do {
    if (++state_->function->arity > kMaxArguments) {
      parser_.error_at_current("Can't have more than 255 parameters.");
    }
    define(declare("Expect parameter name."));
    adjust_stack(1);
  } while (parser_.match(TokenType::kComma));
}

void Compiler::closure_of(FunctionState *finished) {
  int upvalue_count = finished->function->upvalue_count;
  emit(Op::kClosure, constant(object_value(finished->function)));
  for (int i = 0; i < upvalue_count; ++i) {
    emit_byte(finished->upvalues[i].is_local ? 1 : 0);
    emit_byte(finished->upvalues[i].index);
  }
}

void Compiler::var_declaration() {
  uint8_t global = declare("Expect variable name.");
  if (parser_.match(TokenType::kEqual)) {
    expression();
  } else {
    emit(Op::kNil);
  }
  parser_.consume(TokenType::kSemicolon, "Expect ';' after variable declaration.");
  define(global);
}

void Compiler::statement() {
  Nesting nesting(this);
  if (nesting.too_deep()) return;
  if (parser_.match(TokenType::kPrint)) {
    print_statement();
  } else if (parser_.match(TokenType::kFor)) {
    for_statement();
  } else if (parser_.match(TokenType::kIf)) {
    if_statement();
  } else if (parser_.match(TokenType::kReturn)) {
    return_statement();
  } else if (parser_.match(TokenType::kWhile)) {
    while_statement();
  } else if (parser_.match(TokenType::kLeftBrace)) {
    begin_scope();
    block();
    end_scope();
  } else {
    expression_statement();
  }
}

void Compiler::block() {
  while (!parser_.check(TokenType::kRightBrace) && !parser_.check(TokenType::kEnd)) declaration();
  parser_.consume(TokenType::kRightBrace, "Expect '}' after block.");
}

void Compiler::expression_statement() {
  expression();
  parser_.consume(TokenType::kSemicolon, "Expect ';' after expression.");
  emit(Op::kPop);
}

// The increment stands before the body in the source and in the code: the body loops back to it,
// and it loops back to the condition.
void Compiler::for_statement() {
  begin_scope();
  parser_.consume(TokenType::kLeftParen, "Expect '(' after 'for'.");
  if (parser_.match(TokenType::kVar)) {
    var_declaration();
  } else if (!parser_.match(TokenType::kSemicolon)) {
    expression_statement();
  }

  size_t loop_start = here();
  bool has_condition = !parser_.match(TokenType::kSemicolon);
  PendingJump exit{};
  if (has_condition) {
    expression();
    parser_.consume(TokenType::kSemicolon, "Expect ';' after loop condition.");
    exit = emit_jump(Op::kJumpIfFalse);
    emit(Op::kPop);
  }

  if (!parser_.match(TokenType::kRightParen)) {
    PendingJump body = emit_jump(Op::kJump);
    size_t increment_start = here();
    expression();
    emit(Op::kPop);
    parser_.consume(TokenType::kRightParen, "Expect ')' after for clauses.");
    emit_loop(loop_start);
    loop_start = increment_start;
    land(body);
  }

  statement();
  emit_loop(loop_start);
  if (has_condition) {
    land(exit);
    emit(Op::kPop);
  }
  end_scope();
}

void Compiler::if_statement() {
  parser_.consume(TokenType::kLeftParen, "Expect '(' after 'if'.");
  expression();
  parser_.consume(TokenType::kRightParen, "Expect ')' after condition.");
  PendingJump otherwise = emit_jump(Op::kJumpIfFalse);
  emit(Op::kPop);
  statement();
  PendingJump end = emit_jump(Op::kJump);
  land(otherwise);
  emit(Op::kPop);
  if (parser_.match(TokenType::kElse)) statement();
  land(end);
}

void Compiler::print_statement() {
  expression();
  parser_.consume(TokenType::kSemicolon, "Expect ';' after value.");
  emit(Op::kPrint);
}

void Compiler::return_statement() {
  if (state_->type == FunctionType::kScript) parser_.error("Can't return from top-level code.");
  if (parser_.match(TokenType::kSemicolon)) {
    emit_return();
    return;
  }
  if (state_->type == FunctionType::kInitializer) {
    parser_.error("Can't return a value from an initializer.");
  }
  expression();
  parser_.consume(TokenType::kSemicolon, "Expect ';' after return value.");
  emit(Op::kReturn);
}

void Compiler::while_statement() {
  size_t loop_start = here();
  parser_.consume(TokenType::kLeftParen, "Expect '(' after 'while'.");
  expression();
  parser_.consume(TokenType::kRightParen, "Expect ')' after condition.");
  PendingJump exit = emit_jump(Op::kJumpIfFalse);
  emit(Op::kPop);
  statement();
  emit_loop(loop_start);
  land(exit);
  emit(Op::kPop);
}

}  // namespace lox
