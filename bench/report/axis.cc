#include "axis.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace report {

namespace {

// Round values are computed, and may miss by a few bits.
constexpr double kTolerance = 1 + 1e-9;

// 1, 2 or 5 times a power of ten.
class Round {
 public:
  static Round power_at_most(double value) {
    return Round(static_cast<int>(std::floor(std::log10(value * kTolerance))));
  }
  static Round at_most(double value) {
    Round round = power_at_most(value);
    while (round.next().value() <= value * kTolerance) round = round.next();
    return round;
  }

  double value() const {
    constexpr double kSteps[] = {1, 2, 5};
    return kSteps[step_] * std::pow(10.0, power_);
  }
  bool is_power() const { return step_ == 0; }

  Round next() const {
    Round round = *this;
    if (++round.step_ == 3) {
      round.step_ = 0;
      ++round.power_;
    }
    return round;
  }

 private:
  explicit Round(int power) : power_(power) {}

  int power_;
  int step_ = 0;
};

std::string short_number(double value) {
  char text[32];
  // Three digits or so, and never an exponent.
  std::snprintf(text, sizeof text, value < 1 ? "%.9f" : value < 100 ? "%.3g" : "%.0f", value);
  std::string digits = text;
  if (digits.find('.') == std::string::npos) return digits;
  digits.erase(digits.find_last_not_of('0') + 1);
  if (digits.back() == '.') digits.pop_back();
  return digits;
}

}  // namespace

Axis Axis::logarithmic(double least, double most) {
  const bool powers_only = most > 50 * least;
  Round round = powers_only ? Round::power_at_most(least) : Round::at_most(least);
  std::vector<double> ticks = {round.value()};
  while (ticks.back() * kTolerance < most || ticks.size() < 2) {
    round = round.next();
    if (!powers_only || round.is_power()) ticks.push_back(round.value());
  }
  Axis axis(true, ticks.front(), ticks.back());
  axis.ticks_ = ticks;
  return axis;
}

Axis Axis::linear(double most) {
  constexpr int kMostTicks = 5;
  Round step = Round::at_most(most / kMostTicks);
  while (step.value() * kMostTicks * kTolerance < most) step = step.next();
  const int count = static_cast<int>(std::ceil(most / step.value() / kTolerance));
  Axis axis(false, 0, count * step.value());
  for (int i = 0; i <= count; ++i) axis.ticks_.push_back(i * step.value());
  return axis;
}

Axis Axis::through(const std::vector<double> &values) {
  // Lines that touch the frame look as if they went on.
  constexpr double kMargin = 0.06;
  const double room = std::pow(std::max(values.back() / values.front(), 2.0), kMargin);
  Axis axis(true, values.front() / room, values.back() * room);
  axis.ticks_ = values;
  return axis;
}

double Axis::at(double value) const {
  const double part = log_ ? std::log(std::max(value, least_) / least_) / std::log(most_ / least_)
                           : (value - least_) / (most_ - least_);
  return std::clamp(part, 0.0, 1.0);
}

std::string tick_text(double value, const std::string &unit) {
  if (unit == "µs") {
    if (value >= 1e6) return short_number(value / 1e6) + " s";
    if (value >= 1e3) return short_number(value / 1e3) + " ms";
    return short_number(value) + " µs";
  }
  if (value >= 1e6) return short_number(value / 1e6) + "M";
  if (value >= 1e3) return short_number(value / 1e3) + "k";
  return short_number(value);
}

}  // namespace report
