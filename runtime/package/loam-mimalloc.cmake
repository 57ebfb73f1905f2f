# Sets LOAM_MIMALLOC to the target of mimalloc 2: its package's `mimalloc` or `mimalloc-static`, or,
# where no package describes it, `mimalloc` made from the library and header that are found.
# Used by Loam's own build, and by loamConfig.cmake for hosts that link loam::static.
set(LOAM_MIMALLOC "")
if(NOT TARGET mimalloc AND NOT TARGET mimalloc-static)
  find_package(mimalloc 2 QUIET)
endif()
if(NOT TARGET mimalloc AND NOT TARGET mimalloc-static)
  find_library(LOAM_MIMALLOC_LIBRARY NAMES mimalloc mimalloc-2)
  find_path(LOAM_MIMALLOC_INCLUDE_DIR mimalloc.h PATH_SUFFIXES mimalloc-2)
  mark_as_advanced(LOAM_MIMALLOC_LIBRARY LOAM_MIMALLOC_INCLUDE_DIR)
  if(LOAM_MIMALLOC_LIBRARY AND LOAM_MIMALLOC_INCLUDE_DIR)
    add_library(mimalloc UNKNOWN IMPORTED)
    set_target_properties(mimalloc PROPERTIES
      IMPORTED_LOCATION ${LOAM_MIMALLOC_LIBRARY}
      INTERFACE_INCLUDE_DIRECTORIES ${LOAM_MIMALLOC_INCLUDE_DIR})
  endif()
endif()
foreach(target mimalloc mimalloc-static)
  if(NOT LOAM_MIMALLOC AND TARGET ${target})
    set(LOAM_MIMALLOC ${target})
  endif()
endforeach()

# The flags that link mimalloc without CMake: -L only where the linker does not look by itself.
function(loam_mimalloc_link_flags out_flags)
  get_target_property(location ${LOAM_MIMALLOC} LOCATION)
  get_filename_component(directory ${location} DIRECTORY)
  get_filename_component(name ${location} NAME)
  string(REGEX REPLACE "^lib(.*)\\.(so|a|dylib).*$" "\\1" name ${name})
  set(flags "-l${name}")
  if(NOT directory IN_LIST CMAKE_C_IMPLICIT_LINK_DIRECTORIES)
    set(flags "-L${directory} ${flags}")
  endif()
  set(${out_flags} ${flags} PARENT_SCOPE)
endfunction()
