// The judge: which members of a set of containers are garbage. DESIGN.md, "The judgement", has the
// proof; judge.cc the passes, count.cc the first of them, recall.cc a shortcut, scope.h the sets.
//
//   judge(scope) --> sets of condemned blocks: a bitmap, a list of slabs, a count
//
// It calls no host code but traces, and allocates nothing.
//
// [G-5] While nothing is being judged, mark, grey and the counts are zero.
//
// Thread safety: the owning runtime's thread.
#pragma once

#include <loam/layout.h>

#include "allocator/heap.h"
#include "gc/roots.h"
#include "gc/tables.h"

namespace loam::gc {

// What was condemned; sweep.cc frees it.
struct GarbageSet {
  alloc::Bitmap bitmap;
  alloc::Heap::SlabList *list;
  alloc::SlabLink alloc::Slab::*link;
  size_t *count;
};

class Judge {
 public:
  enum class Scope { kAll, kRecalled, kThawed, kSuspects, kRescue, kYoung, kCondemned };
  struct Judgement {
    size_t survivors, uncollectable, acquitted;
  };
  // What the running collection condemned, and what a quiet one did, perhaps inside of it.
  enum SetName { kCondemnedSet, kEmergencySet };

  Judge(alloc::Heap &heap, const TypeTable &types) : heap_(heap), types_(types) {}

  // Pointers that fit the working space, which is to be given to it before anything is judged.
  static constexpr size_t kMarkStack = 1024;
  static constexpr size_t kRememberedRoots = 1024;
  static constexpr size_t kScratch =
      kMarkStack + kRememberedRoots * sizeof(Root) / sizeof(loam_object *);
  void use(loam_object **scratch) {
    mark_stack_ = scratch;
    remembered_roots_ = reinterpret_cast<Root *>(scratch + kMarkStack);
  }

  // quiet: no host code may run for it, so that what has a finalizer to run counts as held, and the
  // garbage goes to the emergency set. unseen: nobody will look at the condemned before they are
  // gone, so that they need no flag. kCondemned acquits members of the condemned set.
  template <Scope kScope>
  Judgement judge(bool quiet, bool unseen);
  Judgement judge_all(bool quiet, bool unseen) {
    return frozen == 0 ? judge<Scope::kAll>(quiet, unseen) : judge<Scope::kThawed>(quiet, unseen);
  }
  GarbageSet garbage_set(SetName name);

  size_t frozen = 0;     // objects
  size_t condemned = 0;  // members of the set
  size_t emergency_condemned = 0;
  bool kept_finalizable = false;  // some were kept only because their finalizers have not run
  bool leads_out = false;         // there may be edges from the garbage to what is none
  // The cycle keeps counts of its own in the tables between slices; others clear theirs alone.
  bool shares_counts = false;
  bool leaves_counts = false;       // judge_all's caller discards them
  bool leaves_long_arrays = false;  // count_word sets kCycleGrey instead of counting their items
  // kRescue counts in slices: how many edges behind the fields, since the caller set it to 0; with
  // so many of them count_word stops, and leaves some members of the word.
  static constexpr size_t kMostRestEdges = 8192;
  size_t rest_edges = 0;
  uint64_t uncounted = 0;  // those

 private:
  friend class Cycle;  // counts and condemns with the same means, in slices

  // What counting came across.
  struct EdgeTally {
    bool overflowed = false;  // a byte of counts
    bool leads_out = false;   // an edge to what is no member
    EdgeTally &operator|=(const EdgeTally &other) {
      overflowed |= other.overflowed;
      leads_out |= other.leads_out;
      return *this;
    }
  };

  // scope.h
  template <Scope kScope>
  struct View;
  template <Scope kScope>
  static bool is_member(const loam_object *object);
  template <Scope kScope, typename Visit>
  void each_member_word_of(size_t slab, Visit &&visit);
  template <Scope kScope, typename Visit>
  void each_member_word(Visit &&visit);
  template <Scope kScope, typename Visit>
  void each_large_member(Visit &&visit);
  template <Scope kScope>
  static alloc::Large *large_member(const alloc::LargeRegistry *registry, loam_object *object);
  template <Scope kScope, bool kDown = false>
  static const Type *type_of_word(Type *const *types, const char *first, size_t size,
                                  uint8_t *refcounts);
  template <Scope kScope>
  static bool leads_out_of(const alloc::LargeRegistry *registry, loam_object *target);

  // recall.cc
  struct Recalled;
  template <typename IsOne>
  void keep_remembered(IsOne &&is_one);
  void recall_roots();
  void mark_from_memory();
  void start_anew();
  void count_all_but_recalled();

  // count.cc
  bool edges_lead_far() const;
  template <Scope kScope>
  static void count_edge(const View<kScope> &view, loam_object *target, EdgeTally &tally);
  template <Scope kScope>
  EdgeTally count_rest(loam_object *object);
  template <Scope kScope>
  static EdgeTally count_near(View<kScope> view, loam_object *const *targets, size_t count,
                              const char *upcoming);
  template <Scope kScope>
  static EdgeTally count_far(View<kScope> view, loam_object *const *targets, size_t count,
                             const char *upcoming);
  template <Scope kScope>
  static EdgeTally count_targets(const View<kScope> &view, loam_object *const *targets,
                                 size_t count, const char *upcoming);
  template <Scope kScope>
  static EdgeTally count_alike(const View<kScope> &view, const Type &type, const char *first,
                               size_t size);
  template <Scope kScope>
  EdgeTally count_word(View<kScope> view, size_t slab, size_t word, uint64_t bits);
  template <Scope kScope>
  EdgeTally count_object(loam_object *object);
  template <Scope kScope>
  void count_edges();

  // judge.cc
  template <Scope kScope>
  Judgement mark_from_roots(bool quiet);
  bool is_root(const loam_object *object, uint32_t inner, bool quiet, Judgement &tally);
  template <Scope kScope>
  uint64_t roots_of_word(const View<kScope> &view, size_t slab, size_t word, uint64_t bits,
                         bool quiet, Judgement &tally);
  template <Scope kScope>
  static bool mark_edge(const View<kScope> &view, loam_object *target);
  template <Scope kScope>
  static bool mark_large(const alloc::LargeRegistry *registry, loam_object *target);
  template <Scope kScope>
  void mark_rest(loam_object *object);
  template <Scope kScope>
  void mark_targets(const View<kScope> &shared, loam_object *const *targets, size_t count);
  template <Scope kScope>
  void mark_from(View<kScope> view, loam_object *member);
  template <Scope kScope>
  void follow_chain(const View<kScope> &shared);
  template <Scope kScope>
  void follow_stack(View<kScope> view);
  static void push(loam_object **stack, size_t *depth, loam_object *object);
  unsigned pop_batch(loam_object **out);
  void make_room(size_t count);
  void make_grey(loam_object *object);
  bool load_grey();
  template <Scope kScope>
  void settle(bool quiet, Judgement &tally);
  void clear_counts(size_t first_number, uint64_t bits);
  template <Scope kScope>
  void settle_word(bool quiet, size_t slab, size_t word, uint64_t changed, Judgement &tally);
  template <Scope kScope>
  void settle_large(bool quiet, alloc::Large *large, Judgement &tally);
  void report_over_reported(const loam_object *object, uint32_t inner);
  const Type &type_of(const loam_object *object) const { return types_.of(object); }

  alloc::Heap &heap_;
  const TypeTable &types_;
  bool unseen_ = false;
  bool edges_lead_far_ = false;  // of a whole heap that is being judged: a hint
  EdgeTally edge_tally_;
  size_t mark_depth_ = 0;
  alloc::Large *grey_large_ = nullptr;
  loam_object **mark_stack_ = nullptr;
  size_t remembered_count_ = 0;
  Root *remembered_roots_ = nullptr;    // of the last full collection; may be gone
  const Recalled *recalled_ = nullptr;  // while they are followed
  size_t uncounted_members_ = 0;        // marked before their edges were counted
};

}  // namespace loam::gc
