#include "table.h"

namespace lox {

namespace {

constexpr size_t kSmallestTable = 4;  // pairs: one 64-byte block

// The place of a key that is known to be missing.
size_t free_slot(const Value *slots, size_t length, uint32_t hash) {
  size_t mask = length - 2;
  size_t i = (size_t{hash} * 2) & mask;
  while (!is_absent(slots[i])) i = (i + 2) & mask;
  return i;
}

bool resize(Heap &heap, Table *table, size_t pairs) {
  if (pairs > SIZE_MAX / (2 * sizeof(Value))) return false;
  size_t length = pairs * 2;
  auto *slots = static_cast<Value *>(reallocate(heap, nullptr, length * sizeof(Value)));
  if (slots == nullptr) return false;
  for (size_t i = 0; i < length; ++i) slots[i] = kAbsent;
  for (size_t i = 0; i < table->length; i += 2) {
    Value key = table->slots[i];
    if (is_absent(key)) continue;
    size_t place = free_slot(slots, length, as<String>(key)->hash);
    slots[place] = key;
    slots[place + 1] = table->slots[i + 1];
  }
  loam_free(heap.thread, table->slots);
  table->slots = slots;
  table->length = length;
  return true;
}

}  // namespace

bool table_reserve(Heap &heap, Table *table, size_t pairs) {
  return table->length != 0 || resize(heap, table, pairs < kSmallestTable ? kSmallestTable : pairs);
}

bool table_set(Heap &heap, Table *table, String *key, Value value) {
  if (Value *place = table_find(*table, key)) {
    assign(heap.thread, place, value);
    return true;
  }
  if ((table->count + 1) * 8 > table->length * 3) {
    size_t pairs = table->length == 0 ? kSmallestTable : table->length;  // doubled: length is 2n
    if (!resize(heap, table, pairs)) return false;
  }
  size_t place = free_slot(table->slots, table->length, key->hash);
  retain(heap.thread, key);
  retain(heap.thread, value);
  table->slots[place] = object_value(key);
  table->slots[place + 1] = value;
  ++table->count;
  return true;
}

bool table_add_all(Heap &heap, const Table &from, Table *to) {
  for (size_t i = 0; i < from.length; i += 2) {
    if (is_absent(from.slots[i])) continue;
    if (!table_set(heap, to, as<String>(from.slots[i]), from.slots[i + 1])) return false;
  }
  return true;
}

void table_clear(loam_thread *thread, Table *table) {
  Table old = *table;
  *table = Table{};  // what is released may look here
  for (size_t i = 0; i < old.length; ++i) release(thread, old.slots[i]);
  loam_free(thread, old.slots);
}

}  // namespace lox
