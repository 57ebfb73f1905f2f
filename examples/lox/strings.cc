#include "strings.h"

namespace lox {

namespace {

constexpr size_t kSmallestTable = 256;

// FNV-1a.
uint32_t hash_of(std::string_view text) {
  uint32_t hash = 2166136261u;
  for (char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 16777619u;
  return hash;
}

// The slot that holds an equal string, dead or alive, or else the free one where it belongs.
StringTable::Slot *find_slot(const StringTable &table, std::string_view text, uint32_t hash) {
  size_t mask = table.capacity - 1;
  for (size_t i = hash & mask;; i = (i + 1) & mask) {
    StringTable::Slot *slot = &table.slots[i];
    if (slot->string == nullptr) return slot;
    if (slot->hash == hash && slot->string->view() == text) return slot;
  }
}

// Room for one more. May collect, and so remove strings: it comes before any probing.
bool reserve_slot(Heap &heap, StringTable *table) {
  if ((table->count + 1) * 4 <= table->capacity * 3) return true;
  size_t capacity = table->capacity == 0 ? kSmallestTable : table->capacity * 2;
  size_t bytes = capacity * sizeof(StringTable::Slot);
  auto *slots = static_cast<StringTable::Slot *>(reallocate(heap, nullptr, bytes));
  if (slots == nullptr) return false;
  std::memset(slots, 0, bytes);
  for (size_t i = 0; i < table->capacity; ++i) {
    if (table->slots[i].string == nullptr) continue;
    size_t place = table->slots[i].hash & (capacity - 1);
    while (slots[place].string != nullptr) place = (place + 1) & (capacity - 1);
    slots[place] = table->slots[i];
  }
  loam_free(heap.thread, table->slots);
  table->slots = slots;
  table->capacity = capacity;
  return true;
}

// The live string in a slot, with a new reference, or NULL.
String *revive(Heap &heap, StringTable::Slot *slot) {
  if (slot->string == nullptr) return nullptr;
  return loam_try_incref(heap.thread, &slot->string->header) ? slot->string : nullptr;
}

void occupy(StringTable *table, StringTable::Slot *slot, String *string) {
  if (slot->string == nullptr) ++table->count;
  *slot = {string, string->hash};
}

}  // namespace

String *new_string(Heap &heap, size_t length) {
  if (length > kLongestString) return nullptr;
  auto *string = static_cast<String *>(new_sized(heap, kString, sizeof(String) + length + 1));
  if (string == nullptr) return nullptr;
  string->hash = 0;
  string->length = static_cast<uint32_t>(length);
  string->chars()[length] = '\0';
  return string;
}

String *make_string(Heap &heap, StringTable *table, std::string_view text) {
  uint32_t hash = hash_of(text);
  if (table->capacity != 0) {
    if (String *old = revive(heap, find_slot(*table, text, hash))) return old;
  }
  String *fresh = new_string(heap, text.size());
  if (fresh == nullptr) return nullptr;
  if (!text.empty()) std::memcpy(fresh->chars(), text.data(), text.size());
  fresh->hash = hash;
  if (!reserve_slot(heap, table)) {
    release(heap.thread, fresh);
    return nullptr;
  }
  occupy(table, find_slot(*table, text, hash), fresh);
  return fresh;
}

String *intern_string(Heap &heap, StringTable *table, String *fresh) {
  fresh->hash = hash_of(fresh->view());
  if (!reserve_slot(heap, table)) {
    release(heap.thread, fresh);
    return nullptr;
  }
  StringTable::Slot *slot = find_slot(*table, fresh->view(), fresh->hash);
  if (String *old = revive(heap, slot)) {
    release(heap.thread, fresh);
    return old;
  }
  occupy(table, slot, fresh);
  return fresh;
}

void forget_string(StringTable *table, const String *string) {
  if (table->capacity == 0) return;
  size_t mask = table->capacity - 1;
  StringTable::Slot *slots = table->slots;
  size_t hole = string->hash & mask;
  while (slots[hole].string != string) {
    if (slots[hole].string == nullptr) return;  // never interned, or replaced
    hole = (hole + 1) & mask;
  }
  for (size_t i = (hole + 1) & mask; slots[i].string != nullptr; i = (i + 1) & mask) {
    size_t home = slots[i].hash & mask;
    // A slot may move back to the hole unless its home lies behind the hole.
    if (((i - home) & mask) < ((i - hole) & mask)) continue;
    slots[hole] = slots[i];
    hole = i;
  }
  slots[hole] = {nullptr, 0};
  --table->count;
}

}  // namespace lox
