// record-lua PROGRAM TRACE NAME: runs a Lua program, and writes down what Lua asks its allocator
// for, from the state's creation until it is closed.
#include <lua.hpp>

#include "recorder.h"

namespace {

// lua_Alloc. Lua tells the old size with each free, so a replay may do so too.
void *record(void *context, void *block, size_t, size_t bytes) {
  auto *recorder = static_cast<replay::Recorder *>(context);
  if (bytes == 0) {
    if (block != nullptr) recorder->release(block);
    return nullptr;
  }
  return block == nullptr ? recorder->allocate(bytes) : recorder->reallocate(block, bytes);
}

bool run(lua_State *state, const char *program) {
  luaL_openlibs(state);
  if (luaL_dofile(state, program) == LUA_OK) return true;
  std::fprintf(stderr, "%s\n", luaL_tolstring(state, -1, nullptr));
  return false;
}

}  // namespace

int main(int argc, char **argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: record-lua PROGRAM TRACE NAME\n");
    return 2;
  }
  replay::Recorder recorder;
  if (!recorder.open(argv[2], argv[3], true)) return 1;
  lua_State *state = lua_newstate(record, &recorder);
  const bool ran = state != nullptr && run(state, argv[1]);
  if (state != nullptr) lua_close(state);
  if (!ran) recorder.abandon();
  return ran && recorder.finish() ? 0 : 1;
}
