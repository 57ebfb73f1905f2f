// A hash table from interned strings to values: the fields of an instance, the methods of a class,
// the globals.
//
//   slots  | key 0 | value 0 | key 1 | value 1 | ...      a power of two of pairs, linear probing
//
// Keys are stored as values, so that the whole backing array is one array of words that Loam traces
// from `slots` and `length` without a callback.
//
// 1. Lox never deletes a field, a method or a global: there are no tombstones.
// 2. At most 3/4 of the pairs are taken, so every probe ends.
// 3. The table owns one count of each key and each value in it.
#ifndef LOX_TABLE_H
#define LOX_TABLE_H

#include "heap.h"
#include "object.h"

namespace lox {

// The value under key, or NULL. Valid until the table next changes.
inline Value *table_find(const Table &table, const String *key) {
  if (table.length == 0) return nullptr;
  size_t mask = table.length - 2;  // of an even index: pairs start there
  Value wanted = object_value(key);
  for (size_t i = (size_t{key->hash} * 2) & mask;; i = (i + 2) & mask) {
    Value found = table.slots[i];
    if (LOAM_LIKELY(same(found, wanted))) return &table.slots[i + 1];
    if (is_absent(found)) return nullptr;
  }
}

// Adds or replaces. The table takes its own counts. False when memory ran out.
bool table_set(Heap &heap, Table *table, String *key, Value value);

// Makes room for at least `pairs` slots in a table that has none yet.
bool table_reserve(Heap &heap, Table *table, size_t pairs);

bool table_add_all(Heap &heap, const Table &from, Table *to);

// Releases all that the table holds, and its memory.
void table_clear(loam_thread *thread, Table *table);

}  // namespace lox

#endif
