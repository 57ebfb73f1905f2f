#include "line_chart.h"

#include <algorithm>
#include <cstdio>

#include "axis.h"
#include "html.h"
#include "label.h"

namespace report {

namespace {

// In units of the drawing, which is as wide as a phone, so that its text can be read there.
constexpr double kWidth = 400, kHeight = 270;
constexpr Box kFrame{50, 26, 390, 240};
constexpr double kTextHeight = 12, kLetterWidth = 7.2;

constexpr size_t kFewPoints = 6;  // that can be told apart: each has a dot, and a tick of its own

std::string decimal(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  return text;
}

std::string attribute(const char *name, double value) {
  return std::string(" ") + name + "='" + decimal(value) + "'";
}

// ── Where things are ────────────────────────────────────────────────────────────────────────────

// Up to the first value that no line has anything but 0 at.
std::vector<double> drawn_xs(const Chart &chart) {
  std::vector<double> xs = chart.xs();
  const auto empty = std::find_if(xs.begin(), xs.end(), [&](double x) {
    return std::all_of(chart.lines.begin(), chart.lines.end(), [&](const Line &line) {
      const Samples *samples = line.at(x);
      return samples == nullptr || samples->median() <= 0;
    });
  });
  if (empty != xs.end()) xs.erase(empty + 1, xs.end());
  return xs;
}

Axis y_axis(const Chart &chart) {
  constexpr double kLinearUpTo = 20;  // times the least, beyond which that would be a flat line
  double least = 0, most = 0;
  bool zeros = false;
  for (const Line &line : chart.lines) {
    for (const Spot &spot : line.spots) {
      const double median = spot.samples.median();
      most = std::max(most, median);
      if (median > 0) least = least > 0 ? std::min(least, median) : median;
      zeros = zeros || median <= 0;
    }
  }
  if (most <= 0) return Axis::linear(1);
  if (!zeros && most <= kLinearUpTo * least) return Axis::linear(most);
  // What is 0 ends below everything else.
  return Axis::logarithmic(zeros ? least / 2 : least, most);
}

class Plot {
 public:
  explicit Plot(const Chart &chart)
      : xs_(drawn_xs(chart)),
        x_(xs_.size() <= kFewPoints ? Axis::through(xs_)
                                    : Axis::logarithmic(xs_.front(), xs_.back())),
        y_(y_axis(chart)) {}

  const Axis &x() const { return x_; }
  const Axis &y() const { return y_; }
  double left_of(double x) const { return kFrame.left + x_.at(x) * (kFrame.right - kFrame.left); }
  double top_of(double y) const { return kFrame.bottom - y_.at(y) * (kFrame.bottom - kFrame.top); }

  // A line that comes down to 0 ends there.
  Path path_of(const Line &line) const {
    Path path;
    for (const Spot &spot : line.spots) {
      if (spot.x > xs_.back()) break;
      const double median = spot.samples.median();
      path.push_back({left_of(spot.x), top_of(median)});
      if (median <= 0) break;
    }
    return path;
  }
  bool few_points() const { return xs_.size() <= kFewPoints; }

 private:
  std::vector<double> xs_;
  Axis x_, y_;
};

// ── The drawing ─────────────────────────────────────────────────────────────────────────────────

// "class='line loam'", with a colour for each other peer.
std::string class_of(const Line &line, const std::string &what,
                     const std::set<std::string> &peers) {
  std::string name = "loam";
  if (!is_loam(line.peer)) {
    const auto others = std::count_if(peers.begin(), peers.find(line.peer),
                                      [](const std::string &peer) { return !is_loam(peer); });
    name = "peer" + std::to_string(others % 3 + 1);
  }
  return "class='" + what + ' ' + name + (line.name.empty() ? "'" : " dashed'");
}

std::string grid(const Chart &chart, const Plot &plot) {
  std::string svg;
  for (double y : plot.y().ticks()) {
    const double top = plot.top_of(y);
    svg += "<path class=rule d='M" + decimal(kFrame.left) + ' ' + decimal(top) + 'H' +
           decimal(kFrame.right) + "'/>";
    svg += element("text", "class=y" + attribute("x", kFrame.left - 6) + attribute("y", top + 4),
                   tick_text(y, chart.unit));
  }
  const auto &ticks = plot.x().ticks();
  for (double x : ticks) {
    const double left = plot.left_of(x);
    svg += "<path class=tick d='M" + decimal(left) + ' ' + decimal(kFrame.bottom) + "v4'/>";
    svg += element("text", "class=x" + attribute("x", left) + attribute("y", kFrame.bottom + 17),
                   tick_text(x, chart.x_unit));
  }
  return svg + element("text", attribute("x", 0) + attribute("y", 12), escaped(chart.unit));
}

std::string line_svg(const Path &path, const std::string &attributes) {
  std::string d;
  for (const Pixel &pixel : path) {
    d += (d.empty() ? 'M' : 'L') + decimal(pixel.x) + ' ' + decimal(pixel.y);
  }
  return "<path " + attributes + " d='" + d + "'/>";
}

// Medians, and bars from the least to the greatest run.
std::string dots_svg(const Chart &chart, const Line &line, const Plot &plot,
                     const std::string &attributes) {
  std::string svg;
  for (const Spot &spot : line.spots) {
    const Samples &samples = spot.samples;
    const double left = plot.left_of(spot.x);
    const std::string title = label_of(line.peer) + ", " + tick_text(spot.x, chart.x_unit) + ' ' +
                              escaped(chart.x_unit) + ": " + number(samples.median()) + " (" +
                              range_of(samples, 1) + ')';
    svg += "<path d='M" + decimal(left) + ' ' + decimal(plot.top_of(samples.least())) + 'V' +
           decimal(plot.top_of(samples.most())) + "'/>";
    svg += element("circle",
                   attribute("cx", left) + attribute("cy", plot.top_of(samples.median())) + " r=3",
                   element("title", "", title));
  }
  return element("g", attributes, svg);
}

std::string labels_svg(const Chart &chart, const std::vector<Path> &paths,
                       const std::set<std::string> &peers) {
  LabelPlacer placer(kFrame, paths);
  std::string svg;
  for (size_t i = 0; i < paths.size(); ++i) {
    const Line &line = chart.lines[i];
    if (!line.name.empty() || paths[i].empty()) continue;  // the colour tells
    const std::string text = label_of(line.peer);
    const Box box =
        placer.place(i, kLetterWidth * static_cast<double>(line.peer.size()), kTextHeight);
    svg += element(
        "text",
        class_of(line, "name", peers) + attribute("x", box.left) + attribute("y", box.bottom - 2),
        text);
  }
  return svg;
}

// What the drawing says to those who do not see it: where each line starts and ends.
std::string description(const Chart &chart) {
  std::string text;
  for (const Line &line : chart.lines) {
    const auto end = [&](const Spot &spot) {
      return number(spot.samples.median()) + " at " + tick_text(spot.x, chart.x_unit);
    };
    text += label_of(line.peer) + (line.name.empty() ? "" : ", " + escaped(line.name)) + ": " +
            end(line.spots.front()) + ", " + end(line.spots.back()) + ". ";
  }
  return text;
}

std::string drawing(const std::string &group, const Chart &chart,
                    const std::set<std::string> &peers) {
  const Plot plot(chart);
  std::vector<Path> paths;
  std::string lines;  // the first one on top
  for (const Line &line : chart.lines) {
    paths.push_back(plot.path_of(line));
    std::string svg = line_svg(paths.back(), class_of(line, "line", peers));
    if (plot.few_points()) svg += dots_svg(chart, line, plot, class_of(line, "dots", peers));
    lines.insert(0, svg);
  }
  const std::string box = "'0 0 " + decimal(kWidth) + ' ' + decimal(kHeight) + "'";
  const std::string title = escaped(group + ", " + chart.name + ": " + chart.unit);
  return element("svg", "role=img viewBox=" + box + " aria-label=\"" + title + '"',
                 element("title", "", title) + element("desc", "", description(chart)) +
                     grid(chart, plot) + lines + labels_svg(chart, paths, peers));
}

// ── The figures behind it ───────────────────────────────────────────────────────────────────────

std::string cell(const Samples *samples) {
  if (samples == nullptr) return element("td", "", "–");
  std::string text = number(samples->median());
  if (samples->most() > samples->least()) {
    text += element("small", "", ' ' + number(samples->least()) + "–" + number(samples->most()));
  }
  return element("td", "", text);
}

std::string figures_table(const Chart &chart) {
  std::string head = element("th", "scope=col", escaped(chart.x_unit));
  for (const Line &line : chart.lines) {
    head += element("th", "scope=col",
                    label_of(line.peer) + (line.name.empty() ? "" : ", " + escaped(line.name)));
  }
  std::string rows = element("tr", "", head);
  for (double x : drawn_xs(chart)) {
    std::string cells = element("th", "scope=row", tick_text(x, chart.x_unit));
    for (const Line &line : chart.lines) cells += cell(line.at(x));
    rows += element("tr", "", cells);
  }
  return element("details", "",
                 element("summary", "", "figures") +
                     element("div", "class=scroll", element("table", "class=points", rows)));
}

// "dashed: collection off"
std::string dashes_of(const Chart &chart) {
  for (const Line &line : chart.lines) {
    if (!line.name.empty()) return element("p", "class=unit", "dashed: " + escaped(line.name));
  }
  return "";
}

}  // namespace

std::string line_chart_html(const std::string &group, const Chart &chart,
                            const std::set<std::string> &peers) {
  std::vector<const Samples *> samples;
  for (const Line &line : chart.lines) {
    for (const Spot &spot : line.spots) samples.push_back(&spot.samples);
  }
  return element("figure", "class=curve",
                 element("figcaption", "", escaped(chart.name)) + dashes_of(chart) +
                     drawing(group, chart, peers) + figures_table(chart) + commands_html(samples)) +
         '\n';
}

}  // namespace report
