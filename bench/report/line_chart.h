// A chart of lines as HTML: an inline drawing that scales, its figures as a table, and the commands
// behind them.
#ifndef LOAM_BENCH_REPORT_LINE_CHART_H
#define LOAM_BENCH_REPORT_LINE_CHART_H

#include <set>
#include <string>

#include "figures.h"

namespace report {

// `peers`: all that have lines on the page, so that each has the same colour in every chart.
std::string line_chart_html(const std::string &group, const Chart &chart,
                            const std::set<std::string> &peers);

}  // namespace report

#endif
