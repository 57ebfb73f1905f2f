#include "label.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace report {

namespace {

constexpr double kDotDistance = 3;

Path dense(const Path &corners) {
  Path dots;
  for (size_t i = 0; i < corners.size(); ++i) {
    const Pixel from = corners[i == 0 ? 0 : i - 1], to = corners[i];
    const double length = std::hypot(to.x - from.x, to.y - from.y);
    const int steps = std::max(1, static_cast<int>(length / kDotDistance));
    for (int step = 1; step <= steps; ++step) {
      const double part = static_cast<double>(step) / steps;
      dots.push_back({from.x + part * (to.x - from.x), from.y + part * (to.y - from.y)});
    }
  }
  return dots;
}

Box grown(const Box &box, double by) {
  return {box.left - by, box.top - by, box.right + by, box.bottom + by};
}

}  // namespace

LabelPlacer::LabelPlacer(const Box &frame, const std::vector<Path> &paths) : frame_(frame) {
  for (const Path &path : paths) dense_.push_back(dense(path));
}

// Lines below the text are worst, then lines near it that are not its own.
double LabelPlacer::cost(const Box &box, size_t path) const {
  constexpr double kNear = 7, kOutside = 1e6, kOnText = 1e4, kOnLine = 10, kNearOther = 2;
  double cost = 0;
  if (box.left < frame_.left || box.right > frame_.right || box.top < frame_.top ||
      box.bottom > frame_.bottom) {
    cost += kOutside;
  }
  for (const Box &taken : taken_) cost += grown(taken, 2).overlaps(box) ? kOnText : 0;
  const Box close = grown(box, kNear), on = grown(box, 3);
  for (size_t i = 0; i < dense_.size(); ++i) {
    for (const Pixel &dot : dense_[i]) {
      if (on.contains(dot)) {
        cost += kOnLine;
      } else if (i != path && close.contains(dot)) {
        cost += kNearOther;
      }
    }
  }
  return cost;
}

// Beside each dot of the line, on all sides; of places as good, the one nearest to its end.
Box LabelPlacer::place(size_t path, double width, double height) {
  constexpr double kGap = 6, kPerPixelToEnd = 0.02;
  const Path &dots = dense_[path];
  Box best{};
  double best_cost = std::numeric_limits<double>::infinity();
  for (const Pixel &dot : dots) {
    const double to_end = std::hypot(dots.back().x - dot.x, dots.back().y - dot.y);
    for (double side : {0.0, -0.5, -1.0}) {
      for (double level : {0.0, -0.5, -1.0}) {
        if (side == -0.5 && level == -0.5) continue;
        const double left = dot.x + side * width + (1 + 2 * side) * kGap;
        const double top = dot.y + level * height + (1 + 2 * level) * kGap;
        const Box box{left, top, left + width, top + height};
        const double cost_here = cost(box, path) + kPerPixelToEnd * to_end;
        if (cost_here >= best_cost) continue;
        best = box;
        best_cost = cost_here;
      }
    }
  }
  taken_.push_back(best);
  return best;
}

}  // namespace report
