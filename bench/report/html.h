// The words that every part of the page is made of.
#ifndef LOAM_BENCH_REPORT_HTML_H
#define LOAM_BENCH_REPORT_HTML_H

#include <string>
#include <vector>

#include "figures.h"

namespace report {

std::string escaped(const std::string &text);

std::string element(const std::string &tag, const std::string &attributes,
                    const std::string &content);

std::string label_of(const std::string &peer);  // as people read it, escaped

// "1.90–2.11 in 4 runs", in the unit of the samples over `divisor`.
std::string range_of(const Samples &samples, double divisor);

// Folded away: the commands behind some samples, each once.
std::string commands_html(const std::vector<const Samples *> &samples);

}  // namespace report

#endif
