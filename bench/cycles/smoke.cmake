# Every pattern runs at a tiny size and prints rows that bench_report can read; and the patterns
# that bench_report runs, PATTERNS, are those that the program has.

execute_process(COMMAND ${PROGRAM} --list OUTPUT_VARIABLE listed COMMAND_ERROR_IS_FATAL ANY)
list(JOIN PATTERNS "\n" expected)
if(NOT listed STREQUAL "${expected}\n")
  message(FATAL_ERROR "The program has the patterns\n${listed}and bench_report runs\n${expected}")
endif()

foreach(pattern IN LISTS PATTERNS)
  execute_process(COMMAND ${PROGRAM} --pattern=${pattern} --nodes=3000
                  OUTPUT_VARIABLE output COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCHALL "row\t[^\n]*" rows "${output}")
  if(NOT rows)
    message(FATAL_ERROR "${pattern} prints no row:\n${output}")
  endif()
  foreach(row IN LISTS rows)
    if(NOT row MATCHES "^row(\t[^\t]+)(\t[^\t]+)\tloam(\t[^\t]+)\t[0-9.e+-]*[1-9][0-9.e+-]*$")
      message(FATAL_ERROR "${pattern} prints a row that is none:\n${row}")
    endif()
  endforeach()
endforeach()

execute_process(COMMAND ${PROGRAM} --pattern=resident --quick OUTPUT_VARIABLE output
                COMMAND_ERROR_IS_FATAL ANY)
if(NOT output MATCHES "\tresident, 1M nodes\t")
  message(FATAL_ERROR "--quick is not a tenth of 10M nodes:\n${output}")
endif()

execute_process(COMMAND ${PROGRAM} --pattern=none RESULT_VARIABLE status ERROR_QUIET)
if(NOT status EQUAL 2)
  message(FATAL_ERROR "A pattern that does not exist: status ${status}, not 2")
endif()
