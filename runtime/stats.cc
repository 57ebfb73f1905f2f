// Statistics, events, the verifier's entry.
#include "runtime/runtime.h"

#include <cstring>

#include "allocator/base/system_heap.h"
#include "allocator/os_memory.h"
#include "runtime/pauses.h"

using namespace loam;

namespace {

static_assert(static_cast<int>(gc::Collection::kYoung) == LOAM_COLLECTION_YOUNG);
static_assert(static_cast<int>(gc::Collection::kFull) == LOAM_COLLECTION_FULL);
static_assert(static_cast<int>(gc::Collection::kEmergency) == LOAM_COLLECTION_EMERGENCY);

static_assert(static_cast<int>(gc::Work::kYoung) == LOAM_WORK_YOUNG);
static_assert(static_cast<int>(gc::Work::kFull) == LOAM_WORK_FULL);
static_assert(static_cast<int>(gc::Work::kEmergency) == LOAM_WORK_EMERGENCY);
static_assert(static_cast<int>(gc::Work::kStart) == LOAM_WORK_START);
static_assert(static_cast<int>(gc::Work::kRescue) == LOAM_WORK_RESCUE);
static_assert(static_cast<int>(gc::Work::kMark) == LOAM_WORK_MARK);
static_assert(static_cast<int>(gc::Work::kSplit) == LOAM_WORK_SPLIT);
static_assert(static_cast<int>(gc::Work::kFinal) == LOAM_WORK_FINAL);
static_assert(static_cast<int>(gc::Work::kFinalize) == LOAM_WORK_FINALIZE);
static_assert(static_cast<int>(gc::Work::kSweep) == LOAM_WORK_SWEEP);
static_assert(static_cast<int>(gc::Work::kClear) == LOAM_WORK_CLEAR);
static_assert(static_cast<int>(gc::Work::kDrain) == LOAM_WORK_DRAIN);
static_assert(gc::kWorks == LOAM_WORKS);

void send_event(loam_runtime &runtime, loam_event event) {
  if (runtime.options.event == nullptr) return;
  event.struct_size = sizeof event;
  if (event.kind != LOAM_EVENT_WORK) {
    event.work = LOAM_WORKS;
    event.time_ns = alloc::os_monotonic_ns();
  }
  event.bytes = runtime.heap.handed_out_bytes();
  runtime.options.event(&runtime.main_thread, &event, runtime.options.context);
}

void collection_started(void *context, gc::Collection kind) {
  loam_event event = {};
  event.kind = LOAM_EVENT_COLLECTION_START;
  event.collection = static_cast<loam_collection>(kind);
  send_event(*static_cast<loam_runtime *>(context), event);
}

void collection_ended(void *context, gc::Collection kind, uint64_t duration_ns, size_t collected,
                      size_t survivors) {
  loam_event event = {};
  event.kind = LOAM_EVENT_COLLECTION_END;
  event.collection = static_cast<loam_collection>(kind);
  event.duration_ns = duration_ns;
  event.objects = collected;
  event.survivors = survivors;
  send_event(*static_cast<loam_runtime *>(context), event);
}

void worked(void *context, gc::Work work, uint64_t start_ns, uint64_t duration_ns, size_t objects) {
  loam_runtime &runtime = *static_cast<loam_runtime *>(context);
  rt::record_pause(&runtime.pauses[static_cast<size_t>(work)], duration_ns);
  if (runtime.trace != nullptr) {
    runtime.trace->add(static_cast<loam_work>(work), start_ns, duration_ns, objects,
                       runtime.heap.handed_out_bytes());
  }
  loam_event event = {};
  event.kind = LOAM_EVENT_WORK;
  event.work = static_cast<loam_work>(work);
  event.time_ns = start_ns;
  event.duration_ns = duration_ns;
  event.objects = objects;
  send_event(runtime, event);
}

void report_roots(void *context, loam_visitor *visitor) {
  const loam_roots *roots = static_cast<loam_runtime *>(context)->roots;
  for (; roots != nullptr; roots = roots->next) roots->report(visitor, roots->context);
}

// Per-type sums, filled by a walk over all objects.
struct TypeSum {
  const gc::Type *type;
  size_t objects, bytes;
};

void add_to_sum(void *context, loam_object *object, const gc::Type &type, size_t bytes) {
  if (object->refcount == 0) return;
  TypeSum &sum = static_cast<TypeSum *>(context)[gc::type_index(object->tag)];
  sum.type = &type;
  ++sum.objects;
  sum.bytes += bytes;
}

// The row of one pool; false when the pool holds nothing.
bool pool_row(const loam_runtime &runtime, unsigned head, loam_pool_stats *row) {
  const alloc::Pool &pool = runtime.heap.pool(head);
  const size_t idle =
      pool.retired + (head == 0 ? 0 : runtime.heap.cached_blocks(&runtime.main_thread, head));
  *row = loam_pool_stats{};
  row->kind = head >= LOAM_HEADS_PRIVATE        ? "private"
              : pool.kind == alloc::Kind::kRaw  ? "raw"
              : pool.kind == alloc::Kind::kLeaf ? "leaf"
                                                : "container";
  row->name = pool.name;
  row->block_size = pool.block_size;
  row->blocks = pool.allocated - idle;
  row->bytes = row->blocks * pool.block_size;
  row->slabs = pool.slabs;
  return pool.slabs != 0;
}

void add_small_blocks(const loam_runtime &runtime, loam_stats *stats) {
  for (unsigned head = 1; head < LOAM_HEAD_COUNT; ++head) {
    loam_pool_stats row;
    if (!pool_row(runtime, head, &row)) continue;
    stats->small_blocks += row.blocks;
    stats->small_bytes += row.bytes;
    const size_t cached = runtime.heap.cached_blocks(&runtime.main_thread, head);
    stats->cached_blocks += cached;
    stats->cached_bytes += cached * row.block_size;
  }
  const size_t held = runtime.heap.slabs_in_use() * alloc::kSlabBytes;
  stats->pinned_bytes = held - stats->small_bytes - stats->cached_bytes;
  const alloc::LargeRegistry::Sum idle = runtime.heap.large().sum_of_idle();
  stats->cached_blocks += idle.blocks;
  stats->cached_bytes += idle.bytes;
}

void add_collections(const loam_runtime &runtime, loam_stats *stats) {
  const gc::Collector &collector = runtime.collector;
  for (size_t kind = 0; kind < LOAM_COLLECTION_KINDS; ++kind) {
    const gc::CollectionRecord &record = collector.statistics().collections[kind];
    loam_collection_stats &row = stats->collections[kind];
    row.runs = record.runs;
    row.collected = record.collected;
    row.survivors = record.survivors;
    row.resurrected = record.resurrected;
    row.uncollectable = record.uncollectable;
    row.pauses = runtime.pauses[kind];  // the first kinds of work are whole collections
    stats->freed_by_collector += record.collected;
  }
  memcpy(stats->work, runtime.pauses, sizeof stats->work);
  for (size_t slice = LOAM_WORK_START; slice <= LOAM_WORK_SWEEP; ++slice) {
    rt::add_pauses(&stats->collections[LOAM_COLLECTION_FULL].pauses, runtime.pauses[slice]);
  }
  gc::Work phase;
  stats->collecting = collector.under_way(&phase) ? static_cast<loam_work>(phase) : LOAM_WORKS;
  stats->condemned_objects = collector.condemned_objects();
  stats->bytes_after_collection = collector.live_after_full_bytes();
  stats->next_collection_bytes = collector.full_trigger_bytes();
}

}  // namespace

gc::Hooks rt::collector_hooks(loam_runtime *runtime) {
  return gc::Hooks{runtime, collection_started, collection_ended, worked, report_roots};
}

extern "C" {

loam_status loam_stats_get(loam_runtime *runtime, loam_stats *out_stats) {
  if (runtime == nullptr || out_stats == nullptr) return LOAM_EINVAL;
  if (out_stats->struct_size != 0 && out_stats->struct_size != sizeof(loam_stats)) {
    return LOAM_EINVAL;
  }
  const alloc::Heap &heap = runtime->heap;
  const gc::Collector &collector = runtime->collector;
  const gc::Statistics &counts = collector.statistics();
  loam_stats stats = {};
  stats.struct_size = sizeof stats;
  stats.bytes_in_use = heap.in_use_bytes(&runtime->main_thread);
  stats.counted_bytes = heap.counted_bytes();
  stats.peak_bytes = heap.peak_bytes();
  stats.heap_limit = heap.limit_bytes();
  add_small_blocks(*runtime, &stats);
  stats.large_bytes = heap.large().bytes();
  stats.large_blocks = heap.large().count();
  stats.external_bytes = heap.external_bytes();
  stats.metadata_bytes = heap.metadata_bytes();
  stats.slabs_in_use = heap.slabs_in_use();
  stats.segments_committed = heap.segments_committed();
  stats.reserved_bytes = heap.range().reserved_bytes();
  stats.types = collector.types().count - 1;
  stats.frozen_objects = collector.frozen_objects();
  stats.pending_objects = collector.waiting_objects();
  stats.weak_references = collector.weaks().count();
  stats.freed_by_count = counts.freed_by_count;
  stats.finalizers_run = counts.finalizers_run;
  stats.weak_callbacks_run = counts.weak_callbacks_run;
  stats.failed_allocations = heap.failures();
  add_collections(*runtime, &stats);
  *out_stats = stats;
  return LOAM_OK;
}

loam_status loam_stats_types(loam_runtime *runtime, loam_type_stats_fn row, void *context) {
  if (runtime == nullptr || row == nullptr) return LOAM_EINVAL;
  const base::SystemHeap system;
  const size_t count = runtime->collector.types().count;
  TypeSum *sums = static_cast<TypeSum *>(system.allocate_zeroed(count * sizeof(TypeSum)));
  if (sums == nullptr) return LOAM_ENOMEM;
  runtime->collector.each_object(add_to_sum, sums);
  for (size_t index = 1; index < count; ++index) {
    if (sums[index].objects == 0) continue;
    const loam_type_stats stats = {sums[index].type, sums[index].type->name, sums[index].objects,
                                   sums[index].bytes};
    row(&stats, context);
  }
  system.free(sums);
  return LOAM_OK;
}

loam_status loam_stats_pools(loam_runtime *runtime, loam_pool_stats_fn row, void *context) {
  if (runtime == nullptr || row == nullptr) return LOAM_EINVAL;
  for (unsigned head = 1; head < LOAM_HEAD_COUNT; ++head) {
    loam_pool_stats stats;
    if (pool_row(*runtime, head, &stats)) row(&stats, context);
  }
  const alloc::LargeRegistry &large = runtime->heap.large();
  if (large.count() == 0) return LOAM_OK;
  loam_pool_stats stats = {};
  stats.kind = "large";
  stats.blocks = large.count();
  stats.bytes = large.bytes();
  row(&stats, context);
  return LOAM_OK;
}

loam_status loam_verify(loam_runtime *runtime, unsigned level) {
  constexpr unsigned kDeepest = 2;
  if (runtime == nullptr || level > kDeepest) return LOAM_EINVAL;
  const gc::Collector &collector = runtime->collector;
  if (level == kDeepest && (collector.in_callback() || !collector.idle())) return LOAM_ESTATE;
  size_t findings = runtime->heap.verify(&runtime->main_thread, level);
  if (findings == 0 && level == kDeepest) findings = collector.verify();
  return findings == 0 ? LOAM_OK : LOAM_ESTATE;
}

}  // extern "C"
