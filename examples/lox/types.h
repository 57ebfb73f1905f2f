// Registers the interpreter's objects with Loam: what of each layout is a reference, and what to do
// when one ends.
#ifndef LOX_TYPES_H
#define LOX_TYPES_H

#include "heap.h"

namespace lox {

// Fills heap.types and heap.type_ids. options.context must be the Vm: disposing needs its tables.
loam_status register_types(Heap &heap);

}  // namespace lox

#endif
