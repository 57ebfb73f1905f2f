#include "page.h"

#include <algorithm>
#include <cstdlib>

namespace report {

namespace {

// Code points, not bytes.
int columns(const std::string &text) {
  int columns = 0;
  for (char c : text) columns += (static_cast<unsigned char>(c) & 0xC0u) != 0x80u;
  return columns;
}

// To `width` columns. Negative: to the right.
std::string padded(const std::string &text, int width) {
  const int missing = std::max(0, std::abs(width) - columns(text));
  const std::string spaces(static_cast<size_t>(missing), ' ');
  return width < 0 ? spaces + text : text + spaces;
}

std::string ratio_text(double ratio) { return ratio > 0 ? number(ratio) : ""; }

// "0.70–0.75", of the rounds; nothing after a single one.
std::string range_text(const Samples *mine, const Samples *other) {
  const Range range = ratios_of(mine, other);
  return range.most > range.least ? number(range.least) + "–" + number(range.most) : "";
}

std::string trimmed(const std::string &line) {
  return line.substr(0, line.find_last_not_of(' ') + 1) + '\n';
}

std::string value_text(const Samples *samples, const Scale &scale) {
  return samples == nullptr ? "" : number(samples->median() / scale.divisor);
}

// What the lines of a group have room for.
struct Widths {
  int pattern = 0, unit = 0;

  explicit Widths(const Group &group) {
    for (const Figure &figure : group.figures) {
      pattern = std::max(pattern, columns(figure.pattern));
      unit = std::max(unit, columns(scale_of(figure).unit));
    }
    pattern = std::max(pattern, columns(group.name) - unit);
  }
};

std::string line_of(const Figure &figure, const Widths &widths) {
  const Scale scale = scale_of(figure);
  const Samples *loam = figure.of("loam"), *calls = figure.of("loam-calls");
  const Samples *best = figure.best_other();
  std::string line =
      "  " + padded(figure.pattern, widths.pattern) + "  " + padded(scale.unit, widths.unit);
  line += padded(value_text(loam, scale), -9) + padded(value_text(calls, scale), -9);
  line +=
      padded(value_text(best, scale), -10) + ' ' + padded(best == nullptr ? "" : best->peer, 13);
  line += padded(ratio_text(figure.ratio("loam")), -7) + padded(range_text(loam, best), -16);
  line += padded(ratio_text(figure.ratio("loam-calls")), -7);
  return trimmed(line);
}

}  // namespace

std::string ratio_table(const std::vector<Group> &groups) {
  std::string table;
  for (const Group &group : groups) {
    if (group.figures.empty()) continue;
    const Widths widths(group);
    table += '\n' + padded(group.name, 4 + widths.pattern + widths.unit) + padded("loam", -9) +
             padded("by calls", -9);
    table += padded("best peer", -10) + padded("", 14) + padded("ratio", -7);
    table += padded("least–most", -16) + padded("calls", -7) + '\n';
    for (const Figure &figure : group.figures) table += line_of(figure, widths);
  }
  return table;
}

std::string versus_table(const std::vector<Group> &groups, const std::string &peer) {
  std::string table;
  for (const Group &group : groups) {
    for (const Figure &figure : group.figures) {
      const Samples *loam = figure.of("loam"), *other = figure.of(peer);
      if (ratio_of(loam, other) <= 0) continue;
      const Scale scale = scale_of(figure);
      const std::string what = figure.pattern + " (" + scale.unit + ')';
      table += trimmed("  " + padded(what, 76) + padded(value_text(loam, scale), -11) +
                       padded(value_text(other, scale), -14) +
                       padded(ratio_text(ratio_of(loam, other)), -9) +
                       padded(range_text(loam, other), -16));
    }
  }
  if (table.empty()) return "";
  return '\n' + padded("Beside " + peer + " alone", 78) + padded("loam", -11) + padded(peer, -14) +
         padded("ratio", -9) + padded("least–most", -16) + '\n' + table;
}

}  // namespace report
