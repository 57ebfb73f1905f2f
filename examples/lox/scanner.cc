#include "scanner.h"

namespace lox {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

TokenType keyword_or_name(std::string_view text) {
  static constexpr struct {
    std::string_view text;
    TokenType type;
  } kKeywords[] = {
      {"and", TokenType::kAnd},     {"class", TokenType::kClass},   {"else", TokenType::kElse},
      {"false", TokenType::kFalse}, {"for", TokenType::kFor},       {"fun", TokenType::kFun},
      {"if", TokenType::kIf},       {"nil", TokenType::kNil},       {"or", TokenType::kOr},
      {"print", TokenType::kPrint}, {"return", TokenType::kReturn}, {"super", TokenType::kSuper},
      {"this", TokenType::kThis},   {"true", TokenType::kTrue},     {"var", TokenType::kVar},
      {"while", TokenType::kWhile},
  };
  for (const auto &keyword : kKeywords) {
    if (keyword.text == text) return keyword.type;
  }
  return TokenType::kIdentifier;
}

}  // namespace

Token Scanner::token(TokenType type) const {
  return {type, line_, {start_, static_cast<size_t>(current_ - start_)}};
}

bool Scanner::take(char expected) {
  if (current_ == end_ || *current_ != expected) return false;
  ++current_;
  return true;
}

void Scanner::skip_blank() {
  for (; current_ != end_; ++current_) {
    switch (*current_) {
      case '\n':
        ++line_;
        break;
      case ' ':
      case '\r':
      case '\t':
        break;
      case '/':
        if (peek(1) != '/') return;
        while (current_ + 1 != end_ && current_[1] != '\n') ++current_;
        break;
      default:
        return;
    }
  }
}

Token Scanner::next() {
  skip_blank();
  start_ = current_;
  if (current_ == end_) return token(TokenType::kEnd);
  char c = *current_++;
  if (is_letter(c)) return word();
  if (is_digit(c)) return number();
  if (c == '"') return string();
  return punctuation();
}

Token Scanner::word() {
  while (current_ != end_ && (is_letter(*current_) || is_digit(*current_))) ++current_;
  return token(keyword_or_name({start_, static_cast<size_t>(current_ - start_)}));
}

Token Scanner::number() {
  while (current_ != end_ && is_digit(*current_)) ++current_;
  if (peek(0) == '.' && is_digit(peek(1))) {
    ++current_;
    while (current_ != end_ && is_digit(*current_)) ++current_;
  }
  return token(TokenType::kNumber);
}

Token Scanner::string() {
  for (; current_ != end_ && *current_ != '"'; ++current_) {
    if (*current_ == '\n') ++line_;
  }
  if (current_ == end_) return error("Unterminated string.");
  ++current_;
  return token(TokenType::kString);
}

Token Scanner::punctuation() {
  switch (current_[-1]) {
    case '(':
      return token(TokenType::kLeftParen);
    case ')':
      return token(TokenType::kRightParen);
    case '{':
      return token(TokenType::kLeftBrace);
    case '}':
      return token(TokenType::kRightBrace);
    case ';':
      return token(TokenType::kSemicolon);
    case ',':
      return token(TokenType::kComma);
    case '.':
      return token(TokenType::kDot);
    case '-':
      return token(TokenType::kMinus);
    case '+':
      return token(TokenType::kPlus);
    case '/':
      return token(TokenType::kSlash);
    case '*':
      return token(TokenType::kStar);
    case '!':
      return token(take('=') ? TokenType::kBangEqual : TokenType::kBang);
    case '=':
      return token(take('=') ? TokenType::kEqualEqual : TokenType::kEqual);
    case '<':
      return token(take('=') ? TokenType::kLessEqual : TokenType::kLess);
    case '>':
      return token(take('=') ? TokenType::kGreaterEqual : TokenType::kGreater);
    default:
      return error("Unexpected character.");
  }
}

}  // namespace lox
