#include "quota/tables.hpp"

#include <algorithm>

namespace quota {

const Block* Tables::find_block(const Identity& identity, Timestamp now) const {
  if (blocked.empty()) return nullptr;
  const auto found = blocked.find(identity.text());
  return found != blocked.end() && found->second.holds_at(now) ? &found->second : nullptr;
}

const Allowance* Tables::find_override(const Identity& identity, const std::string& quota, Timestamp now) const {
  if (overrides.empty()) return nullptr;
  const OverrideKey keys[] = {{identity, quota}, {identity, ""}, {std::nullopt, quota}, {std::nullopt, ""}};
  for (const auto& key : keys) {
    const auto found = overrides.find(key.text());
    if (found == overrides.end() || !found->second.holds_at(now)) continue;
    const auto* allowance = std::get_if<Allowance>(&found->second.value);
    if (allowance) return allowance;
  }
  return nullptr;
}

std::optional<Mode> Tables::mode(Timestamp now) const {
  const auto found = overrides.find("* *");
  if (found == overrides.end() || !found->second.holds_at(now)) return std::nullopt;
  const auto* mode = std::get_if<Mode>(&found->second.value);
  return mode ? std::optional(*mode) : std::nullopt;
}

void Tables::note_needs() {
  const auto counts_bytes = [](const auto& entry) {
    const auto* allowance = std::get_if<Allowance>(&entry.second.value);
    return allowance && std::any_of(allowance->limits.begin(), allowance->limits.end(),
                                    [](const Limit& limit) { return limit.unit == Unit::bytes; });
  };
  const auto is_of_a_header = [](const auto& entry) {
    const auto kind = entry.first.substr(0, entry.first.find(':'));
    return kind == name(Kind::script) || kind == name(Kind::uid) || kind == name(Kind::account);
  };
  needs.bytes = std::any_of(overrides.begin(), overrides.end(), counts_bytes);
  needs.php_header = std::any_of(blocked.begin(), blocked.end(), is_of_a_header);
}

}  // namespace quota
