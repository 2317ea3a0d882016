#include "milter/cli/wording.hpp"

#include <fmt/format.h>

#include <ctime>

#include "milter/cli/json_reading.hpp"
#include "quota/time_text.hpp"

namespace milter::cli {
namespace {

using namespace std::chrono_literals;

tm local(quota::Timestamp moment) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(moment);
  tm parts{};
  ::localtime_r(&seconds, &parts);
  return parts;
}

std::string formatted(const tm& parts, const char* format) {
  char text[32];
  return {text, std::strftime(text, sizeof text, format, &parts)};
}

// A waiting time is rounded up: at the end of "in 42m" it is really over.
std::string distance_text(quota::Timestamp moment, quota::Timestamp now) {
  if (moment <= now) return rough_duration(now - moment) + " ago";
  const auto wait = moment - now;
  const quota::Milliseconds unit = wait < 60s ? 1s : wait < 60min ? 1min : wait < 48h ? 1h : std::chrono::days(1);
  return "in " + rough_duration((wait + unit - 1ms) / unit * unit);
}

std::string amount_text(std::int64_t amount, std::string_view unit) {
  return unit == "bytes" ? bytes_text(amount) : std::to_string(amount);
}

}  // namespace

std::string moment_text(std::string_view rfc3339, const View& view) {
  const auto moment = quota::parse_moment(rfc3339);
  if (!moment) return std::string(rfc3339);
  const auto then = local(*moment);
  const auto today = local(view.now);
  const bool same_day = then.tm_year == today.tm_year && then.tm_yday == today.tm_yday;
  return formatted(then, same_day ? "%H:%M" : "%Y-%m-%d %H:%M");
}

std::string when_text(std::string_view rfc3339, const View& view) {
  const auto moment = quota::parse_moment(rfc3339);
  if (!moment) return std::string(rfc3339);
  return moment_text(rfc3339, view) + " (" + distance_text(*moment, view.now) + ")";
}

std::string rough_duration(quota::Milliseconds duration) {
  if (duration < 60s) return fmt::format("{}s", duration / 1s);
  if (duration < 60min) return fmt::format("{}m", duration / 1min);
  if (duration < 48h) return fmt::format("{}h", duration / 1h);
  return fmt::format("{}d", duration / std::chrono::days(1));
}

std::string bytes_text(std::int64_t bytes) {
  if (bytes < 1000) return fmt::format("{}B", bytes);
  double value = static_cast<double>(bytes);
  const char* unit = "";
  for (const char* larger : {"kB", "MB", "GB", "TB"}) {
    if (value < 1000) break;
    value /= 1000;
    unit = larger;
  }
  auto text = fmt::format("{:.1f}", value);
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return text + unit;
}

std::string use_text(const boost::json::object& limit) {
  const auto unit = text_at(limit, "unit"), period = text_at(limit, "period");
  const auto amount = number_at(limit, "amount");
  if (!amount || period.empty()) return text_at(limit, "limit");
  const auto words = unit == "bytes" ? std::string() : " " + unit;
  if (period == "message") return "at most " + amount_text(*amount, unit) + words + " per message";
  const auto burst = number_at(limit, "burst").value_or(*amount);
  const auto used = amount_text(number_at(limit, "used").value_or(0), unit) + "/" + amount_text(burst, unit) + words;
  if (burst == *amount) return used + " per " + period;
  return used + ", " + amount_text(*amount, unit) + " per " + period;
}

Style use_style(const boost::json::object& limit) {
  if (text_at(limit, "limit") == "none") return Style::bad;
  const auto used = number_at(limit, "used"), burst = number_at(limit, "burst");
  if (!used || !burst) return Style::plain;
  if (*used >= *burst) return Style::bad;
  return *used >= *burst - *burst / 5 ? Style::warning : Style::plain;
}

std::string until_text(const boost::json::object& entry, std::string_view fallback, const View& view) {
  const auto until = text_at(entry, "until");
  return until.empty() ? std::string(fallback) : "until " + when_text(until, view);
}

}  // namespace milter::cli
