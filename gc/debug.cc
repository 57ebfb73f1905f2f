// What debug mode checks of objects. Blocks: allocator/debug.cc.
#include "gc/collector.h"

namespace loam::gc {

void Collector::check_object(const loam_object *object, const char *function) const {
  const base::Report &report = heap_.report();
  if (object == nullptr) report.fatal("%s: the object is NULL", function);
  const char *fault = heap_.fault_of(object, true);
  const uint32_t index = type_index(fault == nullptr ? object->tag : heap_.tag_of_freed(object));
  const bool typed = index != 0 && index < types_.count;
  if (fault == nullptr && typed) return;
  const void *address = object;
  if (typed) {
    report.fatal("%s: %p of type %s is dead already", function, address, types_.types[index]->name);
  }
  report.fatal("%s: %p %s", function, address,
               fault != nullptr ? fault : "has a header that was overwritten");
}

// Before an object's block is freed.
void Collector::check_end(const loam_object *object, const Type &type) const {
  if (heap_.object_is_intact(object)) return;
  heap_.report().fatal("%s: %p of type %s was written past its end",
                       activity_ == Activity::kCollecting ? "the collector" : "loam_decref",
                       static_cast<const void *>(object), type.name);
}

}  // namespace loam::gc
