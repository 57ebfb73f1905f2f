#include "parser.h"

#include <cstdio>

namespace lox {

void Parser::advance() {
  previous_ = current_;
  if (halted_) return;
  for (;;) {
    current_ = scanner_.next();
    if (current_.type != TokenType::kError) break;
    error_at_current(current_.text.data());
  }
}

bool Parser::match(TokenType type) {
  if (!check(type)) return false;
  advance();
  return true;
}

void Parser::consume(TokenType type, const char *message) {
  if (!match(type)) error_at_current(message);
}

void Parser::error_at(const Token &token, const char *message) {
  had_error_ = true;
  if (panic_mode_ || halted_) return;
  panic_mode_ = true;
  std::fflush(stdout);  // in the order in which things happened, where both go to one place
  std::fprintf(stderr, "[line %d] Error", token.line);
  if (token.type == TokenType::kEnd) {
    std::fputs(" at end", stderr);
  } else if (token.type != TokenType::kError) {
    std::fputs(" at '", stderr);
    std::fwrite(token.text.data(), 1, token.text.size(), stderr);
    std::fputc('\'', stderr);
  }
  std::fprintf(stderr, ": %s\n", message);
}

void Parser::fatal(const char *message) {
  error(message);
  halted_ = true;
  current_.type = TokenType::kEnd;
}

void Parser::synchronize() {
  panic_mode_ = false;
  while (!check(TokenType::kEnd)) {
    if (previous_.type == TokenType::kSemicolon) return;
    switch (current_.type) {
      case TokenType::kClass:
      case TokenType::kFun:
      case TokenType::kVar:
      case TokenType::kFor:
      case TokenType::kIf:
      case TokenType::kWhile:
      case TokenType::kPrint:
      case TokenType::kReturn:
        return;
      default:
        advance();
    }
  }
}

}  // namespace lox
