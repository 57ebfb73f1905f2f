// Strings, and the table that interns them.
//
// The table holds strings without counting them, so that it keeps none alive:
//
// 1. A string leaves the table in its dispose. Between its last release and its dispose it is
//    still there, dead: loam_try_incref refuses it, and an equal new string takes its slot.
// 2. So a string's dispose removes a slot only where the slot holds that very string.
// 3. Of equal strings at most one is alive, and it is in the table: equality is identity.
// 4. Probing is linear, and removal shifts later slots back: there are no tombstones.
#ifndef LOX_STRINGS_H
#define LOX_STRINGS_H

#include "object.h"

namespace lox {

struct StringTable {
  struct Slot {
    String *string;  // NULL: free
    uint32_t hash;   // beside the pointer, so that probing does not visit the strings
  };
  Slot *slots;
  size_t capacity;  // a power of two, or 0
  size_t count;
};

constexpr size_t kLongestString = INT32_MAX;

// The string with this text: the caller owns a reference. NULL when memory ran out.
String *make_string(Heap &heap, StringTable *table, std::string_view text);

// A string of `length` bytes to be filled in and then passed to intern_string. NULL as above, and
// for lengths above kLongestString.
String *new_string(Heap &heap, size_t length);

// Takes over `fresh`; returns it, or the equal string that was there first. NULL as above, and then
// `fresh` is released all the same.
String *intern_string(Heap &heap, StringTable *table, String *fresh);

// For a string's dispose.
void forget_string(StringTable *table, const String *string);

}  // namespace lox

#endif
