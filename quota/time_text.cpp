#include "quota/time_text.hpp"

#include <array>
#include <cstdio>

#include "quota/text.hpp"

namespace quota {
namespace {

struct DurationUnit {
  std::string_view suffix;
  Milliseconds length;
};

constexpr std::array<DurationUnit, 6> duration_units{{{"w", std::chrono::weeks{1}},
                                                      {"d", std::chrono::days{1}},
                                                      {"h", std::chrono::hours{1}},
                                                      {"m", std::chrono::minutes{1}},
                                                      {"s", std::chrono::seconds{1}},
                                                      {"ms", Milliseconds{1}}}};

const DurationUnit* unit_called(std::string_view suffix) {
  for (const auto& unit : duration_units)
    if (unit.suffix == suffix) return &unit;
  return nullptr;
}

/// Reads exactly `digits` digits off the front of `rest`.
std::optional<int> take_digits(std::string_view& rest, std::size_t digits) {
  if (rest.size() < digits) return std::nullopt;
  const auto value = parse_number<int>(rest.substr(0, digits));
  if (value) rest.remove_prefix(digits);
  return value;
}

bool take(std::string_view& rest, char c) {
  if (rest.empty() || rest.front() != c) return false;
  rest.remove_prefix(1);
  return true;
}

std::optional<Milliseconds> take_fraction(std::string_view& rest) {
  if (!take(rest, '.')) return Milliseconds{0};
  int scale = 100, value = 0;
  bool any = false;
  for (; !rest.empty() && rest.front() >= '0' && rest.front() <= '9'; rest.remove_prefix(1), scale /= 10, any = true)
    value += scale * (rest.front() - '0');
  if (!any) return std::nullopt;
  return Milliseconds{value};
}

std::optional<Milliseconds> take_offset(std::string_view& rest) {
  if (take(rest, 'Z') || take(rest, 'z')) return Milliseconds{0};
  const int sign = take(rest, '+') ? 1 : take(rest, '-') ? -1 : 0;
  if (sign == 0) return std::nullopt;
  const auto hours = take_digits(rest, 2);
  if (!hours || *hours > 23) return std::nullopt;
  take(rest, ':');
  const auto minutes = take_digits(rest, 2);
  if (!minutes || *minutes > 59) return std::nullopt;
  return sign * (std::chrono::hours{*hours} + std::chrono::minutes{*minutes});
}

std::optional<std::chrono::sys_days> take_date(std::string_view& rest) {
  const auto year = take_digits(rest, 4);
  if (!year || !take(rest, '-')) return std::nullopt;
  const auto month = take_digits(rest, 2);
  if (!month || !take(rest, '-')) return std::nullopt;
  const auto day = take_digits(rest, 2);
  if (!day) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year{*year}, std::chrono::month{static_cast<unsigned>(*month)},
                                         std::chrono::day{static_cast<unsigned>(*day)}};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days{date};
}

std::optional<Milliseconds> take_time_of_day(std::string_view& rest) {
  const auto hours = take_digits(rest, 2);
  if (!hours || *hours > 23 || !take(rest, ':')) return std::nullopt;
  const auto minutes = take_digits(rest, 2);
  if (!minutes || *minutes > 59 || !take(rest, ':')) return std::nullopt;
  const auto seconds = take_digits(rest, 2);
  if (!seconds || *seconds > 59) return std::nullopt;
  const auto fraction = take_fraction(rest);
  if (!fraction) return std::nullopt;
  return std::chrono::hours{*hours} + std::chrono::minutes{*minutes} + std::chrono::seconds{*seconds} + *fraction;
}

}  // namespace

Result<Milliseconds, std::string> parse_duration(std::string_view text) {
  const auto digits = text.find_first_not_of("0123456789");
  const auto count = parse_number(text.substr(0, digits));
  const auto* unit = digits == std::string_view::npos ? nullptr : unit_called(trim(text.substr(digits)));
  if (!count || !unit)
    return "'" + std::string(text) + "' is no duration: write a whole number and ms, s, m, h, d or w, as in 15m";
  if (*count < 1) return "'" + std::string(text) + "' is no duration: it must be at least 1 ms";
  if (*count > longest_duration / unit->length)
    return "'" + std::string(text) + "' is too long: at most " + format_duration(longest_duration);
  return Milliseconds{*count * unit->length};
}

std::string format_duration(Milliseconds duration) {
  for (const auto& unit : duration_units)
    if (unit.suffix != "w" && duration.count() != 0 && duration % unit.length == Milliseconds{0})
      return std::to_string(duration / unit.length) + std::string(unit.suffix);
  return std::to_string(duration.count()) + "ms";
}

std::optional<Timestamp> parse_moment(std::string_view text) {
  auto rest = trim(text);
  const auto date = take_date(rest);
  if (!date || !(take(rest, 'T') || take(rest, 't') || take(rest, ' '))) return std::nullopt;
  const auto time = take_time_of_day(rest);
  if (!time) return std::nullopt;
  const auto offset = take_offset(rest);
  if (!offset || !rest.empty()) return std::nullopt;
  return Timestamp{date->time_since_epoch() + *time - *offset};
}

std::string format_moment(Timestamp moment) {
  const auto day = std::chrono::floor<std::chrono::days>(moment);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss time{moment - day};
  std::array<char, 48> out{};
  const auto ms = time.subseconds().count();
  std::snprintf(out.data(), out.size(), ms == 0 ? "%04d-%02u-%02uT%02d:%02d:%02dZ" : "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ",
                static_cast<int>(date.year()), static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(time.hours().count()), static_cast<int>(time.minutes().count()),
                static_cast<int>(time.seconds().count()), static_cast<int>(ms));
  return out.data();
}

}  // namespace quota
