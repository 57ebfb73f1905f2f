// Where the name of a line may stand in a chart, so that it is read as that line's and covers none.
#ifndef LOAM_BENCH_REPORT_LABEL_H
#define LOAM_BENCH_REPORT_LABEL_H

#include <string>
#include <vector>

namespace report {

struct Pixel {
  double x, y;
};

struct Box {
  double left, top, right, bottom;

  bool contains(Pixel pixel) const {
    return pixel.x >= left && pixel.x <= right && pixel.y >= top && pixel.y <= bottom;
  }
  bool overlaps(const Box &other) const {
    return left < other.right && other.left < right && top < other.bottom && other.top < bottom;
  }
};

using Path = std::vector<Pixel>;  // the corners of a line, from left to right

// Finds places for one text after the other.
class LabelPlacer {
 public:
  // All of `paths` are drawn in `frame`, and labels go there too.
  LabelPlacer(const Box &frame, const std::vector<Path> &paths);

  // The box of a text of this size that belongs to the path of that index.
  Box place(size_t path, double width, double height);

 private:
  double cost(const Box &box, size_t path) const;

  Box frame_;
  std::vector<Path> dense_;  // the paths as dots a few pixels apart
  std::vector<Box> taken_;
};

}  // namespace report

#endif
