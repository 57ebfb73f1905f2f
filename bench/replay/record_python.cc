// record-python PROGRAM TRACE NAME: runs a Python program, and writes down what CPython asks of the
// allocator that it lets an embedder replace for objects and their buffers: the domains "mem" and
// "obj". The third, "raw", is the C library's malloc by contract, and used without the interpreter
// being locked; it is left alone.
#include <Python.h>

#include <cstring>

#include "recorder.h"

namespace {

// The allocator must answer a request for nothing with a block of its own.
size_t at_least_one(size_t bytes) { return bytes == 0 ? 1 : bytes; }

void *allocate(void *context, size_t bytes) {
  return static_cast<replay::Recorder *>(context)->allocate(at_least_one(bytes));
}

// A trace has no zeroing allocation: what the program does with its memory is not in it.
void *allocate_zeroed(void *context, size_t count, size_t bytes) {
  if (bytes != 0 && count > replay::kMostBytes / bytes) return nullptr;
  void *block = allocate(context, count * bytes);
  if (block != nullptr) std::memset(block, 0, count * bytes);
  return block;
}

void *reallocate(void *context, void *block, size_t bytes) {
  if (block == nullptr) return allocate(context, bytes);
  return static_cast<replay::Recorder *>(context)->reallocate(block, at_least_one(bytes));
}

void release(void *context, void *block) {
  if (block != nullptr) static_cast<replay::Recorder *>(context)->release(block);
}

bool fine(PyStatus status) {
  if (!PyStatus_Exception(status)) return true;
  std::fprintf(stderr, "%s\n", status.err_msg == nullptr ? "Python failed" : status.err_msg);
  return false;
}

// Nothing from outside has a say: no environment, no user's site packages, no random hashes.
bool start() {
  PyConfig config;
  PyConfig_InitIsolatedConfig(&config);
  config.use_hash_seed = 1;
  config.hash_seed = 0;
  config.write_bytecode = 0;
  config.site_import = 0;
  const bool started = fine(Py_InitializeFromConfig(&config));
  PyConfig_Clear(&config);
  return started;
}

bool run(const char *program) {
  std::FILE *file = std::fopen(program, "r");
  if (file == nullptr) {
    std::perror(program);
    return false;
  }
  return PyRun_SimpleFileEx(file, program, 1) == 0;
}

}  // namespace

int main(int argc, char **argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: record-python PROGRAM TRACE NAME\n");
    return 2;
  }
  static replay::Recorder recorder;  // CPython keeps a few blocks for as long as the process runs
  if (!recorder.open(argv[2], argv[3], false)) return 1;
  PyPreConfig config;
  PyPreConfig_InitIsolatedConfig(&config);
  if (!fine(Py_PreInitialize(&config))) return 1;
  PyMemAllocatorEx shim{&recorder, allocate, allocate_zeroed, reallocate, release};
  PyMem_SetAllocator(PYMEM_DOMAIN_MEM, &shim);
  PyMem_SetAllocator(PYMEM_DOMAIN_OBJ, &shim);
  const bool started = start();
  const bool ran = started && run(argv[1]);
  const bool ended = started && Py_FinalizeEx() == 0;
  if (!ran || !ended) recorder.abandon();
  return ran && ended && recorder.finish() ? 0 : 1;
}
