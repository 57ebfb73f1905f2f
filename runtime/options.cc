#include "runtime/options.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace loam::rt {
namespace {

enum class Kind { SIZE, COUNT, FLAG, ORDER };

// One option: where its field lies in loam_options, and what may stand there.
struct Row {
  const char *name;
  Kind kind;
  size_t offset;
  uint64_t default_value, min, max;
};

constexpr Row kRows[] = {
#define LOAM_OPTION(kind, name, default_value, min, max, text) \
  {#name, Kind::kind, offsetof(loam_options, name), default_value, min, max},
#include <loam/options.def>
};

constexpr Row kTortureRows[] = {
#define LOAM_OPTION_TORTURE(kind, name, text)                                         \
  {#name, Kind::kind, offsetof(loam_options, torture) + offsetof(loam_torture, name), \
   0,     0,          UINT64_MAX},
#include <loam/options.def>
};

// An option that names a file.
struct PathRow {
  const char *name;
  size_t offset;

  char *field(loam_options *options) const { return reinterpret_cast<char *>(options) + offset; }
};

constexpr PathRow kPathRows[] = {
#define LOAM_OPTION_PATH(name, text) {#name, offsetof(loam_options, name)},
#include <loam/options.def>
};

static_assert(sizeof(size_t) == sizeof(uint64_t), "SIZE and COUNT fields are read alike");
static_assert(sizeof(loam_collect_at) == sizeof(uint32_t) && sizeof(bool) == 1, "see read_field");

constexpr bool defaults_are_reachable() {
  for (const Row &row : kRows) {
    bool zero = row.default_value == 0;
    if (row.kind == Kind::FLAG && !zero) return false;  // zero could not switch it off
    if (!zero && (row.default_value < row.min || row.default_value > row.max)) return false;
  }
  return true;
}
static_assert(defaults_are_reachable(), "a default in options.def is out of its own bounds");

// An ORDER is read as the integer it is in C: a host may have stored a value that the enum does not
// name.
uint64_t read_field(const loam_options *options, const Row &row) {
  const char *field = reinterpret_cast<const char *>(options) + row.offset;
  switch (row.kind) {
    case Kind::FLAG:
      return static_cast<unsigned char>(*field);
    case Kind::ORDER: {
      uint32_t value;
      memcpy(&value, field, sizeof value);
      return value;
    }
    default: {
      uint64_t value;
      memcpy(&value, field, sizeof value);
      return value;
    }
  }
}

void write_field(loam_options *options, const Row &row, uint64_t value) {
  char *field = reinterpret_cast<char *>(options) + row.offset;
  if (row.kind == Kind::FLAG) {
    *field = static_cast<char>(value);
  } else if (row.kind == Kind::ORDER) {
    uint32_t narrow = static_cast<uint32_t>(value);
    memcpy(field, &narrow, sizeof narrow);
  } else {
    memcpy(field, &value, sizeof value);
  }
}

bool in_bounds(const Row &row, uint64_t value) {
  return value == 0 || (value >= row.min && value <= row.max);
}

// -- Text.

struct Span {
  const char *begin, *end;

  bool empty() const { return begin == end; }
};

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

Span trim(Span span) {
  while (!span.empty() && is_space(*span.begin)) ++span.begin;
  while (!span.empty() && is_space(span.end[-1])) --span.end;
  return span;
}

bool equals(Span span, const char *text) {
  size_t length = strlen(text);
  return static_cast<size_t>(span.end - span.begin) == length &&
         memcmp(span.begin, text, length) == 0;
}

// Takes what stands before the first `separator` off *rest. Returns whether there was one; else it
// takes all.
bool split(Span *rest, char separator, Span *out_head) {
  const char *at = rest->begin;
  while (at != rest->end && *at != separator) ++at;
  *out_head = trim({rest->begin, at});
  bool found = at != rest->end;
  rest->begin = found ? at + 1 : at;
  return found;
}

// Decimal digits and nothing else, below 2^64.
bool parse_count(Span text, uint64_t *out_value) {
  if (text.empty()) return false;
  uint64_t value = 0;
  for (const char *at = text.begin; at != text.end; ++at) {
    if (*at < '0' || *at > '9') return false;
    uint64_t digit = static_cast<uint64_t>(*at - '0');
    if (value > (UINT64_MAX - digit) / 10) return false;
    value = value * 10 + digit;
  }
  *out_value = value;
  return true;
}

unsigned unit_shift(char unit) {
  switch (unit) {
    case 'k':
    case 'K':
      return 10;
    case 'm':
    case 'M':
      return 20;
    case 'g':
    case 'G':
      return 30;
    default:
      return 0;
  }
}

bool parse_size(Span text, uint64_t *out_value) {
  unsigned shift = text.empty() ? 0 : unit_shift(text.end[-1]);
  if (shift != 0) --text.end;
  uint64_t value;
  if (!parse_count(text, &value) || value > UINT64_MAX >> shift) return false;
  *out_value = value << shift;
  return true;
}

bool parse_flag(Span text, uint64_t *out_value) {
  *out_value = equals(text, "1") || equals(text, "true") || equals(text, "on");
  return *out_value != 0 || equals(text, "0") || equals(text, "false") || equals(text, "off");
}

bool parse_order(Span text, uint64_t *out_value) {
  *out_value = equals(text, "safepoint") ? LOAM_COLLECT_AT_SAFEPOINT : LOAM_COLLECT_AT_NEW;
  return *out_value == LOAM_COLLECT_AT_SAFEPOINT || equals(text, "new");
}

bool parse_value(Kind kind, Span text, uint64_t *out_value) {
  switch (kind) {
    case Kind::SIZE:
      return parse_size(text, out_value);
    case Kind::COUNT:
      return parse_count(text, out_value);
    case Kind::FLAG:
      return parse_flag(text, out_value);
    case Kind::ORDER:
      return parse_order(text, out_value);
  }
  return false;
}

// One "name<separator>value" among `rows`; a flag's name alone switches it on.
template <size_t N>
bool apply_item(const Row (&rows)[N], Span item, char separator, loam_options *options) {
  Span name;
  bool has_value = split(&item, separator, &name);
  for (const Row &row : rows) {
    if (!equals(name, row.name)) continue;
    uint64_t value = 1;
    if (has_value ? !parse_value(row.kind, trim(item), &value) : row.kind != Kind::FLAG) {
      return false;
    }
    if (!in_bounds(row, value)) return false;
    write_field(options, row, value);
    return true;
  }
  return false;
}

bool apply_torture(Span list, loam_options *options) {
  for (bool more = true; more;) {
    Span item;
    more = split(&list, '+', &item);
    if (!apply_item(kTortureRows, item, ':', options)) return false;
  }
  return true;
}

// "name=path"; without a path, none. A path may hold anything but a comma.
bool apply_path(const PathRow &row, Span path, loam_options *options) {
  const size_t length = static_cast<size_t>(path.end - path.begin);
  if (length >= LOAM_OPTION_PATH_BYTES) return false;
  char *field = row.field(options);
  memset(field, 0, LOAM_OPTION_PATH_BYTES);
  memcpy(field, path.begin, length);
  return true;
}

bool apply_assignment(Span item, loam_options *options) {
  Span rest = item, name;
  if (split(&rest, '=', &name)) {
    if (equals(name, "torture")) return apply_torture(rest, options);
    for (const PathRow &row : kPathRows) {
      if (equals(name, row.name)) return apply_path(row, trim(rest), options);
    }
  }
  return apply_item(kRows, item, '=', options);
}

bool apply_text(Span text, loam_options *options) {
  for (bool more = !trim(text).empty(); more;) {
    Span item;
    more = split(&text, ',', &item);
    if (!apply_assignment(item, options)) return false;
  }
  return true;
}

bool is_our_struct(const loam_options *options) {
  return options->struct_size == 0 || options->struct_size == sizeof(loam_options);
}

loam_status parse(loam_options *options, const char *text) {
  if (options == nullptr || text == nullptr || !is_our_struct(options)) return LOAM_EINVAL;
  loam_options copy = *options;
  if (!apply_text({text, text + strlen(text)}, &copy)) return LOAM_EINVAL;
  *options = copy;
  return LOAM_OK;
}

}  // namespace

loam_status options_resolve(const loam_options *given, loam_options *out) {
  loam_options resolved = {};
  if (given != nullptr) {
    if (!is_our_struct(given)) return LOAM_EINVAL;
    resolved = *given;
  }
  resolved.struct_size = sizeof(loam_options);

  const char *environment = resolved.use_environment ? getenv("LOAM_OPTIONS") : nullptr;
  if (environment != nullptr) {
    loam_status status = parse(&resolved, environment);
    if (status != LOAM_OK) return status;
  }

  for (const Row &row : kRows) {
    uint64_t value = read_field(&resolved, row);
    if (!in_bounds(row, value)) return LOAM_EINVAL;
    if (value == 0) write_field(&resolved, row, row.default_value);
  }
  for (const PathRow &row : kPathRows) {
    if (memchr(row.field(&resolved), 0, LOAM_OPTION_PATH_BYTES) == nullptr) return LOAM_EINVAL;
  }
  *out = resolved;
  return LOAM_OK;
}

}  // namespace loam::rt

loam_status loam_options_parse(loam_options *options, const char *text) {
  return loam::rt::parse(options, text);
}
