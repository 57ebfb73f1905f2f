// Map: any value to any value, by Lox equality, in the order in which the keys were added.
//
//   entries | key 0 | value 0 | key 1 | value 1 | ...      in order; a removed pair has an absent
//   key index   | 0 | 2 | 0 | 1 | ...                          by hash: 1 + the number of a pair,
//   0: free
//
// 1. index_length is a power of two, or 0; pairs, removed ones included, fill at most 3/4 of it.
// 2. A removed pair stays in the index, so that probing goes on behind it, until the next rebuild.
// 3. The map owns one count of each key and each value.
#ifndef LOX_MAP_H
#define LOX_MAP_H

#include "object.h"

namespace lox {

// The value under key, or NULL; valid until the map next changes.
Value *map_find(const Heap &heap, const Map *map, Value key);

// Takes its own counts. False when memory ran out.
bool map_set(Heap &heap, Map *map, Value key, Value value);

// Whether there was such a key.
bool map_remove(Heap &heap, Map *map, Value key);

void map_clear(loam_thread *thread, Map *map);

}  // namespace lox

#endif
