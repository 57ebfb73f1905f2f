// Which pages back new slabs, decided from durations that these tests make up; and a heap that is
// large enough to have huge ones.
#include "allocator/paging.h"

#include <doctest/doctest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <vector>

#include "allocator/os_memory.h"
#include "support/host.h"
#include "support/resident.h"

namespace loam::test {
namespace {

using alloc::Paging;

constexpr uint64_t kWarmSlab = 30000, kColdSlab = 300000, kWarmHuge = 200000, kColdHuge = 9000000;

void note_slabs(Paging &paging, size_t count, uint64_t ns) {
  for (size_t i = 0; i < count; ++i) paging.note_slab(ns);
}

// Slabs of warm small pages until a huge one is wanted.
size_t slabs_until_huge(Paging &paging) {
  size_t slabs = 0;
  for (; !paging.wants_huge(); ++slabs) paging.note_slab(kWarmSlab);
  return slabs;
}

bool is_resident(const void *block) {
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  unsigned char resident = 0;
  void *start = reinterpret_cast<void *>(reinterpret_cast<uintptr_t>(block) / page * page);
  REQUIRE(mincore(start, page, &resident) == 0);
  return (resident & 1) != 0;
}

bool os_can_populate() {
  const size_t bytes = alloc::os_page_bytes();
  void *page = alloc::os_reserve(bytes);
  REQUIRE(alloc::os_commit(page, bytes));
  const bool can = alloc::os_populate(page, bytes);
  alloc::os_release(page, bytes);
  return can;
}

}  // namespace

TEST_CASE("huge pages are wanted after a row of warm slabs, not before") {
  Paging paging;
  CHECK(!paging.wants_huge());
  note_slabs(paging, Paging::kLeastPatience - 1, kWarmSlab);
  CHECK(!paging.wants_huge());
  paging.note_slab(kWarmSlab);
  CHECK(paging.wants_huge());
}

TEST_CASE("a guest whose memory is cold from the start is asked for no huge page") {
  Paging paging;
  note_slabs(paging, 100000, kColdSlab);
  CHECK(!paging.wants_huge());
}

TEST_CASE("slabs that are cold beside the fastest count as cold, however fast the machine is") {
  Paging paging;
  note_slabs(paging, Paging::kLeastPatience, 4000);
  CHECK(paging.wants_huge());
  note_slabs(paging, 1000, 4000 * (Paging::kColdFactor + 1));
  CHECK(!paging.wants_huge());
}

TEST_CASE(
    "now and then a slab that took long, as when the thread was preempted, keeps no heap "
    "from huge pages") {
  Paging paging;
  for (int i = 0; i < 10; ++i) {
    note_slabs(paging, 2 * Paging::kColdCost, kWarmSlab);
    paging.note_slab(kColdSlab);
  }
  CHECK(slabs_until_huge(paging) <= Paging::kColdCost);
}

TEST_CASE("while huge pages are warm they are wanted") {
  Paging paging;
  slabs_until_huge(paging);
  for (int i = 0; i < 1000; ++i) {
    REQUIRE(paging.wants_huge());
    paging.note_huge(kWarmHuge);
  }
}

TEST_CASE("each slow huge page makes the way to the next one longer, a warm one shorter again") {
  Paging paging;
  CHECK(slabs_until_huge(paging) == Paging::kLeastPatience);
  size_t expected = Paging::kLeastPatience;
  for (int i = 0; i < 3; ++i) {
    paging.note_huge(kColdHuge);
    expected *= Paging::kRaise;
    CHECK(slabs_until_huge(paging) == expected);
  }
  paging.note_huge(kWarmHuge);
  CHECK(paging.wants_huge());
  paging.note_huge(kColdHuge);
  CHECK(slabs_until_huge(paging) == expected);
}

TEST_CASE("what was given back to the OS is taken again as huge pages, until one is slow") {
  Paging paging;
  constexpr size_t kHugeSlabs = alloc::kSlabsPerHuge;
  paging.note_returned(3 * kHugeSlabs + 2);
  for (int i = 0; i < 3; ++i) {
    REQUIRE(paging.wants_huge());
    paging.note_huge(kWarmHuge);
    note_slabs(paging, 1, kColdSlab);  // ends what is left of the patience
  }
  CHECK(!paging.wants_huge());
  paging.note_returned(1000 * kHugeSlabs);
  CHECK(paging.wants_huge());
  paging.note_huge(kColdHuge);
  CHECK(!paging.wants_huge());
  CHECK(slabs_until_huge(paging) > Paging::kLeastPatience);
}

TEST_CASE("what was given back and taken again as small pages lets nothing be huge") {
  Paging paging;
  paging.note_returned(alloc::kSlabsPerHuge + 99);
  note_slabs(paging, 99, kColdSlab);
  CHECK(paging.wants_huge());
  note_slabs(paging, 1, kColdSlab);
  CHECK(!paging.wants_huge());
}

TEST_CASE("a heap that grows by 64 GiB where small pages are warm and huge ones cold meets few") {
  Paging paging;
  size_t slow = 0;
  for (size_t slabs = 0; slabs < size_t{1} << 20;) {
    slabs += slabs_until_huge(paging);
    paging.note_huge(kColdHuge);
    ++slow;
    REQUIRE(slow < 100);
  }
  CHECK(slow <= 70);  // 6 in the first GiB, one in each further one
}

TEST_CASE("an OS without huge pages is asked again only after a long time") {
  Paging paging;
  slabs_until_huge(paging);
  paging.note_refused();
  CHECK(!paging.wants_huge());
  CHECK(slabs_until_huge(paging) == Paging::kMostPatience);
}

TEST_CASE("blocks are resident when they are handed out, but for the first of a pool") {
  if (!os_can_populate()) return;
  for (size_t size : {size_t{16}, size_t{48}, size_t{64}, size_t{200}, size_t{256}}) {
    CAPTURE(size);
    Host host;
    std::vector<void *> blocks(3 * (size_t{64} << 10) / size);
    for (void *&block : blocks) block = loam_malloc(host.thread, size);  // nobody writes to them
    // A list holds 255 at most, and the last of the first page's blocks may follow them.
    for (size_t i = 255 + alloc::os_page_bytes() / size; i < blocks.size(); ++i) {
      REQUIRE(is_resident(blocks[i]));
    }
    for (void *block : blocks) loam_free(host.thread, block);
  }
}

TEST_CASE("a heap of many MiB is resident where it is used, and what trim gives back is gone") {
  Host host;
  const std::size_t count = scaled(700000), size = 256;  // 171 MiB
  const auto bytes = static_cast<std::ptrdiff_t>(count * size);
  constexpr std::ptrdiff_t kElse = std::ptrdiff_t{4} << 20;  // tables, and what libc keeps
  std::vector<void *> blocks(count);
  // Once measured and once verified: the verifier reads every table, and some systems have no page
  // of zeros to show for that.
  bool measures = false;
  SUBCASE("measured") { measures = true; }
  SUBCASE("verified") {}
  const std::ptrdiff_t before = resident_bytes();
  const auto check = [&](std::ptrdiff_t most_bytes) {
    if (measures) {
      CHECK(resident_bytes() - before <= most_bytes);
    } else {
      CHECK(host.verify());
    }
  };
  for (void *&block : blocks) {
    block = loam_malloc(host.thread, size);
    REQUIRE(block != nullptr);
    std::memset(block, 0x5A, size);
  }
  check(bytes / 10 * 11 + kElse);
  // Three of four slabs go: holes in every huge page.
  constexpr std::size_t kBlocksPerSlab = (std::size_t{1} << LOAM_SLAB_SHIFT) / 256;
  for (std::size_t i = 0; i < count; ++i) {
    if (i / kBlocksPerSlab % 4 == 0) continue;
    loam_free(host.thread, blocks[i]);
    blocks[i] = nullptr;
  }
  check(bytes / 10 * 11 + kElse);
  loam_trim(host.thread);
  check(bytes / 4 + bytes / 16 + kElse);
  for (void *&block : blocks) {
    if (block != nullptr) continue;
    block = loam_malloc(host.thread, size);
    std::memset(block, 0x5A, size);
  }
  check(bytes / 10 * 11 + kElse);
  for (void *block : blocks) loam_free(host.thread, block);
  loam_trim(host.thread);
  check(kElse);
}

}  // namespace loam::test
