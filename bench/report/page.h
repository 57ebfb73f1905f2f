// The results for people: tables of ratios for the terminal, and a page that needs nothing else.
#ifndef LOAM_BENCH_REPORT_PAGE_H
#define LOAM_BENCH_REPORT_PAGE_H

#include <string>
#include <vector>

#include "figures.h"

namespace report {

// The one of bench/cycles that hosts can place themselves beside.
inline constexpr char kKnownPeer[] = "CPython 3.11";

// Where, when and how the figures were taken.
struct Setting {
  std::string machine, date, how;
};

std::string ratio_table(const std::vector<Group> &groups);
// Loam beside this peer, in what both took part in; nothing where that is nothing.
std::string versus_table(const std::vector<Group> &groups, const std::string &peer);
std::string html_page(const std::vector<Group> &groups, const Setting &setting);

}  // namespace report

#endif
