#include "print.h"

namespace lox {

namespace {

void describe_function(const Function *function, Description *out) {
  if (function->name == nullptr) {
    out->text = "<script>";
    return;
  }
  out->before = "<fn ";
  out->text = function->name->view();
  out->after = ">";
}

void describe_object(const Heap &heap, Object *object, Description *out) {
  switch (kind_of(heap, object)) {
    case kString:
      out->text = as<String>(object)->view();
      break;
    case kFunction:
      describe_function(as<Function>(object), out);
      break;
    case kClosure:
      describe_function(as<Closure>(object)->function, out);
      break;
    case kBoundMethod:
      describe_object(heap, as<BoundMethod>(object)->method, out);
      break;
    case kNative:
      out->text = "<native fn>";
      break;
    case kClass:
      out->text = as<Class>(object)->name->view();
      break;
    case kUpvalue:  // never a value
    case kKindCount:
      break;
    case kInstance:
    case kList:
    case kMap:
    case kWeakRef:
      out->text = as<Instance>(object)->klass->name->view();
      out->after = " instance";
      break;
  }
}

}  // namespace

void describe(const Heap &heap, Value value, Description *out) {
  if (is_number(value)) {
    int length = std::snprintf(out->digits, sizeof out->digits, "%g", as_number(value));
    out->text = {out->digits, static_cast<size_t>(length)};
  } else if (is_object(value)) {
    describe_object(heap, as_object(value), out);
  } else if (is_boolean(value)) {
    out->text = same(value, kTrue) ? "true" : "false";
  } else {
    out->text = "nil";
  }
}

void print_value(const Heap &heap, Value value, std::FILE *file) {
  Description description;
  describe(heap, value, &description);
  std::fputs(description.before, file);
  std::fwrite(description.text.data(), 1, description.text.size(), file);
  std::fputs(description.after, file);
}

}  // namespace lox
