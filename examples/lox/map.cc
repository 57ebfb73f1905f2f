#include "map.h"

namespace lox {

namespace {

constexpr uint32_t kSmallestIndex = 8;
constexpr uint32_t kLargestIndex = 1u << 31;

// Equal values have equal hashes: 0 and -0 are equal.
uint32_t hash_of(const Heap &heap, Value key) {
  if (is_kind(heap, key, kString)) return as<String>(key)->hash;
  uint64_t bits = is_number(key) ? number(as_number(key) + 0.0).bits : key.bits;
  bits *= 0x9e3779b97f4a7c15;  // 2^64 / golden ratio: spreads low and high bits to the top
  return static_cast<uint32_t>(bits >> 32);
}

// The number of the pair with this key, or -1.
int64_t find_pair(const Heap &heap, const Map *map, Value key) {
  if (map->index_length == 0) return -1;
  uint32_t mask = map->index_length - 1;
  for (uint32_t i = hash_of(heap, key) & mask; map->index[i] != 0; i = (i + 1) & mask) {
    uint32_t pair = map->index[i] - 1;
    if (equal(map->entries.items[2 * size_t{pair}], key)) return pair;
  }
  return -1;
}

void add_to_index(const Heap &heap, Map *map, Value key, uint32_t pair) {
  uint32_t mask = map->index_length - 1;
  uint32_t i = hash_of(heap, key) & mask;
  while (map->index[i] != 0) i = (i + 1) & mask;
  map->index[i] = pair + 1;
}

// Drops removed pairs and indexes the rest, in an index twice as long unless many were removed.
bool rebuild(Heap &heap, Map *map) {
  uint32_t length = kSmallestIndex;
  while (length / 2 <= map->live && length < kLargestIndex) length *= 2;
  size_t bytes = length * sizeof(uint32_t);
  auto *index = static_cast<uint32_t *>(reallocate(heap, nullptr, bytes));
  if (index == nullptr) return false;
  std::memset(index, 0, bytes);
  loam_free(heap.thread, map->index);
  map->index = index;
  map->index_length = length;

  Array<Value> &entries = map->entries;
  size_t kept = 0;
  for (size_t i = 0; i < entries.length; i += 2) {
    if (is_absent(entries.items[i])) continue;
    entries.items[kept] = entries.items[i];
    entries.items[kept + 1] = entries.items[i + 1];
    add_to_index(heap, map, entries.items[kept], static_cast<uint32_t>(kept / 2));
    kept += 2;
  }
  entries.length = kept;
  return true;
}

}  // namespace

Value *map_find(const Heap &heap, const Map *map, Value key) {
  int64_t pair = find_pair(heap, map, key);
  return pair < 0 ? nullptr : &map->entries.items[2 * pair + 1];
}

bool map_set(Heap &heap, Map *map, Value key, Value value) {
  if (Value *place = map_find(heap, map, key)) {
    assign(heap.thread, place, value);
    return true;
  }
  Array<Value> &entries = map->entries;
  if (entries.length / 2 >= map->index_length / 4 * 3 && !rebuild(heap, map)) return false;
  if (entries.length / 2 >= kLargestIndex / 4 * 3) return false;
  if (!array_reserve(heap, &entries, entries.length + 2)) return false;
  retain(heap.thread, key);
  retain(heap.thread, value);
  add_to_index(heap, map, key, static_cast<uint32_t>(entries.length / 2));
  entries.items[entries.length] = key;
  entries.items[entries.length + 1] = value;
  entries.length += 2;
  ++map->live;
  return true;
}

bool map_remove(Heap &heap, Map *map, Value key) {
  Value *place = map_find(heap, map, key);
  if (place == nullptr) return false;
  Value old_key = place[-1];
  Value old_value = place[0];
  place[-1] = kAbsent;
  place[0] = kNil;
  --map->live;
  release(heap.thread, old_key);
  release(heap.thread, old_value);
  return true;
}

void map_clear(loam_thread *thread, Map *map) {
  Array<Value> old = map->entries;
  map->entries = Array<Value>{};  // what is released may look here
  loam_free(thread, map->index);
  map->index = nullptr;
  map->index_length = 0;
  map->live = 0;
  for (size_t i = 0; i < old.length; ++i) release(thread, old.items[i]);
  array_free(thread, &old);
}

}  // namespace lox
