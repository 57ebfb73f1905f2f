// An axis of a chart: where values lie, and which of them are written beside it.
#ifndef LOAM_BENCH_REPORT_AXIS_H
#define LOAM_BENCH_REPORT_AXIS_H

#include <string>
#include <vector>

namespace report {

class Axis {
 public:
  // From round values around [least, most], both above 0, each step a factor.
  static Axis logarithmic(double least, double most);
  // From 0 to a round value above `most`.
  static Axis linear(double most);
  // Logarithmic, with these values, sorted and above 0, written beside it.
  static Axis through(const std::vector<double> &values);

  // The part of the axis that lies before `value`: 0 to 1, whatever the value.
  double at(double value) const;
  double least() const { return least_; }
  const std::vector<double> &ticks() const { return ticks_; }

 private:
  Axis(bool logarithmic, double least, double most)
      : log_(logarithmic), least_(least), most_(most) {}

  bool log_;
  double least_, most_;
  std::vector<double> ticks_;
};

// How a tick of this unit reads: "250k", "1 ms", "0.01".
std::string tick_text(double value, const std::string &unit);

}  // namespace report

#endif
