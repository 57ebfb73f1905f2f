// Natives on strings. Positions count bytes, from 0.
#include <cstdlib>

#include "native.h"
#include "print.h"

namespace lox {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

size_t skip_digits(std::string_view text, size_t i) {
  while (i < text.size() && is_digit(text[i])) ++i;
  return i;
}

// [-] digits [. digits] [e [+-] digits]: whatever toString makes of a finite number, and no more.
bool is_numeral(std::string_view text) {
  size_t start = !text.empty() && text[0] == '-' ? 1 : 0;
  size_t i = skip_digits(text, start);
  if (i == start) return false;
  if (i < text.size() && text[i] == '.') {
    start = i + 1;
    i = skip_digits(text, start);
    if (i == start) return false;
  }
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    start = i + 1;
    if (start < text.size() && (text[start] == '+' || text[start] == '-')) ++start;
    i = skip_digits(text, start);
    if (i == start) return false;
  }
  return i == text.size();
}

bool to_string(Vm &vm, Call &call) {
  Description description;
  describe(vm.heap, call.arguments[0], &description);
  std::string_view before = description.before;
  std::string_view text = description.text;
  std::string_view after = description.after;
  String *string = new_string(vm.heap, before.size() + text.size() + after.size());
  if (string == nullptr) return call.out_of_memory();
  char *end = string->chars();
  for (std::string_view part : {before, text, after}) {
    std::memcpy(end, part.data(), part.size());
    end += part.size();
  }
  return call.give_object(intern_string(vm.heap, &vm.strings, string));
}

bool to_number(Vm &, Call &call) {
  String *string;
  if (!call.string(0, &string)) return false;
  if (!is_numeral(string->view())) return call.give(kNil);
  return call.give(std::strtod(string->chars(), nullptr));
}

bool length(Vm &, Call &call) {
  String *string;
  return call.string(0, &string) && call.give(static_cast<double>(string->length));
}

bool char_at(Vm &, Call &call) {
  String *string;
  size_t i;
  if (!call.string(0, &string) || !call.index(1, string->length, &i)) return false;
  return call.give_text(string->view().substr(i, 1));
}

bool char_code(Vm &, Call &call) {
  String *string;
  size_t i;
  if (!call.string(0, &string) || !call.index(1, string->length, &i)) return false;
  return call.give(static_cast<double>(static_cast<uint8_t>(string->chars()[i])));
}

bool from_char_code(Vm &, Call &call) {
  size_t code;
  if (!call.index(0, 256, &code)) return false;
  char byte = static_cast<char>(code);
  return call.give_text({&byte, 1});
}

// From one position up to, but not including, another.
bool substring(Vm &, Call &call) {
  String *string;
  size_t from;
  size_t to;
  if (!call.string(0, &string) || !call.index(1, size_t{string->length} + 1, &from) ||
      !call.index(2, size_t{string->length} + 1, &to)) {
    return false;
  }
  if (to < from) return call.wrong_argument(2, "at or behind the start");
  return call.give_text(string->view().substr(from, to - from));
}

bool index_of(Vm &, Call &call) {
  String *string;
  String *part;
  size_t from;
  if (!call.string(0, &string) || !call.string(1, &part) ||
      !call.index(2, size_t{string->length} + 1, &from)) {
    return false;
  }
  size_t found = string->view().find(part->view(), from);
  return call.give(found == std::string_view::npos ? -1.0 : static_cast<double>(found));
}

bool add_text(Vm &vm, List *list, std::string_view text) {
  String *string = make_string(vm.heap, &vm.strings, text);
  if (string == nullptr) return false;
  if (array_push(vm.heap, &list->items, object_value(string))) return true;
  release(vm.heap.thread, string);
  return false;
}

// What stands between the separators; with an empty separator, every byte.
bool fill_with_parts(Vm &vm, List *list, std::string_view text, std::string_view separator) {
  if (separator.empty()) {
    for (size_t i = 0; i < text.size(); ++i) {
      if (!add_text(vm, list, text.substr(i, 1))) return false;
    }
    return true;
  }
  size_t start = 0;
  for (;;) {
    size_t end = text.find(separator, start);
    if (end == std::string_view::npos) return add_text(vm, list, text.substr(start));
    if (!add_text(vm, list, text.substr(start, end - start))) return false;
    start = end + separator.size();
  }
}

bool split(Vm &vm, Call &call) {
  String *string;
  String *separator;
  if (!call.string(0, &string) || !call.string(1, &separator)) return false;
  List *list = new_list(vm);
  if (list == nullptr) return call.out_of_memory();
  if (fill_with_parts(vm, list, string->view(), separator->view())) return call.give_object(list);
  release(vm.heap.thread, list);
  return call.out_of_memory();
}

// ASCII letters only; every other byte stays.
bool to_lower(Vm &vm, Call &call) {
  String *string;
  if (!call.string(0, &string)) return false;
  String *lower = new_string(vm.heap, string->length);
  if (lower == nullptr) return call.out_of_memory();
  for (size_t i = 0; i < string->length; ++i) {
    char c = string->chars()[i];
    lower->chars()[i] = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return call.give_object(intern_string(vm.heap, &vm.strings, lower));
}

}  // namespace

bool define_text(Vm &vm) {
  static const NativeSpec kFunctions[] = {
      {"toString", "toString", to_string, 1},
      {"toNumber", "toNumber", to_number, 1},
      {"length", "length", length, 1},
      {"charAt", "charAt", char_at, 2},
      {"charCode", "charCode", char_code, 2},
      {"fromCharCode", "fromCharCode", from_char_code, 1},
      {"substring", "substring", substring, 3},
      {"indexOf", "indexOf", index_of, 3},
      {"split", "split", split, 2},
      {"toLower", "toLower", to_lower, 1},
  };
  return define_functions(vm, kFunctions);
}

}  // namespace lox
