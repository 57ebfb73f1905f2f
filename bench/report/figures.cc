#include "figures.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <set>

namespace report {

namespace {

bool starts_with(const std::string &text, const std::string &start) {
  return text.compare(0, start.size(), start) == 0;
}

std::vector<std::string> split(const std::string &line, char separator) {
  std::vector<std::string> fields;
  size_t start = 0;
  for (size_t end; (end = line.find(separator, start)) != std::string::npos; start = end + 1) {
    fields.push_back(line.substr(start, end - start));
  }
  fields.push_back(line.substr(start));
  return fields;
}

template <typename T, typename Matches>
T &find_or_add(std::vector<T> &items, Matches matches, const T &fresh) {
  auto found = std::find_if(items.begin(), items.end(), matches);
  if (found != items.end()) return *found;
  items.push_back(fresh);
  return items.back();
}

bool parse_number(const std::string &text, double *value) {
  char *end = nullptr;
  *value = std::strtod(text.c_str(), &end);
  return end != text.c_str() && *end == '\0' && std::isfinite(*value);
}

}  // namespace

bool parse_row(const std::string &line, Row *row) {
  const std::vector<std::string> fields = split(line, '\t');
  if (fields.size() != 6 || fields[0] != "row") return false;
  if (!parse_number(fields[5], &row->value)) return false;
  row->group = fields[1];
  row->pattern = fields[2];
  row->peer = fields[3];
  row->unit = fields[4];
  return true;
}

bool parse_point(const std::string &line, Point *point) {
  const std::vector<std::string> fields = split(line, '\t');
  if (fields.size() != 9 || fields[0] != "point") return false;
  if (!parse_number(fields[6], &point->x) || !parse_number(fields[8], &point->value)) return false;
  point->group = fields[1];
  point->chart = fields[2];
  point->peer = fields[3];
  point->line = fields[4];
  point->x_unit = fields[5];
  point->unit = fields[7];
  return true;
}

double Samples::least() const { return *std::min_element(values.begin(), values.end()); }
double Samples::most() const { return *std::max_element(values.begin(), values.end()); }

double Samples::median() const {
  std::vector<double> sorted = values;
  std::sort(sorted.begin(), sorted.end());
  const size_t middle = sorted.size() / 2;
  if (sorted.size() % 2 == 1) return sorted[middle];
  return (sorted[middle - 1] + sorted[middle]) / 2;
}

bool is_loam(const std::string &peer) { return starts_with(peer, "loam"); }

// A growth of memory may come out as nothing, or as less; that compares with nothing.
double ratio_of(const Samples *mine, const Samples *other) {
  if (mine == nullptr || other == nullptr || other->median() <= 0 || mine->median() <= 0) return 0;
  return mine->median() / other->median();
}

Range ratios_of(const Samples *mine, const Samples *other) {
  if (ratio_of(mine, other) <= 0) return {0, 0};
  std::vector<double> ratios;
  for (size_t i = 0; i < std::min(mine->values.size(), other->values.size()); ++i) {
    if (mine->values[i] > 0 && other->values[i] > 0) {
      ratios.push_back(mine->values[i] / other->values[i]);
    }
  }
  if (ratios.empty()) return {0, 0};
  const auto [least, most] = std::minmax_element(ratios.begin(), ratios.end());
  return {*least, *most};
}

bool Figure::is_memory() const { return starts_with(unit, "bytes"); }

const Samples *Figure::of(const std::string &peer) const {
  for (const Samples &samples : peers) {
    if (samples.peer == peer) return &samples;
  }
  return nullptr;
}

const Samples *Figure::best_other() const {
  const Samples *best = nullptr;
  for (const Samples &samples : peers) {
    if (is_loam(samples.peer)) continue;
    if (best == nullptr || samples.median() < best->median()) best = &samples;
  }
  return best;
}

double Figure::ratio(const std::string &peer) const { return ratio_of(of(peer), best_other()); }

const Samples *Line::at(double x) const {
  for (const Spot &spot : spots) {
    if (spot.x == x) return &spot.samples;
  }
  return nullptr;
}

std::vector<double> Chart::xs() const {
  std::set<double> xs;
  for (const Line &line : lines) {
    for (const Spot &spot : line.spots) xs.insert(spot.x);
  }
  return {xs.begin(), xs.end()};
}

Group &Figures::group(const std::string &name) {
  return find_or_add(
      groups_, [&](const Group &candidate) { return candidate.name == name; }, Group{name, {}, {}});
}

void Figures::add(const Row &row) {
  std::vector<Figure> &figures = group(row.group).figures;
  Figure &figure = find_or_add(
      figures,
      [&](const Figure &candidate) {
        return candidate.pattern == row.pattern && candidate.unit == row.unit;
      },
      Figure{row.pattern, row.unit, {}});
  Samples &samples = find_or_add(
      figure.peers, [&](const Samples &candidate) { return candidate.peer == row.peer; },
      Samples{row.peer, row.command, {}});
  samples.values.push_back(row.value);
}

void Figures::add(const Point &point) {
  Chart &chart = find_or_add(
      group(point.group).charts,
      [&](const Chart &candidate) { return candidate.name == point.chart; },
      Chart{point.chart, point.x_unit, point.unit, {}});
  Line &line = find_or_add(
      chart.lines,
      [&](const Line &candidate) {
        return candidate.peer == point.peer && candidate.name == point.line;
      },
      Line{point.peer, point.line, {}});
  const auto place = std::find_if(line.spots.begin(), line.spots.end(),
                                  [&](const Spot &candidate) { return candidate.x >= point.x; });
  if (place != line.spots.end() && place->x == point.x) {
    place->samples.values.push_back(point.value);
  } else {
    line.spots.insert(place, {point.x, {point.peer, point.command, {point.value}}});
  }
}

Summary summarize(const std::vector<Group> &groups, Kind kind) {
  Summary summary;
  double log_sum = 0;
  for (const Group &group : groups) {
    for (const Figure &figure : group.figures) {
      const double ratio = figure.ratio("loam");
      if (figure.is_memory() != (kind == Kind::kMemory) || ratio <= 0) continue;
      summary.least = summary.compared == 0 ? ratio : std::min(summary.least, ratio);
      summary.most = std::max(summary.most, ratio);
      ++summary.compared;
      if (ratio < 1) ++summary.ahead;
      log_sum += std::log(ratio);
    }
  }
  if (summary.compared > 0) summary.mean_ratio = std::exp(log_sum / summary.compared);
  return summary;
}

Scale scale_of(const Figure &figure) {
  double most = 0;
  for (const Samples &samples : figure.peers) most = std::max(most, samples.median());
  const auto scaled = [&](const char *from, double divisor, const char *to) {
    return Scale{divisor, to + figure.unit.substr(std::string(from).size())};
  };
  if (starts_with(figure.unit, "bytes")) {
    if (most >= 10.0 * (1 << 20)) return scaled("bytes", 1 << 20, "MiB");
    if (most >= 10.0 * (1 << 10)) return scaled("bytes", 1 << 10, "KiB");
  } else if (starts_with(figure.unit, "ns")) {
    if (most >= 1e7) return scaled("ns", 1e6, "ms");
    if (most >= 1e4) return scaled("ns", 1e3, "µs");
  }
  return {1, figure.unit};
}

std::string number(double value) {
  if (value == 0) return "0";
  const double size = std::fabs(value);
  int decimals = size < 9.995 ? 2 : size < 99.95 ? 1 : 0;
  if (size < 0.0995) decimals = 1 - static_cast<int>(std::floor(std::log10(size)));
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  std::string digits = text;
  if (size < 999.5) return digits;
  const size_t first = digits[0] == '-' ? 1 : 0;
  for (size_t at = digits.size(); at > first + 3;) digits.insert(at -= 3, ",");
  return digits;
}

}  // namespace report
