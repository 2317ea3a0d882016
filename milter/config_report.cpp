#include "milter/config_report.hpp"

#include <algorithm>
#include <limits>

#include "quota/text.hpp"
#include "quota/time_text.hpp"

namespace milter {
namespace {

using quota::Allowance;
using quota::Limit;
using quota::Milliseconds;
using quota::Quota;
using quota::Unit;

__extension__ using Wide = __int128;

constexpr Milliseconds hour = std::chrono::hours{1};
constexpr Milliseconds day = std::chrono::days{1};
constexpr Milliseconds month = std::chrono::days{30};

constexpr std::size_t text_width = 80;
constexpr std::size_t limit_width = 32;
constexpr std::size_t number_width = 9;

Yield yield_of(const Limit& limit) {
  return {limit.burst, most_within(limit, limit.period), most_within(limit, hour), most_within(limit, day),
          most_within(limit, month)};
}

Yield both(const Yield& a, const Yield& b) {
  return {std::min(a.at_once, b.at_once), std::nullopt, std::min(a.in_hour, b.in_hour), std::min(a.in_day, b.in_day),
          std::min(a.in_month, b.in_month)};
}

/// The limits that decide are not always the same: for each unit with several, the least of them.
void add_sums(std::vector<YieldRow>& rows) {
  for (const Unit unit : {Unit::messages, Unit::recipients, Unit::bytes}) {
    std::optional<Yield> sum;
    int count = 0;
    for (const auto& row : rows) {
      if (row.unit != unit) continue;
      sum = sum ? both(*sum, row.most) : row.most;
      ++count;
    }
    if (count > 1) rows.push_back({"all limits on " + std::string(name(unit)), unit, *sum});
  }
}

GrantReport grant_of(std::string title, const Allowance& allowance) {
  GrantReport grant{std::move(title), {}, {}};
  if (allowance.kind != Allowance::Kind::limited) grant.notes.push_back(format(allowance));
  for (const auto& limit : allowance.limits) grant.rows.push_back({format(limit), limit.unit, yield_of(limit)});
  add_sums(grant.rows);
  if (allowance.recipients_per_message)
    grant.notes.push_back(std::to_string(*allowance.recipients_per_message) + " recipients / message");
  return grant;
}

std::string joined(const std::vector<std::string>& parts, std::string_view separator) {
  std::string text;
  for (const auto& part : parts) text.append(text.empty() ? "" : separator).append(part);
  return text;
}

std::string title_of(const Quota& quota) {
  std::vector<std::string> kinds;
  for (const auto kind : quota.per) kinds.emplace_back(name(kind));
  const auto when = quota.when == quota::When::any    ? "all outgoing mail"
                    : quota.when == quota::When::smtp ? "mail over SMTP"
                                                      : "local mail";
  return "quota " + quota.name + ": per " + joined(kinds, ", else ") + ", " + when + ", " +
         std::string(name(quota.action)) + (quota.mode == quota::Mode::observe ? ", only observed" : "");
}

std::string block_note(const quota::BlockRule& rule) {
  std::vector<std::string> steps;
  for (const auto& step : rule.steps) steps.push_back(step ? quota::format_duration(*step) : "until released");
  return "blocked after " + std::to_string(rule.refusals) + " refusals / " + quota::format_duration(rule.window) +
         ": " + joined(steps, ", then ") + "; forgotten " + quota::format_duration(rule.forget) + " after the end";
}

std::string text_of(const quota::Match& match) {
  switch (match.kind) {
    case quota::Match::Kind::identity:
      return match.of ? quota::Identity{*match.of, match.value}.text() : match.value;
    case quota::Match::Kind::domain:
      return "@" + match.value;
    case quota::Match::Kind::network:
      return match.network->text();
    case quota::Match::Kind::account:
      return "account:" + match.value;
    case quota::Match::Kind::plan:
      return "plan:" + match.value;
  }
  return "";
}

GrantReport grant_of(const Quota& quota, const quota::OverrideRule& rule) {
  constexpr std::size_t most_shown = 3;
  std::vector<std::string> whom;
  for (const auto& match : rule.match)
    if (whom.size() < most_shown) whom.push_back(text_of(match));
  if (rule.match.size() > most_shown) whom.push_back("and " + std::to_string(rule.match.size() - most_shown) + " more");
  return grant_of("quota " + quota.name + ", override for " + joined(whom, ", "),
                  overridden(quota.limits, rule.limits));
}

/// At most 8 characters, rounded up: what is shown must not be less than what is possible.
std::string short_count(std::int64_t count) {
  if (count < 100'000'000) return std::to_string(count);
  constexpr std::string_view suffixes = "MGTPE";
  std::int64_t unit = 1'000'000;
  std::size_t suffix = 0;
  while (count / unit >= 1'000'000 && suffix + 1 < suffixes.size()) {
    unit *= 1000;
    ++suffix;
  }
  return std::to_string(count / unit + (count % unit != 0 ? 1 : 0)) + suffixes[suffix];
}

/// `1.5GB`, rounded up to a tenth.
std::string short_bytes(std::int64_t bytes) {
  constexpr std::string_view suffixes[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
  std::int64_t unit = 1;
  std::size_t suffix = 0;
  const auto tenths = [&] { return static_cast<std::int64_t>((Wide{bytes} * 10 + unit - 1) / unit); };
  while (tenths() >= 10'000 && suffix + 1 < std::size(suffixes)) {
    unit *= 1000;
    ++suffix;
  }
  const auto shown = tenths();
  return std::to_string(shown / 10) + (shown % 10 != 0 ? "." + std::to_string(shown % 10) : "") +
         std::string(suffixes[suffix]);
}

std::string left(const std::string& text, std::size_t width) {
  return text.size() < width ? text + std::string(width - text.size(), ' ') : text;
}

std::string right(const std::string& text, std::size_t width) {
  return (text.size() < width ? std::string(width - text.size(), ' ') : std::string(" ")) + text;
}

std::string line_of(const YieldRow& row) {
  const auto shown = [&](std::int64_t count) {
    return right(row.unit == Unit::bytes ? short_bytes(count) : short_count(count), number_width);
  };
  // A limit too long for its column has a line of its own.
  auto line = "  " + (row.what.size() <= limit_width ? left(row.what, limit_width)
                                                     : row.what + "\n  " + std::string(limit_width, ' '));
  line += shown(row.most.at_once);
  line += row.most.in_period ? shown(*row.most.in_period) : right("", number_width);
  return line + shown(row.most.in_hour) + shown(row.most.in_day) + shown(row.most.in_month) + "\n";
}

/// Breaks at spaces; all lines but the first begin with `indent` spaces. `first` is how far the first line has come
/// already.
std::string wrapped(std::string_view text, std::size_t indent, std::size_t first = 0) {
  std::string out;
  auto column = first;
  bool is_line_begin = true;
  while (!text.empty()) {
    const auto word = quota::next_word(text);
    if (!is_line_begin && column + 1 + word.size() > text_width) {
      out.append("\n").append(indent, ' ');
      column = indent;
      is_line_begin = true;
    }
    if (!is_line_begin) out += ' ';
    out += word;
    column += word.size() + (is_line_begin ? 0 : 1);
    is_line_begin = false;
  }
  return out + "\n";
}

std::string text_of(const GrantReport& grant) {
  auto text = wrapped(grant.title, 4);
  if (!grant.rows.empty()) {
    text += "  " + left("at most", limit_width);
    for (const auto* column : {"at once", "in period", "in 1h", "in 1d", "in 30d"}) text += right(column, number_width);
    text += "\n";
  }
  for (const auto& row : grant.rows) text += line_of(row);
  for (const auto& note : grant.notes) text += "  " + wrapped(note, 4, 2);
  return text + "\n";
}

}  // namespace

std::int64_t most_within(const Limit& limit, Milliseconds span) {
  const auto rate = limit.rate();
  const auto most = limit.burst + Wide{span.count() - 1} * rate.tokens / rate.interval;
  return static_cast<std::int64_t>(std::min<Wide>(most, std::numeric_limits<std::int64_t>::max()));
}

ConfigReport report_on(const Config& config) {
  ConfigReport report{{}, warnings_about(config)};
  for (const auto& quota : config.policy->parts().quotas) {
    report.grants.push_back(grant_of(title_of(quota), quota.limits));
    if (quota.block) report.grants.back().notes.push_back(block_note(*quota.block));
    for (const auto& rule : quota.overrides) report.grants.push_back(grant_of(quota, rule));
  }
  return report;
}

std::string to_text(const ConfigReport& report) {
  std::string text;
  for (const auto& grant : report.grants) text += text_of(grant);
  for (const auto& warning : report.warnings) text += wrapped("warning: " + warning, 9);
  return text;
}

}  // namespace milter
