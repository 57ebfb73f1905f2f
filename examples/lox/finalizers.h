// onFinalize(instance, function): Lox code that runs when an instance has become unreachable.
//
// Loam calls an instance's finalizer wherever the last reference goes or a cycle is found: in the
// middle of any instruction. Lox code must not run there. So the finalizer only takes a reference,
// which saves the instance for now, and queues it; the VM calls the Lox functions at its next safe
// point: a loop's back edge, a call, the end of the program.
//
// 1. The function is a hidden field of its instance, so that Loam sees the edge like any other.
// 2. called + watched <= capacity, so queueing needs no memory.
// 3. Lox finalizers do not nest, and have frames of their own to run in.
// 4. Instances that the program can still reach when it ends are not finalized.
#ifndef LOX_FINALIZERS_H
#define LOX_FINALIZERS_H

#include "object.h"

namespace lox {

struct Finalizers {
  Instance **ready;  // in the order in which they died; one count each
  size_t ready_count;
  size_t capacity;
  size_t watched;       // instances whose function has not been called
  size_t called;        // at the front of `ready`, by the run in progress
  String *hidden_name;  // the field's name, which no program can spell
  bool running;
};

bool open_finalizers(Vm &vm);
void close_finalizers(Vm &vm);

// False when memory ran out; nothing changed then.
bool watch(Vm &vm, Instance *instance, Value function);

// For the finalizer of instances.
void queue_if_watched(Vm &vm, Instance *instance);

// Calls what is ready. An error in a function is reported and ends that function only.
void run_finalizers(Vm &vm);

}  // namespace lox

#endif
