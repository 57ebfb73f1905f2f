#include "page.h"

namespace report {

namespace {

// To `width` columns; code points count, not bytes. Negative: to the right.
std::string padded(const std::string &text, int width) {
  size_t columns = 0;
  for (char c : text) columns += (static_cast<unsigned char>(c) & 0xC0u) != 0x80u;
  const auto wanted = static_cast<size_t>(width < 0 ? -width : width);
  const std::string spaces(columns < wanted ? wanted - columns : 0, ' ');
  return width < 0 ? spaces + text : text + spaces;
}

std::string ratio_text(double ratio) { return ratio > 0 ? number(ratio) : ""; }

std::string line_of(const Figure &figure) {
  const Scale scale = scale_of(figure);
  const auto value = [&](const Samples *samples) {
    return samples == nullptr ? "" : number(samples->median() / scale.divisor);
  };
  const Samples *best = figure.best_other();
  std::string line = "  " + padded(figure.pattern, 62) + ' ' + padded(scale.unit, 20);
  line += padded(value(figure.of("loam")), -9) + padded(value(figure.of("loam-calls")), -9);
  line += padded(value(best), -9) + ' ' + padded(best == nullptr ? "" : best->peer, 10);
  line += padded(ratio_text(figure.ratio("loam")), -7);
  line += padded(ratio_text(figure.ratio("loam-calls")), -7);
  return line.substr(0, line.find_last_not_of(' ') + 1) + '\n';
}

}  // namespace

std::string ratio_table(const std::vector<Group> &groups) {
  std::string table;
  for (const Group &group : groups) {
    table += '\n' + padded(group.name, 85) + padded("loam", -9) + padded("by calls", -9);
    table += padded("best peer", -11) + padded("", 9) + padded("ratio", -7) + padded("calls", -7);
    table += '\n';
    for (const Figure &figure : group.figures) table += line_of(figure);
  }
  return table;
}

}  // namespace report
