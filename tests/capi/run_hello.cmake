# Runs HELLO, which must succeed and print exactly hello.expected.
execute_process(COMMAND ${HELLO} OUTPUT_VARIABLE printed RESULT_VARIABLE result)
file(READ ${CMAKE_CURRENT_LIST_DIR}/hello.expected expected)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "${HELLO} ended with ${result}")
endif()
if(NOT printed STREQUAL expected)
  message(FATAL_ERROR "${HELLO} printed\n${printed}instead of\n${expected}")
endif()
