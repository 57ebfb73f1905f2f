#include "html.h"

#include <set>

namespace report {

std::string escaped(const std::string &text) {
  std::string html;
  for (char c : text) {
    switch (c) {
      case '&':
        html += "&amp;";
        break;
      case '<':
        html += "&lt;";
        break;
      case '>':
        html += "&gt;";
        break;
      case '"':
        html += "&quot;";
        break;
      default:
        html += c;
    }
  }
  return html;
}

std::string element(const std::string &tag, const std::string &attributes,
                    const std::string &content) {
  return '<' + tag + (attributes.empty() ? "" : ' ' + attributes) + '>' + content + "</" + tag +
         '>';
}

std::string label_of(const std::string &peer) {
  if (peer == "loam") return "Loam";
  if (peer == "loam-calls") return "Loam, by calls";
  return escaped(peer);
}

std::string range_of(const Samples &samples, double divisor) {
  return number(samples.least() / divisor) + "–" + number(samples.most() / divisor) + " in " +
         std::to_string(samples.values.size()) + " runs";
}

std::string commands_html(const std::vector<const Samples *> &samples) {
  std::string lines;
  std::set<std::string> seen;
  for (const Samples *one : samples) {
    if (seen.insert(one->command).second) lines += escaped(one->command) + '\n';
  }
  return element("details", "", element("summary", "", "command") + element("pre", "", lines));
}

}  // namespace report
