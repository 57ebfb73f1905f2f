#include "process.h"

#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace report {

namespace {

// The last of the processors that we may use: the first ones serve most interrupts.
void pin_to_one_processor() {
  cpu_set_t allowed, one;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  for (int cpu = CPU_SETSIZE - 1; cpu >= 0; --cpu) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    sched_setaffinity(0, sizeof one, &one);
    return;
  }
}

[[noreturn]] void become(const std::vector<std::string> &arguments, int output) {
  std::vector<char *> words;
  for (const std::string &argument : arguments)
    words.push_back(const_cast<char *>(argument.c_str()));
  words.push_back(nullptr);
  pin_to_one_processor();
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
  execv(words[0], words.data());
  std::perror(words[0]);
  _exit(127);
}

}  // namespace

Output run_program(const std::vector<std::string> &arguments) {
  int ends[2];
  if (pipe(ends) != 0) {
    std::perror("pipe");
    std::exit(1);
  }
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child < 0) {
    std::perror("fork");
    std::exit(1);
  }
  if (child == 0) {
    close(ends[0]);
    become(arguments, ends[1]);
  }
  close(ends[1]);
  Output output{"", 0};
  char buffer[4096];
  for (ssize_t got; (got = read(ends[0], buffer, sizeof buffer)) > 0;) {
    output.text.append(buffer, static_cast<size_t>(got));
  }
  close(ends[0]);
  waitpid(child, &output.status, 0);
  return output;
}

}  // namespace report
