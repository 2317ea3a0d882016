#include "quota/override.hpp"

#include "quota/encoding.hpp"
#include "quota/text.hpp"
#include "quota/time_text.hpp"

namespace quota {
namespace {

/// Takes `since=`, `until=` and `by=` off the end of `text`. Returns the complaint, empty where there is none.
std::string take_facts(Override& entry, std::string_view& text) {
  for (;;) {
    const auto space = text.find_last_of(" \t");
    const auto word = space == std::string_view::npos ? text : text.substr(space + 1);
    const auto equals = word.find('=');
    if (equals == std::string_view::npos) return "";
    const auto key = word.substr(0, equals);
    const auto value = word.substr(equals + 1);
    if (key == "by") {
      entry.by = decoded(value);
    } else if (key == "since" || key == "until") {
      auto& moment = key == "since" ? entry.since : entry.until;
      moment = parse_moment(value);
      if (!moment) return std::string(word) + " is no time: write it as in until=2026-12-24T00:00:00Z";
    } else {
      return "unknown word '" + std::string(key) + "=': after the limit only until=TIME may follow";
    }
    text = space == std::string_view::npos ? std::string_view{} : trim(text.substr(0, space));
  }
}

}  // namespace

std::string_view name(Mode mode) { return mode == Mode::enforce ? "enforce" : "observe"; }

std::string OverrideKey::text() const {
  return (identity ? identity->text() : std::string("*")) + " " + (quota.empty() ? std::string("*") : quota);
}

bool is_quota_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && name != "held" &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string_view::npos;
}

Result<OverrideKey, std::string> parse_override_key(std::string_view field, const Spelling& spelling) {
  auto rest = field;
  const auto who = next_word(rest);
  const auto quota = next_word(rest);
  if (who.empty() || quota.empty() || !rest.empty())
    return failed<OverrideKey>("write the field as 'IDENTITY QUOTA', with * for every identity or every quota");
  OverrideKey key;
  if (who != "*") {
    const auto identity = parse_identity(who, spelling);
    if (!identity) return failed<OverrideKey>(identity.error());
    key.identity = *identity;
  }
  if (quota != "*") {
    key.quota = lower(quota);
    if (!is_quota_name(key.quota)) return failed<OverrideKey>("'" + std::string(quota) + "' is no quota's name");
  }
  return key;
}

Result<Override, std::string> parse_override(const OverrideKey& key, std::string_view text) {
  Override entry;
  auto rest = trim(text);
  if (auto complaint = take_facts(entry, rest); !complaint.empty()) return failed<Override>(std::move(complaint));
  for (const Mode mode : {Mode::enforce, Mode::observe}) {
    if (rest != name(mode)) continue;
    if (!key.is_for_all()) return failed<Override>("'" + std::string(rest) + "' is only understood for '* *'");
    entry.value = mode;
    return entry;
  }
  const auto allowance = parse_allowance(rest);
  if (!allowance) return failed<Override>(allowance.error());
  entry.value = *allowance;
  return entry;
}

std::string format(const Override& entry) {
  const auto* mode = std::get_if<Mode>(&entry.value);
  std::string text = mode ? std::string(name(*mode)) : format(std::get<Allowance>(entry.value));
  if (entry.since) text += " since=" + format_moment(*entry.since);
  if (entry.until) text += " until=" + format_moment(*entry.until);
  if (!entry.by.empty()) text += " by=" + percent_encoded(entry.by);
  return text;
}

}  // namespace quota
