# loam_tests with one source of the library changed. The changed source comes before the library in
# the link, so that it is taken in place of the library's own.
#
#   add_changed_tests(program SOURCE file OLD text NEW text)   OLD stands in the file exactly once

function(add_changed_tests program)
  cmake_parse_arguments(PARSE_ARGV 1 CHANGED "" "SOURCE;OLD;NEW" "")
  set(original ${PROJECT_SOURCE_DIR}/${CHANGED_SOURCE})
  set(changed ${CMAKE_CURRENT_BINARY_DIR}/changed/${program}.cc)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${original})
  file(READ ${original} text)
  string(FIND "${text}" "${CHANGED_OLD}" first)
  string(FIND "${text}" "${CHANGED_OLD}" last REVERSE)
  if(first EQUAL -1 OR NOT first EQUAL last)
    message(FATAL_ERROR
            "${program}: ${CHANGED_SOURCE} must hold this text exactly once:\n${CHANGED_OLD}")
  endif()
  string(REPLACE "${CHANGED_OLD}" "${CHANGED_NEW}" text "${text}")
  file(CONFIGURE OUTPUT ${changed} CONTENT "${text}" @ONLY)

  add_executable(${program} ${changed} $<TARGET_OBJECTS:loam_tests>)
  set_target_properties(${program} PROPERTIES
                        RUNTIME_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/changed)
  target_include_directories(${program} PRIVATE ${PROJECT_SOURCE_DIR})
  target_compile_options(${program} PRIVATE -fno-exceptions -fno-rtti -w)
  target_compile_definitions(${program} PRIVATE LOAM_DEBUG_ASSERTS=$<BOOL:${LOAM_DEBUG_ASSERTS}>)
  target_link_libraries(${program} PRIVATE loam::static doctest::doctest)
endfunction()
