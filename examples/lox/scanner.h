// Cuts source text into tokens.
//
// Tokens point into the source, which outlives them. A token of type kError carries its message
// instead of its text.
#ifndef LOX_SCANNER_H
#define LOX_SCANNER_H

#include <string_view>

namespace lox {

enum class TokenType {
  kLeftParen,
  kRightParen,
  kLeftBrace,
  kRightBrace,
  kComma,
  kDot,
  kMinus,
  kPlus,
  kSemicolon,
  kSlash,
  kStar,
  kBang,
  kBangEqual,
  kEqual,
  kEqualEqual,
  kGreater,
  kGreaterEqual,
  kLess,
  kLessEqual,
  kIdentifier,
  kString,
  kNumber,
  kAnd,
  kClass,
  kElse,
  kFalse,
  kFor,
  kFun,
  kIf,
  kNil,
  kOr,
  kPrint,
  kReturn,
  kSuper,
  kThis,
  kTrue,
  kVar,
  kWhile,
  kError,
  kEnd
};

struct Token {
  TokenType type;
  int line;  // where the token ends
  std::string_view text;
};

class Scanner {
 public:
  // A NUL must follow the source, so that its last number can be converted in place.
  explicit Scanner(std::string_view source)
      : start_(source.data()), current_(start_), end_(start_ + source.size()) {}

  Token next();

 private:
  void skip_blank();
  bool take(char expected);
  char peek(int ahead) const { return end_ - current_ > ahead ? current_[ahead] : '\0'; }
  Token token(TokenType type) const;
  Token error(const char *message) const { return {TokenType::kError, line_, message}; }
  Token string();
  Token number();
  Token word();
  Token punctuation();

  const char *start_;  // of the token being read
  const char *current_;
  const char *end_;
  int line_ = 1;
};

}  // namespace lox

#endif
