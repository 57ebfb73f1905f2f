// The token stream as the compiler sees it: one token of look-ahead, error messages, and recovery.
//
// After an error the parser is in panic mode and reports nothing more until it has synchronised at
// the start of a statement. After a fatal error it is at the end of the source for good.
#ifndef LOX_PARSER_H
#define LOX_PARSER_H

#include "scanner.h"

namespace lox {

class Parser {
 public:
  explicit Parser(std::string_view source) : scanner_(source) {}

  const Token &previous() const { return previous_; }
  bool had_error() const { return had_error_; }
  bool panicking() const { return panic_mode_; }

  void advance();
  bool check(TokenType type) const { return current_.type == type; }
  bool match(TokenType type);
  void consume(TokenType type, const char *message);
  TokenType next_type() const { return current_.type; }

  void error(const char *message) { error_at(previous_, message); }
  void error_at_current(const char *message) { error_at(current_, message); }
  // For what no later token can mend: memory that ran out, nesting that would end the C++ stack.
  void fatal(const char *message);

  // Leaves panic mode at the next likely start of a statement.
  void synchronize();

 private:
  void error_at(const Token &token, const char *message);

  Scanner scanner_;
  Token current_{TokenType::kEnd, 1, {}};
  Token previous_{TokenType::kEnd, 1, {}};
  bool had_error_ = false;
  bool panic_mode_ = false;
  bool halted_ = false;
};

}  // namespace lox

#endif
