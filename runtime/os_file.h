// Files to write: the only place that talks to the OS about them. Never allocates. Thread safety:
// the OS's.
#pragma once

#include <cstddef>

namespace loam::rt {

// An empty file in place of what `path` was; -1, and errno says why.
int os_file_create(const char *path);
// Writes all; false, and errno says why.
bool os_file_write(int file, const char *bytes, size_t count);
void os_file_close(int file);

int os_process();  // changes in a child of fork

}  // namespace loam::rt
