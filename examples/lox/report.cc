#include "report.h"

#include <cinttypes>
#include <cstdio>

namespace lox {

namespace {

struct Totals {
  size_t blocks;
  size_t bytes;
  size_t slabs;
  size_t empty_pools;
  size_t empty_slabs;
};

void print_type(const loam_type_stats *row, void *context) {
  auto *totals = static_cast<Totals *>(context);
  totals->blocks += row->objects;
  totals->bytes += row->bytes;
  std::printf("  %-24s %12zu %14zu\n", row->name, row->objects, row->bytes);
}

void print_pool(const loam_pool_stats *row, void *context) {
  auto *totals = static_cast<Totals *>(context);
  totals->blocks += row->blocks;
  totals->bytes += row->bytes;
  totals->slabs += row->slabs;
  if (row->blocks == 0) {  // one line for all of these, lest they hide the others
    ++totals->empty_pools;
    totals->empty_slabs += row->slabs;
    return;
  }
  char name[64];
  if (row->block_size == 0) {
    std::snprintf(name, sizeof name, "%s", row->kind);
  } else {
    std::snprintf(name, sizeof name, "%s %zu", row->name != nullptr ? row->name : row->kind,
                  row->block_size);
  }
  std::printf("  %-24s %12zu %14zu %8zu\n", name, row->blocks, row->bytes, row->slabs);
}

void print_types(loam_runtime *runtime) {
  Totals totals = {};
  std::printf("  %-24s %12s %14s\n", "type", "objects", "bytes");
  loam_stats_types(runtime, print_type, &totals);
  std::printf("  %-24s %12zu %14zu\n", "total", totals.blocks, totals.bytes);
}

void print_pools(loam_runtime *runtime) {
  Totals totals = {};
  std::printf("\n  %-24s %12s %14s %8s\n", "pool", "blocks", "bytes", "slabs");
  loam_stats_pools(runtime, print_pool, &totals);
  if (totals.empty_pools != 0) {
    char name[64];
    std::snprintf(name, sizeof name, "%zu more, empty", totals.empty_pools);
    std::printf("  %-24s %12d %14d %8zu\n", name, 0, 0, totals.empty_slabs);
  }
  std::printf("  %-24s %12zu %14zu %8zu\n", "total", totals.blocks, totals.bytes, totals.slabs);
}

void print_collections(const loam_stats &stats) {
  static constexpr const char *kNames[] = {"young", "full", "emergency"};
  static_assert(sizeof kNames / sizeof *kNames == LOAM_COLLECTION_KINDS);
  std::printf("\n  %-24s %12s %14s\n", "collections", "count", "collected");
  for (int kind = 0; kind < LOAM_COLLECTION_KINDS; ++kind) {
    const loam_collection_stats &row = stats.collections[kind];
    std::printf("  %-24s %12" PRIu64 " %14" PRIu64 "\n", kNames[kind], row.runs, row.collected);
  }
}

void print_pauses(const loam_stats &stats) {
  static constexpr const char *kNames[] = {"young",       "full",         "emergency",
                                           "full: start", "full: rescue", "full: mark",
                                           "full: split", "full: final",  "full: finalize",
                                           "full: sweep", "full: clear",  "deferred deaths"};
  static_assert(sizeof kNames / sizeof *kNames == LOAM_WORKS);
  std::printf("\n  %-24s %12s %9s %9s %9s\n", "pauses, ms", "count", "median", "p99", "longest");
  for (int work = 0; work < LOAM_WORKS; ++work) {
    const loam_pauses &row = stats.work[work];
    if (row.count == 0) continue;
    const auto ms = [&row](double fraction) {
      return static_cast<double>(loam_pauses_quantile(&row, fraction)) / 1e6;
    };
    std::printf("  %-24s %12" PRIu64 " %9.3f %9.3f %9.3f\n", kNames[work], row.count, ms(0.5),
                ms(0.99), ms(1));
  }
}

}  // namespace

void print_report(loam_runtime *runtime) {
  loam_stats stats = {};
  stats.struct_size = sizeof stats;
  if (loam_stats_get(runtime, &stats) != LOAM_OK) return;

  std::printf("\n-- Loam ----------------------------------------------------------------\n");
  print_types(runtime);
  print_pools(runtime);
  print_collections(stats);
  print_pauses(stats);
  std::printf("\n  objects freed by count: %" PRIu64 "\n", stats.freed_by_count);
  std::printf("  objects freed by the collector: %" PRIu64 "\n", stats.freed_by_collector);
  std::printf("  weak references alive: %zu\n", stats.weak_references);
  std::printf("peak heap: %zu bytes\n", stats.peak_bytes);
}

}  // namespace lox
