#include "page.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>

#include "html.h"
#include "line_chart.h"
#include "style.h"

namespace report {

namespace {

std::string percent(double part) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f%%", 100 * std::clamp(part, 0.0, 1.0));
  return text;
}

std::string class_of(const std::string &peer) {
  if (peer == "loam") return "class=loam";
  return is_loam(peer) ? "class=calls" : "";
}

// "0.72 × tcmalloc", coloured by which side of 1 it is on.
std::string verdict(const Figure &figure) {
  const double ratio = figure.ratio("loam");
  if (ratio <= 0) return "";
  const Range range = ratios_of(figure.of("loam"), figure.best_other());
  const std::string title =
      " title='" + number(range.least) + "–" + number(range.most) + " in single rounds'";
  return element("span", (ratio < 1 ? "class='verdict ahead'" : "class='verdict behind'") + title,
                 element("b", "", number(ratio)) + " × " + label_of(figure.best_other()->peer));
}

// ── One figure ──────────────────────────────────────────────────────────────────────────────────

std::string bar_row(const Samples &samples, const Scale &scale, double full) {
  const double least = samples.least(), most = samples.most(), median = samples.median();
  std::string track = element("i", "style='width:" + percent(median / full) + "'", "");
  if (most > least) {
    track += element("s",
                     "style='left:" + percent(least / full) +
                         ";width:" + percent((std::min(most, full) - least) / full) + "'",
                     "");
  }
  return element("tr", class_of(samples.peer),
                 element("th", "scope=row", label_of(samples.peer)) +
                     element("td", "class=track", element("div", "", track)) +
                     element("td", "class=value title='" + range_of(samples, scale.divisor) + "'",
                             number(median / scale.divisor)));
}

std::string bars(const Figure &figure) {
  const Scale scale = scale_of(figure);
  double median = 0, most = 0;
  for (const Samples &samples : figure.peers) {
    median = std::max(median, samples.median());
    most = std::max(most, samples.most());
  }
  // One disturbed run must not squeeze all bars: its whisker is cut off.
  const double full = std::max(std::min(most, 1.25 * median), 1e-9);
  std::string rows;
  for (const Samples &samples : figure.peers) rows += bar_row(samples, scale, full);
  const std::string unit = element("span", "class=unit", escaped(scale.unit));
  return element("div", "class=chart",
                 element("p", "", unit + verdict(figure)) + element("table", "", rows));
}

// Time, and memory beside it.
std::string figure_html(const std::string &pattern, const std::vector<const Figure *> &parts) {
  std::string charts;
  std::vector<const Samples *> samples;
  for (const Figure *figure : parts) {
    charts += bars(*figure);
    for (const Samples &of_peer : figure->peers) samples.push_back(&of_peer);
  }
  return element("figure", parts.size() > 1 ? "class=wide" : "",
                 element("figcaption", "", escaped(pattern)) +
                     element("div", "class=charts", charts) + commands_html(samples)) +
         '\n';
}

// ── A group ─────────────────────────────────────────────────────────────────────────────────────

std::string times_of(const Summary &summary) {
  const std::string mean = element("b", "", number(summary.mean_ratio) + "&nbsp;×");
  if (summary.compared == 1) return mean + " the best other’s";
  return mean + " the best other’s on average, from " + number(summary.least) + " to " +
         number(summary.most);
}

std::string finding(const std::vector<Group> &groups) {
  const Summary time = summarize(groups, Kind::kTime), memory = summarize(groups, Kind::kMemory);
  std::string text;
  if (time.compared > 0) {
    text += "Fastest in " + std::to_string(time.ahead) + " of " + std::to_string(time.compared) +
            (time.compared == 1 ? " pattern" : " patterns") + "; time is " + times_of(time) + ". ";
  }
  if (memory.compared > 0) text += "Memory is " + times_of(memory) + ".";
  if (text.empty()) text = "Loam alone: nothing else ran these.";
  return text;
}

std::string heading_of(const Group &group) {
  const Summary time = summarize({group}, Kind::kTime);
  std::string heading = escaped(group.name);
  if (time.compared > 0)
    heading += ": " + number(time.mean_ratio) + "&nbsp;× the best other’s time";
  return heading;
}

std::string figures_html(const Group &group) {
  std::string figures;
  std::set<std::string> done;
  for (const Figure &figure : group.figures) {
    if (!done.insert(figure.pattern).second) continue;
    std::vector<const Figure *> parts;
    for (bool memory : {false, true}) {
      for (const Figure &other : group.figures) {
        if (other.pattern == figure.pattern && other.is_memory() == memory) parts.push_back(&other);
      }
    }
    figures += figure_html(figure.pattern, parts);
  }
  return element("div", "class=figures", figures);
}

std::string charts_html(const Group &group, const std::set<std::string> &peers) {
  std::string charts;
  for (const Chart &chart : group.charts) charts += line_chart_html(group.name, chart, peers);
  return element("div", "class='figures curves'", charts);
}

std::string group_html(const Group &group, const std::set<std::string> &line_peers) {
  std::string parts = element("h2", "", heading_of(group));
  if (!group.figures.empty()) parts += element("p", "class=finding", finding({group}));
  if (!group.charts.empty()) parts += charts_html(group, line_peers);
  if (!group.figures.empty()) {
    const std::string figures = figures_html(group);
    // What charts show need not be seen twice.
    parts += group.charts.empty()
                 ? figures
                 : element("details", "class=bars",
                           element("summary", "", "each figure, as bars") + figures);
  }
  return element("section", "", parts) + '\n';
}

// ── All ratios at a glance ──────────────────────────────────────────────────────────────────────

struct Axis {
  double least, most;  // ratios, on a logarithmic scale

  std::string at(double ratio) const {
    return percent(std::log(ratio / least) / std::log(most / least));
  }
};

std::string overview_row(const Figure &figure, const Axis &axis) {
  const double ratio = figure.ratio("loam");
  const std::string from = axis.at(std::min(ratio, 1.0)), to = axis.at(std::max(ratio, 1.0));
  const std::string track =
      element("u", "style='left:" + from + ";right:calc(100% - " + to + ")'", "") +
      element("i", "style='left:" + axis.at(ratio) + "'", "") +
      element("em", "style='left:" + axis.at(1) + "'", "");
  const std::string what =
      escaped(figure.pattern) +
      (figure.is_memory() ? element("small", "", ' ' + escaped(figure.unit)) : "");
  return element("tr", ratio < 1 ? "class=ahead" : "class=behind",
                 element("th", "scope=row", what) +
                     element("td", "class=dots", element("div", "", track)) +
                     element("td", "class=value", number(ratio)) +
                     element("td", "class=rival", label_of(figure.best_other()->peer)));
}

std::string overview(const std::vector<Group> &groups) {
  Axis axis{0.4, 2.5};
  for (Kind kind : {Kind::kTime, Kind::kMemory}) {
    const Summary summary = summarize(groups, kind);
    if (summary.compared == 0) continue;
    axis.least = std::min(axis.least, summary.least / 1.1);
    axis.most = std::max(axis.most, summary.most * 1.1);
  }
  std::string rows;
  for (const Group &group : groups) {
    std::string of_group;
    for (bool memory : {false, true}) {
      for (const Figure &figure : group.figures) {
        if (figure.is_memory() != memory || figure.ratio("loam") <= 0) continue;
        of_group += overview_row(figure, axis);
      }
    }
    if (of_group.empty()) continue;
    rows +=
        element("tr", "class=group", element("th", "colspan=4", escaped(group.name))) + of_group;
  }
  if (rows.empty()) return "";
  return element("section", "class=overview",
                 element("h2", "", "Every pattern: Loam ÷ the best other, less is better") +
                     element("table", "", rows)) +
         '\n';
}

size_t others_in(const std::vector<Group> &groups) {
  std::set<std::string> others;
  for (const Group &group : groups) {
    for (const Figure &figure : group.figures) {
      for (const Samples &samples : figure.peers) {
        if (!is_loam(samples.peer)) others.insert(samples.peer);
      }
    }
  }
  return others.size();
}

// What is left of the groups when each figure is passed to `keep`, which may take peers out of it,
// and says whether it stays.
template <typename Keep>
std::vector<Group> filtered(std::vector<Group> groups, Keep keep) {
  for (Group &group : groups) {
    auto &figures = group.figures;
    figures.erase(std::remove_if(figures.begin(), figures.end(),
                                 [&](Figure &figure) { return !keep(&figure); }),
                  figures.end());
  }
  return groups;
}

// Allocators are compared with the best of them, the collector with the one that hosts know: one
// that traces has nothing to do for garbage, and would stand for all of them.
std::string title_of(const std::vector<Group> &groups) {
  const std::vector<Group> blocks =
      filtered(groups, [](Figure *figure) { return figure->of(kKnownPeer) == nullptr; });
  const std::vector<Group> objects = filtered(groups, [](Figure *figure) {
    auto &peers = figure->peers;
    peers.erase(std::remove_if(peers.begin(), peers.end(),
                               [](const Samples &samples) {
                                 return samples.peer != "loam" && samples.peer != kKnownPeer;
                               }),
                peers.end());
    return figure->of(kKnownPeer) != nullptr;
  });
  const Summary of_blocks = summarize(blocks, Kind::kTime);
  const Summary of_objects = summarize(objects, Kind::kTime);
  std::string title;
  if (of_blocks.compared > 0) {
    title = number(of_blocks.mean_ratio) + "&nbsp;× the time of the best of " +
            std::to_string(others_in(blocks)) + " other allocators";
  }
  if (of_objects.compared > 0) {
    title += (title.empty() ? "" : ", and ") + number(of_objects.mean_ratio) + "&nbsp;× that of " +
             kKnownPeer;
  }
  return title.empty() ? "Loam, measured" : "Loam takes " + title;
}

std::set<std::string> peers_of_lines(const std::vector<Group> &groups) {
  std::set<std::string> peers;
  for (const Group &group : groups) {
    for (const Chart &chart : group.charts) {
      for (const Line &line : chart.lines) peers.insert(line.peer);
    }
  }
  return peers;
}

}  // namespace

std::string html_page(const std::vector<Group> &groups, const Setting &setting) {
  std::string sections;
  const std::set<std::string> line_peers = peers_of_lines(groups);
  for (const Group &group : groups) sections += group_html(group, line_peers);
  const std::string notes =
      "Bars are medians, and lines across their ends go from the least to the greatest run. Less "
      "is "
      "better everywhere. A ratio compares Loam with the best other program in that pattern; means "
      "of ratios are geometric. “By calls” is Loam through its exported functions instead of "
      "inline.";
  return "<!doctype html>\n<html lang=en><head><meta charset=utf-8>\n"
         "<meta name=viewport content='width=device-width,initial-scale=1'>\n"
         "<meta name=color-scheme content='light dark'>\n" +
         element("title", "", "Loam: benchmarks") + '\n' + element("style", "", kStyle) +
         "</head>\n<body>\n" +
         element("header", "",
                 element("h1", "", title_of(groups)) +
                     element("p", "class=finding", finding(groups)) +
                     element("p", "class=setting",
                             escaped(setting.machine) + "<br>" + escaped(setting.date) + " · " +
                                 escaped(setting.how)) +
                     element("p", "class=notes", notes)) +
         '\n' + overview(groups) + sections + "</body></html>\n";
}

}  // namespace report
