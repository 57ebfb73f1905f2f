#include <cstdlib>

#include "compiler_internal.h"

namespace lox {

namespace {

Precedence precedence_of(TokenType type) {
  switch (type) {
    case TokenType::kOr:
      return Precedence::kOr;
    case TokenType::kAnd:
      return Precedence::kAnd;
    case TokenType::kBangEqual:
    case TokenType::kEqualEqual:
      return Precedence::kEquality;
    case TokenType::kGreater:
    case TokenType::kGreaterEqual:
    case TokenType::kLess:
    case TokenType::kLessEqual:
      return Precedence::kComparison;
    case TokenType::kMinus:
    case TokenType::kPlus:
      return Precedence::kTerm;
    case TokenType::kSlash:
    case TokenType::kStar:
      return Precedence::kFactor;
    case TokenType::kLeftParen:
    case TokenType::kDot:
      return Precedence::kCall;
    default:
      return Precedence::kNone;
  }
}

Precedence tighter(Precedence precedence) {
  return static_cast<Precedence>(static_cast<int>(precedence) + 1);
}

}  // namespace

void Compiler::expression_above(Precedence precedence) {
  Nesting nesting(this);
  if (nesting.too_deep()) return;
  parser_.advance();
  // Only at the loosest level may `=` follow: in `a + b = c`, b is no target.
  bool can_assign = precedence <= Precedence::kAssignment;
  if (!operand(parser_.previous().type, can_assign)) {
    parser_.error("Expect expression.");
    return;
  }
  while (precedence <= precedence_of(parser_.next_type())) {
    parser_.advance();
    operator_and_operand(parser_.previous().type, can_assign);
  }
  if (can_assign && parser_.match(TokenType::kEqual)) parser_.error("Invalid assignment target.");
}

// What starts an expression. False: this token cannot.
bool Compiler::operand(TokenType type, bool can_assign) {
  switch (type) {
    case TokenType::kLeftParen:
      grouping();
      return true;
    case TokenType::kMinus:
    case TokenType::kBang:
      unary(type);
      return true;
    case TokenType::kIdentifier:
      variable(parser_.previous().text, can_assign);
      return true;
    case TokenType::kString:
      string();
      return true;
    case TokenType::kNumber:
      number();
      return true;
    case TokenType::kSuper:
      super_access();
      return true;
    case TokenType::kThis:
      this_access();
      return true;
    case TokenType::kNil:
      emit(Op::kNil);
      return true;
    case TokenType::kTrue:
      emit(Op::kTrue);
      return true;
    case TokenType::kFalse:
      emit(Op::kFalse);
      return true;
    default:
      return false;
  }
}

// What continues one; the left operand is on the stack.
void Compiler::operator_and_operand(TokenType type, bool can_assign) {
  switch (type) {
    case TokenType::kLeftParen:
      call();
      break;
    case TokenType::kDot:
      dot(can_assign);
      break;
    case TokenType::kAnd:
      logical_and();
      break;
    case TokenType::kOr:
      logical_or();
      break;
    default:
      binary(type);
  }
}

void Compiler::binary(TokenType type) {
  expression_above(tighter(precedence_of(type)));
  switch (type) {
    case TokenType::kBangEqual:
      emit(Op::kEqual);
      emit(Op::kNot);
      break;
    case TokenType::kEqualEqual:
      emit(Op::kEqual);
      break;
    case TokenType::kGreater:
      emit(Op::kGreater);
      break;
    case TokenType::kGreaterEqual:  // as "not less", which is what it means for NaN too
      emit(Op::kLess);
      emit(Op::kNot);
      break;
    case TokenType::kLess:
      emit(Op::kLess);
      break;
    case TokenType::kLessEqual:
      emit(Op::kGreater);
      emit(Op::kNot);
      break;
    case TokenType::kPlus:
      emit(Op::kAdd);
      break;
    case TokenType::kMinus:
      emit(Op::kSubtract);
      break;
    case TokenType::kStar:
      emit(Op::kMultiply);
      break;
    default:
      emit(Op::kDivide);
  }
}

void Compiler::unary(TokenType type) {
  expression_above(Precedence::kUnary);
  emit(type == TokenType::kMinus ? Op::kNegate : Op::kNot);
}

void Compiler::logical_and() {
  PendingJump end = emit_jump(Op::kJumpIfFalse);
  emit(Op::kPop);
  expression_above(Precedence::kAnd);
  land(end);
}

void Compiler::logical_or() {
  PendingJump otherwise = emit_jump(Op::kJumpIfFalse);
  PendingJump end = emit_jump(Op::kJump);
  land(otherwise);
  emit(Op::kPop);
  expression_above(Precedence::kOr);
  land(end);
}

void Compiler::grouping() {
  expression();
  parser_.consume(TokenType::kRightParen, "Expect ')' after expression.");
}

void Compiler::number() {
  double value = std::strtod(parser_.previous().text.data(), nullptr);
  emit(Op::kConstant, constant(lox::number(value)));
}

void Compiler::string() {
  std::string_view quoted = parser_.previous().text;
  emit(Op::kConstant, name_constant(quoted.substr(1, quoted.size() - 2)));
}

// Locals, then upvalues, then globals, which may be defined later.
void Compiler::variable(std::string_view name, bool can_assign) {
  Op get = Op::kGetLocal;
  Op set = Op::kSetLocal;
  int index = find_local(state_, name);
  if (index == -1) {
    get = Op::kGetUpvalue;
    set = Op::kSetUpvalue;
    index = find_upvalue(state_, name);
  }
  if (index == -1) {
    get = Op::kGetGlobal;
    set = Op::kSetGlobal;
    index = name_constant(name);
  }
  bool assigns = can_assign && parser_.match(TokenType::kEqual);
  if (assigns) expression();
  emit(assigns ? set : get, static_cast<uint8_t>(index));
}

uint8_t Compiler::arguments() {
  int count = 0;
  if (!parser_.check(TokenType::kRightParen)) {
    do {
      expression();
      if (count == kMaxArguments) parser_.error("Can't have more than 255 arguments.");
      ++count;
    } while (parser_.match(TokenType::kComma));
  }
  parser_.consume(TokenType::kRightParen, "Expect ')' after arguments.");
  return static_cast<uint8_t>(count);
}

void Compiler::call() { emit_call(arguments()); }

void Compiler::dot(bool can_assign) {
  parser_.consume(TokenType::kIdentifier, "Expect property name after '.'.");
  uint8_t name = name_constant(parser_.previous().text);
  if (can_assign && parser_.match(TokenType::kEqual)) {
    expression();
    emit(Op::kSetProperty, name);
  } else if (parser_.match(TokenType::kLeftParen)) {
    uint8_t count = arguments();
    emit_invoke(Op::kInvoke, name, count);
  } else {
    emit(Op::kGetProperty, name);
  }
}

void Compiler::this_access() {
  if (class_ == nullptr) {
    parser_.error("Can't use 'this' outside of a class.");
    return;
  }
  variable("this", false);
}

void Compiler::super_access() {
  if (class_ == nullptr) {
    parser_.error("Can't use 'super' outside of a class.");
  } else if (!class_->has_superclass) {
    parser_.error("Can't use 'super' in a class with no superclass.");
  }
  parser_.consume(TokenType::kDot, "Expect '.' after 'super'.");
  parser_.consume(TokenType::kIdentifier, "Expect superclass method name.");
  uint8_t name = name_constant(parser_.previous().text);
  variable("this", false);
  if (parser_.match(TokenType::kLeftParen)) {
    uint8_t count = arguments();
    variable("super", false);
    emit_invoke(Op::kSuperInvoke, name, count);
  } else {
    variable("super", false);
    emit(Op::kGetSuper, name);
  }
}

}  // namespace lox
