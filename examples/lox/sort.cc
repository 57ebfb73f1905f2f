// List.sort(compare): a stable merge sort. compare(a, b) answers with a number below 0, or true,
// where a goes before b; nil compares numbers with numbers and strings with strings.
//
// compare may do anything, even to the list. So the items are taken out first and held here:
//
// 1. The list is empty while it is being sorted.
// 2. Every item is in `from` exactly once whenever compare runs, also when it fails: a merge writes
//    to `to`, and the two change places only when a pass is complete.
#include "native.h"

namespace lox {

namespace {

struct Sorter {
  Vm &vm;
  Value compare;
  bool failed;  // an error was reported

  bool before(Value a, Value b);
  bool merge_pass(const Value *from, Value *to, size_t length, size_t width);

 private:
  bool natural(Value a, Value b);
};

bool Sorter::natural(Value a, Value b) {
  if (is_number(a) && is_number(b)) return as_number(a) < as_number(b);
  if (is_kind(vm.heap, a, kString) && is_kind(vm.heap, b, kString)) {
    return as<String>(a)->view() < as<String>(b)->view();
  }
  failed = true;
  return runtime_error(vm, "List.sort: without a function, all items must be numbers or strings.");
}

bool Sorter::before(Value a, Value b) {
  if (is_nil(compare)) return natural(a, b);
  Value arguments[] = {a, b};
  Value result = kNil;
  failed = !call_back(vm, compare, arguments, 2, &result);
  if (failed) return false;
  if (is_boolean(result)) return same(result, kTrue);
  if (is_number(result)) return as_number(result) < 0;
  release(vm.heap.thread, result);
  failed = true;
  return runtime_error(vm, "List.sort: the function must return a number or a boolean.");
}

// Merges neighbouring sorted runs of the given width.
bool Sorter::merge_pass(const Value *from, Value *to, size_t length, size_t width) {
  for (size_t start = 0; start < length; start += 2 * width) {
    size_t middle = start + width < length ? start + width : length;
    size_t end = middle + width < length ? middle + width : length;
    size_t left = start;
    size_t right = middle;
    for (size_t i = start; i < end; ++i) {
      bool take_right = right < end && (left == middle || before(from[right], from[left]));
      if (failed) return false;
      to[i] = from[take_right ? right++ : left++];
    }
  }
  return true;
}

void put_back(Vm &vm, List *list, Array<Value> items) {
  Array<Value> added = list->items;
  list->items = items;
  for (size_t i = 0; i < added.length; ++i) release(vm.heap.thread, added.items[i]);
  array_free(vm.heap.thread, &added);
}

}  // namespace

bool sort_list(Vm &vm, Call &call) {
  auto *list = as<List>(call.receiver());
  size_t length = list->items.length;
  if (length < 2) return true;
  auto *spare = static_cast<Value *>(reallocate(vm.heap, nullptr, length * sizeof(Value)));
  if (spare == nullptr) return call.out_of_memory();

  Array<Value> items = list->items;
  list->items = Array<Value>{};
  Value *from = items.items;
  Sorter sorter{vm, call.arguments[0], false};
  for (size_t width = 1; width < length && !sorter.failed; width *= 2) {
    if (!sorter.merge_pass(from, spare, length, width)) break;
    Value *merged = spare;
    spare = from;
    from = merged;
  }
  bool changed = list->items.length != 0;
  items = {from, length, from == items.items ? items.capacity : length};
  loam_free(vm.heap.thread, spare);
  put_back(vm, list, items);
  if (sorter.failed) return false;
  if (changed) return runtime_error(vm, "List.sort: the list was changed while it was sorted.");
  return true;
}

}  // namespace lox
