#include "runtime/os_file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

namespace loam::rt {

int os_file_create(const char *path) {
  return open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
}

bool os_file_write(int file, const char *bytes, size_t count) {
  while (count != 0) {
    const ssize_t written = write(file, bytes, count);
    if (written < 0) {
      if (errno == EINTR) continue;
      return false;
    }
    bytes += written;
    count -= static_cast<size_t>(written);
  }
  return true;
}

void os_file_close(int file) { close(file); }

int os_process() { return getpid(); }

}  // namespace loam::rt
