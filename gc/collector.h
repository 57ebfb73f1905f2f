// The collector: counts that reach zero (teardown.cc), cycles that counts miss (judge.cc,
// cycle.cc), and everything that must know about both (census.cc). DESIGN.md carries the proof.
//
//            decref to 0                   collect
//                 |                            |
//   kIdle --> kDraining --> kIdle    kIdle --> kCollecting --> callbacks --> kCollecting --> kIdle
//                 |                                                |
//                 +--> callbacks: kIdle again, one CallbackFrame deeper
//
// [G-3] Host code that may call Loam runs in kIdle inside a CallbackFrame; dispose alone runs
//       outside of it, and there a decref to zero only queues.
// [G-4] A condemned object is freed by the sweep of its collection and by nothing else; one whose
//       count reaches zero stays.
// [G-5] While nothing is being collected, mark, grey, condemned, emergency and the counts are zero.
// [G-6] Inside a callback, objects that need host code to die are deferred, and collections are
//       quiet, as young ones are between slices that finalize and sweep: what has a finalizer to
//       run counts as held.
// [G-7] refcount(x) >= the edges reported into x, for every object, wherever collection may happen.
//
// Thread safety: the owning runtime's thread; request() alone may be called from anywhere.
#pragma once

#include <loam/layout.h>

#include "allocator/heap.h"
#include "gc/edges.h"
#include "gc/hooks.h"
#include "gc/incremental.h"
#include "gc/type.h"
#include "gc/waiting.h"
#include "gc/weak.h"

namespace loam::gc {

struct CollectionRecord {
  uint64_t runs, collected, survivors, resurrected, uncollectable;
};

struct Statistics {
  CollectionRecord collections[kCollections];
  uint64_t freed_by_count;
  uint64_t finalizers_run;
  uint64_t weak_callbacks_run;
};

class Collector {
 public:
  Collector(alloc::Heap &heap, const Hooks &hooks, const Pacing &pacing);
  void attach(loam_thread *thread);  // the heap is open
  void close();                      // gives the tables back; the objects go with the heap

  // -- Types. Copies the descriptors and the name; nullptr when memory or indices ran out.
  Type *add_type(const Type &type);
  void publish(Type &type);
  Type &type_of(const loam_object *object) const { return types_.of(object); }
  const TypeTable &types() const { return types_; }

  // -- Objects.
  void *allocate(const Type &type, size_t size);  // nullptr: no memory, no collection tried
  void dropped(loam_thread *, loam_object *);     // loam_decref's count came out <= 0
  bool try_incref(loam_object *object);
  bool is_past_saving(const loam_object *object) const;  // dead, or its finalizers have run
  void immortalize(loam_object *object);
  WeakTable &weaks() { return weaks_; }
  const WeakTable &weaks() const { return weaks_; }

  // -- Collection. Each returns the objects condemned and freed.
  size_t collect(Collection kind);
  void poll();                    // at loam_new* of a container: collect when that is due
  void safepoint();               // everything that waited for one
  bool step(uint64_t budget_ns);  // slices of what is due; true while more is
  void request();                 // async-signal-safe
  void disable();
  void enable();
  void growth_noted();      // memory was added that poll() may not see
  void large_asked_for() {  // plain memory, which may be often
    if (LOAM_RARELY(heap_.large().held_bytes() >= heap_.large_watch())) large_noted();
  }
  void freeze();
  void unfreeze();
  void unwind();
  void host_work_waits();  // the heap was unlocked
  bool in_callback() const { return frame_ != nullptr; }
  bool relieve();          // an emergency collection, unless the last one was in vain
  bool relieve_waiting();  // frees the dead that wait, but for those that need host code
  bool idle() const { return activity_ == Activity::kIdle; }

  // Enters and leaves a callback that is neither finalizer nor weak callback (out of memory).
  struct CallbackFrame;
  void enter(CallbackFrame &frame, loam_object *held, bool asks_for_memory = false);
  bool asking_for_memory() const;  // inside the out-of-memory callback
  void leave(CallbackFrame &frame);

  // The runtime ends, by a full collection first; from now on what a callback locks is unlocked
  // when it returns. Then everything alive is finalized and disposed.
  void collect_last();
  void destroy_all();

  // -- Looking inside.
  // For each object, leaves included, that is not free; dead ones that wait have a count of 0.
  using ObjectVisitor = void (*)(void *context, loam_object *object, const Type &type,
                                 size_t bytes);
  void each_object(ObjectVisitor visit, void *context) const;
  size_t frozen_objects() const { return judge_.frozen; }
  size_t waiting_objects() const { return teardown_.waiting_objects(); }
  const Statistics &statistics() const { return statistics_; }
  // Proven unreachable and not freed yet; whether a collection that began has not ended, and its
  // phase; handed-out bytes when the last full one ended, and at which the next is due.
  size_t condemned_objects() const { return judge_.condemned; }
  bool under_way(Work *out_phase) const;
  size_t live_after_full_bytes() const { return base_bytes_; }
  size_t full_trigger_bytes() const { return full_trigger_; }
  // Debug mode: an object of this heap in use, or the fatal handler is told, `function` first.
  void check_object(const loam_object *object, const char *function) const;
  size_t verify() const;  // [G-5], [G-7]: reports and counts what is wrong

 private:
  enum class Activity : uint8_t { kIdle, kDraining, kCollecting };
  // Where an interrupted collection goes on.
  enum class Phase : uint8_t { kNone, kForget, kCallbacks, kFinalize, kSweep };

  // Where a sweep goes on.
  static constexpr size_t kFirstSlab = SIZE_MAX;
  enum class SweepPass : uint8_t { kStart, kRelease, kDispose, kFree };
  struct Sweep {
    SweepPass pass = SweepPass::kStart;
    size_t slab = kFirstSlab;
    size_t word = 0;                // of that slab,
    uint64_t left = ~uint64_t{0};   // and what of it is left
    alloc::Large *large = nullptr;  // behind the slabs
  };

  // teardown.cc
  [[noreturn]] void dropped_dead(loam_object *object);
  void dropped_slow(loam_object *object);
  void cascade(loam_object *next, size_t most, size_t least = 0);
  void drain_all();
  void release_segments();
  void drain_slice();
  void drain(size_t most, size_t least = 0);
  void drain_swept();
  void set_aside(loam_object *next);
  void queue_dead(loam_object *object);
  void release_later(loam_object *child, loam_object *&next);
  void release_later_slow(loam_object *child);
  void load_pending(size_t most);
  void defer(loam_object *object);
  void run_deferred();
  loam_object *destroy(loam_object *object);
  struct Parting {
    bool dies;
    loam_object *next;  // see destroy
  };
  Parting part(loam_object *object, const Type &type);
  void dispose_dead(loam_object *object, const Type &type);
  bool release(loam_object *child);
  void free_dead(loam_object *object, uint32_t tag, const Type &type);
  void return_later(loam_object *object, size_t bytes, uint32_t reciprocal);
  void free_dead_slow(loam_object *object, const Type &type);
  void push_free(loam_object *object, const Type &type);
  void thaw(loam_object *object);
  // Another runtime's object, by the host's mistake; not looked at, since that may be gone.
  bool is_foreign(const loam_object *object) const {
    return !heap_.range().contains(object) && is_foreign_large(object);
  }
  bool is_foreign_large(const loam_object *object) const;
  bool say_farewell(loam_object *object, const Type &type);
  void call_finalizer(loam_object *object, const Type &type);
  void run_weak_callbacks(loam_object *held);

  // sweep.cc
  struct Members;
  bool forget_weak(Judge::SetName name, bool as_owner, Sweep *at, size_t *budget);
  bool finalize_condemned(size_t *budget);
  bool sweep(Judge::SetName name, Sweep *at, size_t *budget);
  size_t sweep_whole(Judge::SetName name);
  void release_edge(const Tables &tables, const uint64_t *set, loam_object *target);
  size_t release_rest(const uint64_t *set, loam_object *object);
  size_t release_edges(const Tables &tables, const uint64_t *set, loam_object *object);
  bool release_condemned(const GarbageSet &set, Sweep *at, size_t *budget);
  bool dispose_condemned(const GarbageSet &set, Sweep *at, size_t *budget);
  bool free_condemned(const GarbageSet &set, Sweep *at, size_t *budget);
  void free_word(size_t slab, size_t word, uint64_t bits);

  // cycle.cc
  size_t run_collection(Collection kind);
  void begin_phases();
  size_t run_phases();
  bool run_phases_in(size_t *budget);
  void run_young();
  bool young_are_too_many() const;
  void plan_young() { heap_.judges_young = disabled_ == 0 && young_skips_ == 0; }
  void finish_interrupted();
  bool waits_for_unlock();
  void report_work(Work work, uint64_t start_ns, uint64_t duration_ns, size_t objects);
  void report_end(Collection kind, uint64_t start_ns, size_t collected, size_t survivors);
  void note_end(Collection kind, uint64_t duration_ns, size_t collected, size_t survivors);
  void promote_young();
  void reset_full_trigger();
  void give_back_tables();
  bool young_due() const;
  bool full_due() const { return heap_.handed_out_bytes() >= full_trigger_; }
  bool over_limit() const;
  void large_noted();
  void watch_large();  // at each change of heavy_at_, works_in_slices()
  void attend(uint32_t why);

  // slices.cc
  bool automatic() const { return disabled_ == 0 && teardown_.nothing_aside(); }
  void start_cycle();
  void end_cycle();
  void abandon_cycle();
  void run_slice(size_t budget);
  size_t run_stretch(size_t budget);
  void pay();
  void close_set();
  bool relieve_condemned();
  void set_rate();
  void schedule();
  bool works_in_slices() const { return cycle_.running() || incremental_; }
  bool slice_due() const;

  // census.cc
  bool is_to_be_clean(alloc::Bitmap bitmap) const;
  size_t verify_tables() const;
  size_t verify_prefixes() const;
  size_t verify_newborn() const;
  size_t verify_bound() const;

  // debug.cc
  void check_end(const loam_object *object, const Type &type) const;

  alloc::Heap &heap_;
  Hooks hooks_;
  Pacing pacing_;
  loam_thread *thread_ = nullptr;
  TypeTable types_;
  Type free_blocks_ = {};  // of index 0
  WeakTable weaks_;
  Judge judge_;
  Statistics statistics_ = {};

  Activity activity_ = Activity::kIdle;
  CallbackFrame *frame_ = nullptr;  // innermost
  uint32_t disabled_ = 0;           // loam_collect_disable calls not undone
  size_t full_trigger_;             // handed-out bytes at which a full collection is due
  size_t over_limit_calm_ = 0;      // external bytes when a collection last left us over the limit
  size_t calm_above_ = SIZE_MAX;    // no emergency collection while more bytes are handed out
  uint64_t allocations_ = 0;        // for torture.collect_every

  Teardown teardown_{heap_};
  bool has_deferred_ = false;  // objects, or weak callbacks

  // The running collection.
  Phase phase_ = Phase::kNone;
  Collection kind_ = Collection::kFull;
  Sweep sweep_;            // of the condemned; before it, where forgetting or finalizing goes on
  bool host_ran_ = false;  // since the condemned were judged
  size_t doomed_ = 0;      // condemned, and not acquitted
  size_t survivors_ = 0;
  static constexpr size_t kHeavyBytes = size_t{1} << 20;
  bool ending_ = false;            // between collect_last and the end, or an unwind out of it
  bool young_are_heavy_ = false;   // few, but perhaps with long arrays: large memory grew
  size_t heavy_at_ = kHeavyBytes;  // held bytes of it, at which they may be
  unsigned young_skips_ = 0, young_patience_ = 0;  // young collections left out, from now and next
  uint64_t start_ns_ = 0;

  // The incremental cycle, which uses the phases above for what it condemns.
  Cycle cycle_;
  bool incremental_ = false;        // phase_ is its
  size_t base_bytes_ = 0;           // handed out when the last full collection ended
  uint64_t paid_bytes_ = 0;         // gross, for which the cycle has worked
  uint64_t next_slice_bytes_ = 0;   // gross, at which it works again
  uint64_t cycle_start_bytes_ = 0;  // gross, at START
  uint64_t allowance_ = 0;
  uint64_t owed_units_ = 0;     // of work
  uint64_t units_per_mib_ = 0;  // of gross allocation, in the present stage
  Cycle::Stage stage_ = Cycle::Stage::kNone;
  size_t reckoned_rest_ = 0;  // the cycle's when the rate was set
  uint64_t cycle_ns_ = 0;     // time taken so far
  size_t cycle_collected_ = 0;
};

// A callback in progress, on the stack of the function that made it.
struct Collector::CallbackFrame {
  CallbackFrame *outer;
  loam_object *held;  // kept alive by one reference of the frame's; null: none
  Activity activity;  // to return to
  bool asks_for_memory;
};

// No other callback is entered from within it [G-6], so the innermost frame tells.
inline bool Collector::asking_for_memory() const {
  return frame_ != nullptr && frame_->asks_for_memory;
}

// Bits of loam_thread.attention.
enum Attention : uint32_t { kAttendRequest = 1, kAttendWork = 2, kAttendGrowth = 4 };

}  // namespace loam::gc
