# Installs BUILD_DIR, moves the installation, and builds and runs hello.c from there as a C host
# would: through pkg-config, shared and static, and through the CMake package.
find_program(PKG_CONFIG pkg-config)
if(NOT PKG_CONFIG)
  message("skipped: pkg-config is missing. On Debian: apt-get install pkg-config")
  return()
endif()

set(work ${BUILD_DIR}/tests/install-work)
set(moved ${work}/moved)
set(hello ${SOURCE_DIR}/examples/hello.c)
file(REMOVE_RECURSE ${work})
file(MAKE_DIRECTORY ${work})
separate_arguments(link_flags UNIX_COMMAND "${LINK_FLAGS}")

function(run)
  execute_process(COMMAND ${ARGN} OUTPUT_VARIABLE output ERROR_VARIABLE output
                  RESULT_VARIABLE result OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(NOT result EQUAL 0)
    string(REPLACE ";" " " command "${ARGN}")
    message(FATAL_ERROR "${command}\nended with ${result}:\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

function(run_hello program)
  run(${CMAKE_COMMAND} -E env LD_LIBRARY_PATH=${libdir} ${CMAKE_COMMAND} -DHELLO=${program}
      -P ${SOURCE_DIR}/tests/capi/run_hello.cmake)
endfunction()

run(${CMAKE_COMMAND} --install ${BUILD_DIR} --config ${CONFIG} --prefix ${work}/first)
file(RENAME ${work}/first ${moved})

file(GLOB_RECURSE loam_pc ${moved}/*/loam.pc)
get_filename_component(pc_dir ${loam_pc} DIRECTORY)
get_filename_component(libdir ${pc_dir}/.. ABSOLUTE)
set(ENV{PKG_CONFIG_PATH} ${pc_dir})

# cc hello.c $(pkg-config --cflags --libs loam)
run(${PKG_CONFIG} --cflags --libs loam)
separate_arguments(flags UNIX_COMMAND "${output}")
run(${C_COMPILER} ${hello} -o ${work}/hello_pc ${flags} ${link_flags})
run_hello(${work}/hello_pc)

# The archive: no libloam.so is in reach of the linker, so that -lloam can only mean libloam.a.
file(MAKE_DIRECTORY ${work}/archive)
file(COPY ${libdir}/libloam.a DESTINATION ${work}/archive)
run(${PKG_CONFIG} --static --cflags --libs loam)
separate_arguments(flags UNIX_COMMAND "${output}")
list(FILTER flags EXCLUDE REGEX "^-L.*/install-work/")
run(${C_COMPILER} ${hello} -o ${work}/hello_pc_static -L${work}/archive ${flags} ${link_flags})
run_hello(${work}/hello_pc_static)

file(WRITE ${work}/host/CMakeLists.txt "cmake_minimum_required(VERSION 3.25)
project(Host LANGUAGES C)
find_package(loam 0.1 REQUIRED)
foreach(form loam static)
  add_executable(hello_\${form} ${hello})
  target_link_libraries(hello_\${form} PRIVATE loam::\${form})
endforeach()
")
run(${CMAKE_COMMAND} -S ${work}/host -B ${work}/host/build -DCMAKE_PREFIX_PATH=${moved}
    -DCMAKE_C_COMPILER=${C_COMPILER} -DCMAKE_BUILD_TYPE=${CONFIG}
    "-DCMAKE_EXE_LINKER_FLAGS=${LINK_FLAGS}")
run(${CMAKE_COMMAND} --build ${work}/host/build --config ${CONFIG})
run_hello(${work}/host/build/hello_loam)
run_hello(${work}/host/build/hello_static)
