# Runs loam_tests with a trap planted. TESTS must fail, in whatever way; a damaged heap may make
# them run for ever, hence the limit of processor time. That the program is sound otherwise shows in
# tests that the trap does not touch.
function(run result)
  execute_process(
    COMMAND sh -c "ulimit -c 0; ulimit -t 200; exec \"$@\"" sh ${PROGRAM} --abort-after=1 ${ARGN}
    RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  message("${output}")
  set(${result} ${status} PARENT_SCOPE)
endfunction()

run(status --source-file=*/tests/gc/counts_test.cc)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "${PROGRAM} is broken altogether: ${status}")
endif()
run(status "--test-case=${TESTS}")
if(status EQUAL 0)
  message(FATAL_ERROR "The tests do not notice this trap.")
endif()
