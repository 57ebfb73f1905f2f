// The incremental cycle: finds the garbage of the whole heap in slices; between them the host runs.
//
//   START --> MARK --> RESCUE --> MARK --> RESCUE --> MARK --> SPLIT --> FINAL --> CLEAR --> idle
//   tables    hints    count, look  |     what mutation hid    batches   the rest
//     ^                             +--> CLEAR, when the counts refute a hint
//     +----------------------------------- (once, without them)
//
// What it knows between slices is hints: a mark says "reached, or born, since START", and a count
// may be out of date. Only SPLIT and FINAL condemn, each by counts taken afresh while the host
// waits [G-8]. So the host needs no write barrier and registers no roots.
//
// [G-10] What was old, and garbage, at START is condemned by the end: nothing changes it, so its
//        counts are never out of date, and no mark reaches it.
// [G-11] A block handed out since START has its kCycleMark bit, one on a thread's list too: nothing
//        born during the cycle is a suspect.
// [G-12] Between slices no pointer to an object is kept but array_, hints and known roots, checked
//        before use.
//
// Thread safety: the owning runtime's thread.
#pragma once

#include "gc/hooks.h"
#include "gc/judge.h"

namespace loam::gc {

class Cycle {
 public:
  enum class Phase : uint8_t { kIdle, kStart, kRescue, kMark, kSplit, kFinal, kClear };

  // What belongs together when time is allotted.
  enum class Stage : uint8_t {
    kStart,  // having the tables backed
    kHints,  // marking what they lead to
    kCount,  // the first RESCUE
    kLook,   // and its MARK
    kCountAgain,
    kLookAgain,
    kSplit,  // and FINAL
    kSweep,  // of what FINAL condemned: after the cycle's own phases
    kClear,
    kNone
  };

  Cycle(alloc::Heap &heap, const TypeTable &types, Judge &judge, const Hooks &hooks)
      : heap_(heap), types_(types), judge_(judge), hooks_(hooks) {}

  Phase phase() const { return grey_exists() ? Phase::kMark : phase_; }
  bool running() const { return phase_ != Phase::kIdle; }

  // After a young collection: everything that is young is taken for live until the next cycle.
  void start();
  // One slice of the present phase, of about `budget` objects; returns what it used. Ends early
  // when the phase does, or when enough is condemned to be swept first.
  size_t advance(size_t budget);
  Stage stage() const;
  size_t stage_units() const;  // its size, in units of advance
  // Drops all hints: the tables are as if no cycle had been started [G-5].
  void abandon();

  // While the first RESCUE counts, this may turn out to be more than when the stage began.
  size_t reckoned_rest() const { return reckoned_rest_; }
  size_t sweep_units(size_t passes, size_t condemned) const;
  uint64_t survivors() const { return survivors_; }
  uint64_t uncollectable() const { return uncollectable_; }

  // What work costs, in objects: passing over a large one, and edges behind the first fields.
  static constexpr size_t kLargeUnits = 4;
  static constexpr size_t kEdgesPerUnit = 4;
  static size_t units_of_rest(size_t edges) { return edges / kEdgesPerUnit; }
  // Pointers that fit the working space, which is to be given to it before it starts.
  static constexpr size_t kStack = 512;
  static constexpr size_t kBatch = 8192;  // objects in a closed set that SPLIT may find
  static constexpr size_t kScratch = kStack + kBatch;
  void use(loam_object **scratch) {
    stack_ = scratch;
    batch_ = scratch + kStack;
  }

 private:
  using Suspects = Judge::View<Judge::Scope::kSuspects>;

  static constexpr size_t kEnough = 4096;  // condemned objects that are swept before SPLIT goes on
  static constexpr size_t kMuch = 8;       // what leads to one object in so many leads to much
  static constexpr size_t kMostRestUnits = Judge::kMostRestEdges / kEdgesPerUnit;
  // What other work costs.
  static constexpr size_t kSlabUnits = 4;     // passing over a slab without suspects
  static constexpr size_t kWordUnits = 5;     // comparing 64 counts, and clearing them
  static constexpr size_t kLookUnits = 128;   // the same for a slab
  static constexpr size_t kClearUnits = 48;   // clearing the tables of a slab
  static constexpr size_t kStartUnits = 128;  // having the counts of a slab backed
  static constexpr size_t kHugeUnits = 8192;  // the same by a huge page
  // Eight slabs share a page of a bitmap, and START has two bitmaps backed.
  static constexpr size_t kSlabsPerBitsPage = 4;

  void begin_marking();
  size_t slabs_to_back() const;
  size_t back_tables(size_t budget);
  bool grey_exists() const;
  uint64_t suspects_of(size_t slab, size_t word) const;

  // Hints
  bool is_suspect(const Suspects &view, const loam_object *object) const;
  static bool is_hint(const Suspects &view, const loam_object *target);
  void take_hint(const Suspects &view, loam_object *object);
  void take_hints();
  size_t follow_hints(size_t budget);
  bool confirms_hints();

  // RESCUE
  size_t count(size_t budget);
  void begin_counting();
  size_t count_slab(size_t budget);
  size_t count_large();
  size_t count_rest_units(size_t edges);
  size_t look(size_t budget);
  size_t look_at_slab(size_t slab);
  void confirm_roots();
  void note_roots(const Suspects &view, size_t slab, size_t word, uint64_t roots);
  bool look_at_large();

  // MARK
  size_t mark(size_t budget);
  bool may_blacken(const Suspects &view, size_t number);
  size_t blacken(const Suspects &view, loam_object *target);
  void blacken_large(const Suspects &view, loam_object *target);
  void blacken_later(const Suspects &view, loam_object *target);
  void make_grey(size_t number);
  size_t mark_in_order(size_t budget);
  bool begin_pass();
  size_t gather_pass(size_t budget);
  template <bool kDown>
  class Front;  // what a pass in order marks, on its way to the bitmaps
  template <bool kDown>
  uint64_t scan_word_in_order(const Suspects &view, Front<kDown> &front, char *base, ptrdiff_t size,
                              uint64_t bits, size_t *rest_units);
  template <bool kDown>
  size_t scan_slab_in_order(size_t budget);
  size_t mark_rest(loam_object *object);
  size_t load_grey();
  size_t mark_large();
  bool array_is_intact() const;
  bool next_long_array();
  size_t scan_array();

  // SPLIT, in split.cc
  size_t split(size_t budget);
  size_t split_large(size_t budget);
  bool walks_in_vain() const;
  size_t walk(loam_object *first);
  struct Batch;
  bool walk_rest(loam_object *object, Batch *batch);
  void follow(const Suspects &view, loam_object **objects, Batch &batch, loam_object *target);
  void follow_large(loam_object *target, Batch *batch);
  static void uncount(const Suspects &view, const loam_object *first);
  bool is_closed(const Suspects &view, size_t count) const;
  static void forget(const Suspects &view, size_t number, bool overflowed);
  void condemn_batch(const Suspects &view, const Batch &batch);
  void leave_batch(const Suspects &view, const Batch &batch);

  // FINAL and CLEAR
  size_t judge_rest();
  void begin_clear();
  size_t clear(size_t budget);
  bool clear_large();
  void clear_segment(size_t segment);

  alloc::Heap &heap_;
  const TypeTable &types_;
  Judge &judge_;
  const Hooks &hooks_;

  Phase phase_ = Phase::kIdle;
  bool counting_ = false;                 // of RESCUE: counts the edges; else looks at the counts
  bool second_ = false;                   // RESCUE
  bool overflowed_ = false;               // a byte of counts
  bool in_order_ = false;                 // MARK goes over the slabs up or down
  bool sampling_ = true;                  // it may come to that
  bool gathering_ = false;                // the slabs of its next pass are not known yet
  size_t pass_next_ = 1, pass_last_ = 0;  // slabs that its pass has still to scan
  static constexpr size_t kFlip = SIZE_MAX / 2;  // not all bits: behind slab 0 one more is the end
  size_t pass_flip_ = 0;                         // those are xor it; kFlip: the pass goes down
  size_t pass_objects_ = 0, pass_slabs_ = 0;     // scanned by this pass
  size_t slabs_in_vain_ = 0;                     // by passes that found little in them
  size_t slab_ = 0;                              // where the pass under way goes on
  size_t backed_bits_ = 0;                       // slabs whose bitmaps START has had backed
  size_t word_ = 0;                              // of counting: the word of that slab,
  uint64_t left_ = ~uint64_t{0};                 // and what of it is left
  size_t suspects_ = 0;                          // members that the last RESCUE counted
  size_t in_vain_ = 0;                           // objects that SPLIT walked and did not condemn
  size_t rest_units_ = 0;                        // of the edges behind their fields that it counted
  size_t reckoned_rest_ = 0;  // as many as that is taken to become in the first RESCUE
  uint64_t survivors_ = 0, uncollectable_ = 0;
  // A small object whose array is being followed.
  loam_object *array_ = nullptr;
  size_t array_items_ = 0;  // followed so far
  loam_object **stack_ = nullptr;
  loam_object **batch_ = nullptr;  // before SPLIT: the hints
  size_t hints_ = 0, followed_ = 0;
  KnownRoots roots_;
  size_t marked_units_ = 0;  // since RESCUE last looked
  size_t judged_units_ = 0;  // all that is old
  bool refuted_ = false;     // a hint: START is to be done again, without any
  unsigned starts_without_hints_ = 0;
};

}  // namespace loam::gc
