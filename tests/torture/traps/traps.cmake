# Mistakes that a collector of this kind invites, planted one at a time: loam_tests with one source
# of the library changed must fail. What is planted, and in which invariant it breaks, is below.
#
#   trap(name SOURCE file OLD text NEW text CAUGHT_BY tests)
#
# add_changed_tests plants it. CAUGHT_BY names test cases of loam_tests: with the trap at least one
# of them fails.

function(trap name)
  cmake_parse_arguments(PARSE_ARGV 1 TRAP "" "SOURCE;OLD;NEW;CAUGHT_BY" "")
  add_changed_tests(trap_${name} SOURCE ${TRAP_SOURCE} OLD "${TRAP_OLD}" NEW "${TRAP_NEW}")
  add_test(NAME torture.trap.${name} COMMAND ${CMAKE_COMMAND} -DPROGRAM=$<TARGET_FILE:trap_${name}>
           "-DTESTS=${TRAP_CAUGHT_BY}" -P ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/caught.cmake)
endfunction()

# A block handed out to a thread is not marked: what is born during a cycle is a suspect.
trap(born_unmarked SOURCE allocator/blocks.cc
     OLD "if (born_marked) range_.words(kCycleMark, index)[word] |= wanted;"
     NEW ""
     CAUGHT_BY "blocks whose objects die between slices*")

# New blocks are marked though the cycle has ended: the mark hides one, and what it holds, from the
# next.
trap(marked_too_long SOURCE gc/incremental.cc
     OLD "  heap_.born_marked = false;
  while (heap_.unlist_slab(heap_.suspects"
     NEW "  while (heap_.unlist_slab(heap_.suspects"
     CAUGHT_BY "a tree whose subtrees*")

# And too short: from SPLIT on.
trap(marked_too_short SOURCE gc/incremental.cc
     OLD "    phase_ = Phase::kSplit;"
     NEW "    phase_ = Phase::kSplit; heap_.born_marked = false;"
     CAUGHT_BY "what is born late*")

# A young collection clears whole words of counts, those of RESCUE's suspects among them.
trap(shared_words SOURCE gc/judge.cc
     OLD "  if (LOAM_RARELY(shares_counts)) {"
     NEW "  if (false) {"
     CAUGHT_BY "a young collection between slices*")

# What is young at START, on the threads' lists too, is not marked.
trap(young_unmarked SOURCE gc/incremental.cc
     OLD "range.words(alloc::kCycleMark, slab)[word] |= range.words(alloc::kYoung, slab)[word];"
     NEW ""
     CAUGHT_BY "blocks whose objects die between slices*")

# What two RESCUEs left is condemned without a fresh count: "looked at twice, unchanged".
trap(stale_counts SOURCE gc/split.cc
     OLD "closed = closed && batch.deficit == 0 && is_closed(view, batch.count);"
     NEW "closed = true;"
     CAUGHT_BY "a deque that turns*,two objects that pass*")

# The sum over a batch is believed: a trace that reports too much hides another's lack.
trap(sums_alone SOURCE gc/split.cc
     OLD "closed = closed && batch.deficit == 0 && is_closed(view, batch.count);"
     NEW "closed = closed && batch.deficit == 0;"
     CAUGHT_BY "an over-report does not outweigh*")

# Judging what is left, FINAL counts no edges: whatever holds a reference is kept.
trap(uncounted SOURCE gc/judge.cc
     OLD "  count_edges<kScope>();"
     NEW "  if (kScope != Scope::kSuspects) count_edges<kScope>();"
     CAUGHT_BY "a closed set larger than a batch*")

# A collection marks from the roots of the last one, and does not look whether they are some still.
trap(roots_unproven SOURCE gc/recall.cc
     OLD "return root.object->refcount > view.inner_edges(view.number_of(root.object));"
     NEW "return true;"
     CAUGHT_BY "of two remembered roots*")

# Nor counts the edges that lead back to them.
trap(roots_uncounted SOURCE gc/recall.cc
     OLD "  if (Tables(gc.heap_.range()).count(number)) gc.edge_tally_.overflowed = true;"
     NEW "  (void)number;"
     CAUGHT_BY "of two remembered roots*")
