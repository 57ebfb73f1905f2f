#include "finalizers.h"

#include "vm.h"

namespace lox {

bool open_finalizers(Vm &vm) {
  vm.finalizers.hidden_name = make_string(vm.heap, &vm.strings, "(finalizer)");
  return vm.finalizers.hidden_name != nullptr;
}

void close_finalizers(Vm &vm) {
  Finalizers &finalizers = vm.finalizers;
  for (size_t i = 0; i < finalizers.ready_count; ++i) {
    release(vm.heap.thread, finalizers.ready[i]);
  }
  loam_free(vm.heap.thread, finalizers.ready);
  release(vm.heap.thread, finalizers.hidden_name);
  finalizers = Finalizers{};
}

bool watch(Vm &vm, Instance *instance, Value function) {
  Finalizers &finalizers = vm.finalizers;
  Value *place = table_find(instance->fields, finalizers.hidden_name);
  if (place != nullptr && !is_nil(*place)) {
    assign(vm.heap.thread, place, function);
    return true;
  }
  if (finalizers.watched + finalizers.called == finalizers.capacity) {
    size_t capacity = finalizers.capacity == 0 ? 8 : finalizers.capacity * 2;
    void *ready = reallocate(vm.heap, finalizers.ready, capacity * sizeof(Instance *));
    if (ready == nullptr) return false;
    finalizers.ready = static_cast<Instance **>(ready);
    finalizers.capacity = capacity;
  }
  if (!table_set(vm.heap, &instance->fields, finalizers.hidden_name, function)) return false;
  ++finalizers.watched;
  return true;
}

void queue_if_watched(Vm &vm, Instance *instance) {
  Finalizers &finalizers = vm.finalizers;
  if (finalizers.watched == 0 || vm.closing) return;
  Value *function = table_find(instance->fields, finalizers.hidden_name);
  if (function == nullptr || is_nil(*function)) return;
  retain(vm.heap.thread, instance);
  finalizers.ready[finalizers.ready_count++] = instance;
}

namespace {

// The instance is watched until its function is taken out here.
void finalize_one(Vm &vm, Instance *instance) {
  Value *place = table_find(instance->fields, vm.finalizers.hidden_name);
  Value function = *place;
  *place = kNil;
  --vm.finalizers.watched;
  ++vm.finalizers.called;

  int frame_count = vm.frame_count;
  Value *stack_top = vm.stack_top;
  Value argument = object_value(instance);
  Value result = kNil;
  if (!call_back(vm, function, &argument, 1, &result)) unwind(vm, frame_count, stack_top);
  release(vm.heap.thread, result);
  release(vm.heap.thread, function);
  release(vm.heap.thread, instance);
}

}  // namespace

void run_finalizers(Vm &vm) {
  Finalizers &finalizers = vm.finalizers;
  if (finalizers.ready_count == 0 || finalizers.running || vm.heap_locks > 0) return;
  finalizers.running = true;
  int frame_limit = vm.frame_limit;
  Value *stack_limit = vm.stack_limit;
  vm.frame_limit += kFinalizerFrames;
  vm.stack_limit += kFinalizerFrames * kSlotsPerFrame;
  size_t batch = finalizers.ready_count;  // what becomes ready meanwhile waits: this loop ends
  for (size_t i = 0; i < batch; ++i) finalize_one(vm, finalizers.ready[i]);
  finalizers.ready_count -= batch;
  finalizers.called = 0;
  std::memmove(finalizers.ready, finalizers.ready + batch,
               finalizers.ready_count * sizeof(Instance *));
  vm.frame_limit = frame_limit;
  vm.stack_limit = stack_limit;
  finalizers.running = false;
}

}  // namespace lox
