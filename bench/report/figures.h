// Rows, sorted into figures: for each group and pattern, what every peer needed; and points, sorted
// into charts of lines (row.h says what a row and a point are).
//
// [least, median, most] over the samples stand for a peer; peers are compared by medians. Peers
// whose names start with "loam" are Loam (called inline, called as exported functions); all others
// are what it is compared with.
#ifndef LOAM_BENCH_REPORT_FIGURES_H
#define LOAM_BENCH_REPORT_FIGURES_H

#include <string>
#include <vector>

namespace report {

struct Row {
  std::string group, pattern, peer, unit;
  double value;
  std::string command;  // that printed it, as a shell would take it
};

struct Point {
  std::string group, chart, peer, line, x_unit, unit;
  double x, value;
  std::string command;
};

// The row or the point in a line of a program's output; false for every other line. They leave the
// command alone.
bool parse_row(const std::string &line, Row *row);
bool parse_point(const std::string &line, Point *point);

struct Samples {
  std::string peer, command;
  std::vector<double> values;

  double least() const;
  double median() const;
  double most() const;
};

bool is_loam(const std::string &peer);

// One median over another; 0 where one of them is missing (NULL), or nothing that can be compared.
double ratio_of(const Samples *mine, const Samples *other);

struct Range {
  double least, most;  // 0, 0: nothing to compare
};

// The same within each round, the first samples being of the first round, and so on.
Range ratios_of(const Samples *mine, const Samples *other);

struct Figure {
  std::string pattern, unit;
  std::vector<Samples> peers;

  bool is_memory() const;
  const Samples *of(const std::string &peer) const;  // NULL: it did not take part
  const Samples *best_other() const;                 // the least median that is not Loam's
  double ratio(const std::string &peer) const;       // to the best other (ratio_of)
};

struct Spot {
  double x;
  Samples samples;
};

struct Line {
  std::string peer, name;
  std::vector<Spot> spots;  // by ascending x

  const Samples *at(double x) const;  // NULL: it has no point there
};

struct Chart {
  std::string name, x_unit, unit;
  std::vector<Line> lines;

  std::vector<double> xs() const;  // of all lines, ascending
};

struct Group {
  std::string name;
  std::vector<Figure> figures;
  std::vector<Chart> charts;
};

// What a reader should take away from figures of one kind, of those that compare.
struct Summary {
  int compared = 0;
  int ahead = 0;               // ratios below 1
  double mean_ratio = 0;       // geometric
  double least = 0, most = 0;  // ratios
};

class Figures {
 public:
  void add(const Row &row);
  void add(const Point &point);
  const std::vector<Group> &groups() const { return groups_; }

 private:
  Group &group(const std::string &name);

  std::vector<Group> groups_;  // in the order of their first rows
};

enum class Kind { kTime, kMemory };

Summary summarize(const std::vector<Group> &groups, Kind kind);

// A unit in which the greatest value of a figure reads well: "ns" may turn into "µs per node".
struct Scale {
  double divisor;
  std::string unit;
};
Scale scale_of(const Figure &figure);

std::string number(double value);  // 0.0017, 0.75, 12.3, 4,567

}  // namespace report

#endif
