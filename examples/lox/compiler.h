// Source text to bytecode, in one pass, without a syntax tree.
#ifndef LOX_COMPILER_H
#define LOX_COMPILER_H

#include "object.h"
#include "strings.h"

namespace lox {

// The script as a function, one reference the caller's; or NULL after errors, which were printed to
// stderr. A NUL must follow the source.
Function *compile(Heap &heap, StringTable *strings, std::string_view source);

}  // namespace lox

#endif
