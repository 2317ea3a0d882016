#include "quota/record.hpp"

#include <algorithm>

#include "quota/text.hpp"
#include "quota/time_text.hpp"

namespace quota {
namespace {

constexpr std::string_view refusals_suffix = " refusals";
constexpr std::string_view held_prefix = "held ";

std::string pair_text(std::int64_t first, Timestamp second) {
  return std::to_string(first) + " " + std::to_string(second.time_since_epoch().count());
}

std::optional<std::pair<std::int64_t, Timestamp>> parse_pair(std::string_view text) {
  const auto space = text.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  const auto first = parse_number(text.substr(0, space));
  const auto second = parse_number(text.substr(space + 1));
  if (!first || !second || *first >= exact_bound || *second >= exact_bound) return std::nullopt;
  return std::pair{*first, Timestamp{Milliseconds{*second}}};
}

/// The period in a bucket's field name: `mailbox messages/15m` → 15 min.
std::optional<Milliseconds> period_of(std::string_view field) {
  const auto slash = field.rfind('/');
  if (slash == std::string_view::npos || field.find(' ') == std::string_view::npos) return std::nullopt;
  const auto period = parse_duration(field.substr(slash + 1));
  if (!period) return std::nullopt;
  return *period;
}

template <class Map, class Key, class Value>
void put(Map& map, Key&& key, const std::optional<Value>& value) {
  if (value) map.insert_or_assign(std::forward<Key>(key), *value);
}

}  // namespace

std::string bucket_field(std::string_view quota, const Limit& limit) { return std::string(quota) + " " + bucket_name(limit); }
std::string refusals_field(std::string_view quota) { return std::string(quota) + std::string(refusals_suffix); }
std::string held_field(std::string_view host) { return std::string(held_prefix) + std::string(host); }

std::string format(const Refusals& refusals) { return pair_text(refusals.count, refusals.since); }
std::string format(const Ladder& ladder) { return pair_text(ladder.step, ladder.forget_at); }

std::optional<Refusals> parse_refusals(std::string_view text) {
  const auto pair = parse_pair(text);
  if (!pair) return std::nullopt;
  return Refusals{pair->first, pair->second};
}

std::optional<Ladder> parse_ladder(std::string_view text) {
  const auto pair = parse_pair(text);
  if (!pair) return std::nullopt;
  return Ladder{pair->first, pair->second};
}

RecordText format(const Record& record) {
  RecordText fields;
  for (const auto& [field, bucket] : record.buckets) fields.emplace_back(field, format(bucket));
  for (const auto& [quota, refusals] : record.refusals) fields.emplace_back(refusals_field(quota), format(refusals));
  if (record.ladder) fields.emplace_back("ladder", format(*record.ladder));
  if (!record.block.empty()) fields.emplace_back("block", record.block);
  for (const auto& [host, count] : record.held) fields.emplace_back(held_field(host), std::to_string(count));
  return fields;
}

Record parse_record(const RecordText& fields) {
  Record record;
  for (const auto& [field, text] : fields) {
    if (field == "ladder")
      record.ladder = parse_ladder(text);
    else if (field == "block")
      record.block = text;
    else if (field.starts_with(held_prefix))
      put(record.held, field.substr(held_prefix.size()), parse_number(text));
    else if (field.ends_with(refusals_suffix))
      put(record.refusals, field.substr(0, field.size() - refusals_suffix.size()), parse_refusals(text));
    else if (const auto period = period_of(field))
      put(record.buckets, field, parse_bucket(text, *period));
  }
  return record;
}

Refusals counted(const std::optional<Refusals>& before, Timestamp now, Milliseconds window, std::int64_t more) {
  if (!before || now < before->since || now - before->since >= window) return {more, now};
  return {std::min(before->count + more, exact_bound - 1), before->since};
}

Ladder prolonged(const std::optional<Ladder>& held, const Ladder& marked) {
  return held ? Ladder{held->step, std::max(held->forget_at, marked.forget_at)} : marked;
}

}  // namespace quota
