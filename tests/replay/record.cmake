# Records tiny.EXTENSION with RECORD, and replays the trace with REPLAY and with COMPARE, which check
# the content of each block, and tell figures; and sees that a program that fails leaves no trace, and that a cut trace is refused.
if(NOT RECORD)
  message("skipped: record-${LANGUAGE} was not built: its library is missing")
  return()
endif()

set(work ${WORK_DIR}/record-${LANGUAGE})
set(trace ${work}/tiny.trace)
file(REMOVE_RECURSE ${work})
file(MAKE_DIRECTORY ${work})

# Runs a command that must end with `expected` and say `text`.
function(run expected text)
  execute_process(COMMAND ${ARGN} OUTPUT_VARIABLE output ERROR_VARIABLE output
                  RESULT_VARIABLE result)
  string(REPLACE ";" " " command "${ARGN}")
  string(FIND "${output}" "${text}" found)
  if(NOT result STREQUAL expected OR found EQUAL -1)
    message(FATAL_ERROR "${command}\nended with ${result}, not ${expected}:\n${output}\n"
            "It was to say: ${text}")
  endif()
endfunction()

set(programs ${CMAKE_CURRENT_LIST_DIR})
run(0 "" ${RECORD} ${programs}/tiny.${EXTENSION} ${trace} tiny)
run(0 "" ${REPLAY} --check ${trace})
run(0 "tiny: every block held its content" ${COMPARE} --check ${trace})
run(0 "x as fast as the fastest peer" ${COMPARE} --repetitions=2 ${trace})
run(0 "row\tReplays\ttiny\tglibc\tbytes at the peak\t" ${COMPARE} --rows --repetitions=1 ${trace})

run(1 "it fails on purpose" ${RECORD} ${programs}/failing.${EXTENSION} ${work}/failing.trace failing)
run(1 "absent" ${RECORD} ${programs}/absent.${EXTENSION} ${work}/failing.trace absent)
file(GLOB left ${work}/failing*)
if(left)
  message(FATAL_ERROR "a program that failed left ${left}")
endif()

file(SIZE ${trace} bytes)
math(EXPR half "${bytes} / 2")
execute_process(COMMAND head -c ${half} ${trace} OUTPUT_FILE ${work}/cut.trace)
run(1 "cut.trace: truncated" ${REPLAY} ${work}/cut.trace)
run(1 "cut.trace: truncated" ${REPLAY} --check ${work}/cut.trace)
run(1 "cut.trace: truncated" ${COMPARE} ${work}/cut.trace)
file(WRITE ${work}/other.trace "This is not a trace, though it is long enough to hold the header of one.")
run(1 "other.trace: not a trace" ${REPLAY} ${work}/other.trace)
