// Objects and weak references: the slow partners of the inline calls, and the calls that have no
// fast one.
#include "allocator/base/check.h"
#include "allocator/os_memory.h"
#include "gc/death.h"
#include "runtime/checks.h"

using namespace loam;

namespace {

LOAM_NOINLINE void *new_object(loam_runtime &runtime, const gc::Type &type, size_t size) {
  gc::Collector &collector = runtime.collector;
  if (type.kind == alloc::Kind::kContainer) {
    // Its list ran out, so that what was free on it when the collector last counted is used now.
    runtime.heap.forget_free_young(type.head_offset / unsigned{sizeof(loam_list)});
    collector.poll();
  }
  void *object = collector.allocate(type, size);
  if (object != nullptr || runtime.heap.locked()) return object;
  if (collector.idle()) {
    if (collector.relieve_waiting()) object = collector.allocate(type, size);
    if (object == nullptr && collector.relieve()) object = collector.allocate(type, size);
    if (object == nullptr && rt::ask_host_for_memory(runtime, size)) {
      object = collector.allocate(type, size);
    }
  }
  return object;
}

}  // namespace

extern "C" {

void *loam_new_slow(loam_thread *thread, const loam_type *type) {
  loam_runtime &runtime = rt::runtime_of(thread);
  rt::expect_type(runtime, type, "loam_new");
  const gc::Type &layout = rt::internal(type);
  if (layout.instance_size == 0) {
    runtime.report.fatal("loam_new: type %s has no size of its own; use loam_new_sized",
                         layout.name);
  }
  return new_object(runtime, layout, layout.instance_size);
}

void *loam_new_sized(loam_thread *thread, const loam_type *type, size_t size) {
  loam_runtime &runtime = rt::runtime_of(thread);
  rt::expect_type(runtime, type, "loam_new_sized");
  const gc::Type &layout = rt::internal(type);
  if (layout.instance_size != 0 || size < layout.least_size || size > PTRDIFF_MAX) return nullptr;
  return new_object(runtime, layout, size);
}

void loam_decref_slow(loam_thread *thread, loam_object *object) {
  thread->runtime->collector.dropped(thread, object);
}

bool loam_try_incref(loam_thread *thread, loam_object *object) {
  loam_runtime &runtime = rt::runtime_of(thread);
  rt::expect_object(runtime, object, "loam_try_incref");
  return runtime.collector.try_incref(object);
}

void loam_visit(loam_visitor *visitor, loam_object *object) {
  if (object != nullptr) visitor->visit(visitor, object);
}

void loam_immortalize(loam_thread *thread, loam_object *object) {
  loam_runtime &runtime = rt::runtime_of(thread);
  rt::expect_object(runtime, object, "loam_immortalize");
  runtime.collector.immortalize(object);
}

uint32_t loam_refcount(const loam_object *object) {
  return static_cast<int32_t>(object->refcount) < 0 ? UINT32_MAX : object->refcount;
}

const loam_type *loam_type_of(loam_runtime *runtime, const loam_object *object) {
  return object->tag == 0 ? nullptr : &runtime->collector.type_of(object);
}

loam_status loam_weak_create(loam_thread *thread, loam_object *target, loam_object *owner,
                             loam_weak_fn callback, void *context, loam_weak **out_weak) {
  if (out_weak == nullptr) return LOAM_EINVAL;
  *out_weak = nullptr;
  if (thread == nullptr || target == nullptr) return LOAM_EINVAL;
  loam_runtime &runtime = rt::runtime_of(thread);
  rt::expect_object(runtime, target, "loam_weak_create");
  if (owner != nullptr) rt::expect_object(runtime, owner, "loam_weak_create");
  if (runtime.collector.is_past_saving(target)) return LOAM_ESTATE;
  if (owner != nullptr && runtime.collector.is_past_saving(owner)) return LOAM_ESTATE;
  gc::WeakTable &weaks = runtime.collector.weaks();
  *out_weak = weaks.create(thread, target, owner, callback, context);
  if (*out_weak == nullptr && rt::ask_host_for_memory(runtime, sizeof(loam_weak))) {
    *out_weak = weaks.create(thread, target, owner, callback, context);
  }
  return *out_weak != nullptr ? LOAM_OK : LOAM_ENOMEM;
}

loam_object *loam_weak_get(loam_thread *thread, loam_weak *weak) {
  loam_runtime &runtime = rt::runtime_of(thread);
  rt::expect_weak(runtime, weak, "loam_weak_get");
  loam_object *target = weak->target;
  const bool alive = target != nullptr && runtime.collector.try_incref(target);
  return alive ? target : nullptr;
}

void loam_weak_destroy(loam_thread *thread, loam_weak *weak) {
  if (weak == nullptr) return;
  loam_runtime &runtime = rt::runtime_of(thread);
  rt::expect_weak(runtime, weak, "loam_weak_destroy");
  runtime.collector.weaks().destroy(thread, weak);
}

// -- Collection.

size_t loam_collect(loam_thread *thread) {
  return rt::runtime_of(thread).collector.collect(gc::Collection::kFull);
}

size_t loam_collect_young(loam_thread *thread) {
  return rt::runtime_of(thread).collector.collect(gc::Collection::kYoung);
}

bool loam_collect_step(loam_thread *thread, uint64_t budget_ns) {
  return rt::runtime_of(thread).collector.step(budget_ns);
}

void loam_collect_disable(loam_thread *thread) { rt::runtime_of(thread).collector.disable(); }

void loam_collect_enable(loam_thread *thread) { rt::runtime_of(thread).collector.enable(); }

void loam_freeze(loam_thread *thread) { rt::runtime_of(thread).collector.freeze(); }

void loam_unfreeze(loam_thread *thread) { rt::runtime_of(thread).collector.unfreeze(); }

void loam_safepoint_slow(loam_thread *thread) { rt::runtime_of(thread).collector.safepoint(); }

void loam_collect_request(loam_runtime *runtime) { runtime->collector.request(); }

void loam_unwind(loam_thread *thread) { rt::runtime_of(thread).collector.unwind(); }

}  // extern "C"
