// Objects as CPython manages them: a type written in C with cyclic garbage collection, driven
// through CPython's own API. 16 bytes of header, and 16 more in front of it for the collector.
// What the peer provides is listed in peers/loam/objects.h.
#ifndef LOAM_BENCH_CYCLES_PEER_OBJECTS_H
#define LOAM_BENCH_CYCLES_PEER_OBJECTS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <cstddef>
#include <cstdlib>

#include "require.h"

namespace peer {

inline constexpr char kName[] = "CPython 3.11";
inline constexpr char kBytesInUse[] = "sys.getallocatedblocks() x 64";
inline constexpr bool kCounts = true;
inline constexpr bool kBounds = false;

struct Node {
  PyObject base;
  Node *left, *right, *parent;
};
// With the collector's 16 bytes in front, in steps of 16.
inline constexpr size_t kBlockBytes = 64;
static_assert(sizeof(Node) + 16 <= kBlockBytes && sizeof(Node) + 16 > kBlockBytes - 16,
              "the size class of a node");

inline int traverse_node(PyObject *self, visitproc visit, void *arg) {
  auto *node = reinterpret_cast<Node *>(self);
  Py_VISIT(node->left);
  Py_VISIT(node->right);
  Py_VISIT(node->parent);
  return 0;
}

inline int clear_node(PyObject *self) {
  auto *node = reinterpret_cast<Node *>(self);
  Py_CLEAR(node->left);
  Py_CLEAR(node->right);
  Py_CLEAR(node->parent);
  return 0;
}

inline void dealloc_node(PyObject *self) {
  PyObject_GC_UnTrack(self);
  Py_TRASHCAN_BEGIN(self, dealloc_node) clear_node(self);
  PyObject_GC_Del(self);
  Py_TRASHCAN_END
}

// A static type: instances of a heap type would count references to it as well.
inline PyTypeObject node_type{};

class Heap {
 public:
  static Heap open(size_t) {
    PyConfig config;
    PyConfig_InitIsolatedConfig(&config);
    config.site_import = 0;
    bench::require(!PyStatus_Exception(Py_InitializeFromConfig(&config)), "Py_Initialize");
    PyConfig_Clear(&config);
    node_type.tp_name = "cycles.Node";
    node_type.tp_basicsize = sizeof(Node);
    node_type.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC;
    node_type.tp_traverse = traverse_node;
    node_type.tp_clear = clear_node;
    node_type.tp_dealloc = dealloc_node;
    bench::require(PyType_Ready(&node_type) == 0, "PyType_Ready");
    PyGC_Disable();
    return Heap();
  }

  Node *make() const {
    Node *node = PyObject_GC_New(Node, &node_type);
    bench::require(node != nullptr, "PyObject_GC_New");
    node->left = node->right = node->parent = nullptr;
    PyObject_GC_Track(node);
    return node;
  }
  Node *hold(Node *node) const {
    Py_INCREF(node);
    return node;
  }
  void drop(Node *node) const { Py_DECREF(node); }

  // PyGC_Collect does nothing while collection is switched off.
  void safepoint() const {}
  void collect() const {
    const bool automatic = PyGC_Enable() != 0;
    PyGC_Collect();
    if (!automatic) PyGC_Disable();
  }
  void collect_young() const {
    PyObject *gc = PyImport_ImportModule("gc");
    PyObject *found = gc != nullptr ? PyObject_CallMethod(gc, "collect", "i", 0) : nullptr;
    bench::require(found != nullptr, "gc.collect(0)");
    Py_DECREF(found);
    Py_DECREF(gc);
  }
  void start_automatic() const { PyGC_Enable(); }
  void stop_automatic() const { PyGC_Disable(); }

  size_t bytes_in_use() const {
    PyObject *blocks = PyObject_CallNoArgs(PySys_GetObject("getallocatedblocks"));
    bench::require(blocks != nullptr, "sys.getallocatedblocks");
    const size_t count = PyLong_AsSize_t(blocks);
    Py_DECREF(blocks);
    return count * kBlockBytes;
  }

  Node **new_handles(size_t count) const {
    auto **handles = static_cast<Node **>(std::calloc(count, sizeof(Node *)));
    bench::require(handles != nullptr, "calloc");
    return handles;
  }
  void free_handles(Node **handles) const { std::free(handles); }

 private:
  Heap() = default;
};

}  // namespace peer

#endif
