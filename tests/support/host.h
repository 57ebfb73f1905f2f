// A small host for tests: one runtime, the types of types.h, and what Loam reported.
//
//   Host host;                           all defaults; or Host host("debug=1,heap_limit=64M");
//   Pair *a = host.pair();               owned: one reference, the test's
//   host.set(a->left, a);                counted: incref new, store, decref old
//   host.drop(a);                        decref
//   CHECK(host.collect() == 1);
//   CHECK(host.verify());                loam_verify level 2
//
// At the end of its scope a Host collects, and checks that bytes_in_use is what it was after
// set-up, that the heap verifies and that nothing was reported; keeps() switches the first check
// off, expect_messages() the last. A fatal report aborts the test program, except inside
// fatal_message().
#ifndef LOAM_TESTS_SUPPORT_HOST_H
#define LOAM_TESTS_SUPPORT_HOST_H

#include <doctest/doctest.h>
#include <loam/loam.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <functional>
#include <string>
#include <vector>

#include "scale.h"
#include "types.h"

namespace loam::test {

// Where a fatal report goes in a child of fatal_message(); -1 elsewhere.
inline int fatal_pipe = -1;

// The fatal handler of every Host, and of runtimes that a test makes itself.
inline void on_fatal(void *, const char *message) {
  if (fatal_pipe >= 0) {
    ssize_t written = write(fatal_pipe, message, std::strlen(message));
    _exit(written < 0 ? 1 : 0);
  }
  std::fprintf(stderr, "fatal report from Loam: %s\n", message);
  std::abort();
}

// Runs `misuse` in a child and returns what its fatal handler was told: "" when none was called,
// and "signal N" or "exit N" when the child ended in another way. The parent's heap is not touched.
inline std::string fatal_message(const std::function<void()> &misuse) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  std::fflush(nullptr);
  pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    close(ends[0]);
    fatal_pipe = ends[1];
    for (int number : {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL}) std::signal(number, SIG_DFL);
    try {
      misuse();
    } catch (...) {  // a failed REQUIRE: it must not unwind into the child's copy of the caller
      _exit(2);
    }
    _exit(0);
  }
  close(ends[1]);
  std::string message;
  char buffer[512];
  for (ssize_t n; (n = read(ends[0], buffer, sizeof buffer)) > 0;) {
    message.append(buffer, static_cast<std::size_t>(n));
  }
  close(ends[0]);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  if (WIFSIGNALED(status)) return "signal " + std::to_string(WTERMSIG(status));
  if (WEXITSTATUS(status) != 0) return "exit " + std::to_string(WEXITSTATUS(status));
  return message;
}

inline bool contains(const std::string &text, const std::string &part) {
  return text.find(part) != std::string::npos;
}

// Options from their text form; the text must be valid.
inline loam_options options_from(const char *text) {
  loam_options options = {};
  REQUIRE(loam_options_parse(&options, text) == LOAM_OK);
  return options;
}

class Host {
 public:
  loam_runtime *runtime = nullptr;
  loam_thread *thread = nullptr;
  Types types = {};
  std::vector<std::string> messages;                  // what options.message was given
  std::size_t finalized = 0, disposed = 0;            // calls on finalized_pair objects
  std::function<void(Pair *)> on_finalize;            // runs in the finalizer of a finalized_pair
  std::function<void(Pair *)> on_dispose;             // runs in its dispose
  std::function<bool(std::size_t)> on_out_of_memory;  // the out_of_memory callback; unset: false
  std::function<void(const loam_event &)> on_event;

  Host() : Host(loam_options{}) {}
  explicit Host(const char *options) : Host(options_from(options)) {}
  explicit Host(loam_options options, bool traced_types = true) {
    install_hooks(&options);
    REQUIRE(loam_runtime_create(&options, &runtime) == LOAM_OK);
    thread = loam_runtime_main_thread(runtime);
    REQUIRE(register_types(runtime, {finalize_pair, dispose_pair}, &types, traced_types) ==
            LOAM_OK);
    baseline_ = stats().bytes_in_use;
  }
  ~Host() {
    // After a failed REQUIRE the heap is in the middle of a test: only its first failure matters.
    if (std::uncaught_exceptions() == 0 && !abandoned_) check_end();
    on_finalize = nullptr;
    on_dispose = nullptr;
    loam_runtime_destroy(runtime);
  }
  Host(const Host &) = delete;
  Host &operator=(const Host &) = delete;

  // Objects; never NULL: a test that expects failure calls loam_new itself.
  template <class T>
  T *make(const loam_type *type) {
    void *object = loam_new(thread, type);
    REQUIRE(object != nullptr);
    return static_cast<T *>(object);
  }
  Pair *pair() { return make<Pair>(types.pair); }
  Pair *finalized_pair() { return make<Pair>(types.finalized_pair); }
  Triple *triple() { return make<Triple>(types.triple); }
  Tagged *tagged() { return make<Tagged>(types.tagged); }
  List *list() { return make<List>(types.list); }
  Leaf *leaf() { return make<Leaf>(types.leaf); }
  Sized *sized(std::size_t count) {
    void *object = loam_new_sized(thread, types.sized, sized_bytes(count));
    REQUIRE(object != nullptr);
    static_cast<Sized *>(object)->count = count;
    return static_cast<Sized *>(object);
  }
  loam_type *register_type(const loam_type_spec &spec) {
    loam_type *type = nullptr;
    REQUIRE(loam_type_register(runtime, &spec, &type) == LOAM_OK);
    return type;
  }

  // A ring by `left` of n pairs, held by the reference that is returned.
  Pair *ring(std::size_t n) {
    Pair *first = pair(), *last = first;
    for (std::size_t i = 1; i < n; ++i) {
      Pair *next = pair();
      give(next->left, last);
      last = next;
    }
    give(first->left, last);
    hold(first);
    return first;
  }
  // One that nothing holds: garbage that only a collection finds.
  void leak_ring(std::size_t n) { drop(ring(n)); }

  // Fields; see types.h.
  template <class T>
  void set(loam_object *&field, T *value) {
    loam::test::set(thread, field, value);
  }
  void set(loam_object *&field, std::nullptr_t) {
    loam::test::set(thread, field, static_cast<loam_object *>(nullptr));
  }
  template <class T>
  void give(loam_object *&field, T *value) {
    loam::test::give(thread, field, value);
  }
  void set_word(std::uint64_t &field, std::uint64_t word) {
    loam::test::set_word(thread, field, word);
  }
  void push(List *list, std::uint64_t word) { REQUIRE(loam::test::push(thread, list, word)); }
  // An item that the list alone holds from now on.
  template <class T>
  void push_given(List *list, T *object) {
    push(list, box(object));
    drop(object);
  }
  template <class T>
  void hold(T *object) {
    loam_incref(thread, as_object(object));
  }
  template <class T>
  void drop(T *object) {
    loam_decref(thread, as_object(object));
  }

  std::size_t collect() { return loam_collect(thread); }

  loam_stats stats() const {
    loam_stats result = {};
    result.struct_size = sizeof result;
    REQUIRE(loam_stats_get(runtime, &result) == LOAM_OK);
    return result;
  }
  // Host bytes in use beyond those after set-up.
  std::size_t bytes() const { return stats().bytes_in_use - baseline_; }

  // Whether the heap is whole, edges and counts included; what is wrong is shown with the test's
  // failure.
  bool verify() {
    std::size_t before = messages.size();
    if (loam_verify(runtime, 2) == LOAM_OK) return true;
    for (std::size_t i = before; i < messages.size(); ++i) MESSAGE(messages[i]);
    return false;
  }

  // For tests that leave live objects, immortals or a damaged heap behind, or that expect reports.
  void keeps() { keeps_ = true; }
  void expect_messages() { expect_messages_ = true; }
  void abandon() { abandoned_ = true; }  // no check at the end at all

  // Sets the hooks that the test left empty, and the context; for runtimes that share this host's
  // record.
  void install_hooks(loam_options *options) {
    options->context = this;
    if (options->fatal == nullptr) options->fatal = on_fatal;
    if (options->message == nullptr) options->message = take_message;
    if (options->out_of_memory == nullptr) options->out_of_memory = out_of_memory;
    if (options->event == nullptr) options->event = take_event;
  }

 private:
  std::size_t baseline_ = 0;
  bool keeps_ = false, expect_messages_ = false, abandoned_ = false;

  static Host *of(loam_thread *thread) { return static_cast<Host *>(loam_thread_context(thread)); }

  static void take_message(void *context, const char *message) {
    static_cast<Host *>(context)->messages.emplace_back(message);
  }
  static bool out_of_memory(loam_thread *, std::size_t bytes, void *context) {
    Host *host = static_cast<Host *>(context);
    return host->on_out_of_memory && host->on_out_of_memory(bytes);
  }
  static void take_event(loam_thread *, const loam_event *event, void *context) {
    Host *host = static_cast<Host *>(context);
    if (host->on_event) host->on_event(*event);
  }
  static void finalize_pair(loam_thread *thread, loam_object *self) {
    Host *host = of(thread);
    ++host->finalized;
    if (host->on_finalize) host->on_finalize(reinterpret_cast<Pair *>(self));
  }
  static void dispose_pair(loam_thread *thread, loam_object *self) {
    Host *host = of(thread);
    ++host->disposed;
    if (host->on_dispose) host->on_dispose(reinterpret_cast<Pair *>(self));
  }

  void check_end() {
    loam_safepoint(thread);
    if (!keeps_) {
      // Twice: what finalizers of the first round let go of, or saved for a while, is only then
      // garbage.
      loam_collect(thread);
      loam_safepoint(thread);
      loam_collect(thread);
      CHECK(stats().bytes_in_use == baseline_);
    }
    CHECK(verify());
    if (!expect_messages_) {
      for (const std::string &message : messages) MESSAGE(message);
      CHECK(messages.empty());
    }
  }
};

}  // namespace loam::test

#endif  // LOAM_TESTS_SUPPORT_HOST_H
