#include "quota/tables.hpp"

namespace quota {

namespace {

bool counts_bytes(const Override& entry) {
  const auto* allowance = std::get_if<Allowance>(&entry.value);
  return allowance && std::any_of(allowance->limits.begin(), allowance->limits.end(),
                                  [](const Limit& limit) { return limit.unit == Unit::bytes; });
}

bool is_of_a_header(std::string_view identity) {
  const auto kind = identity.substr(0, identity.find(':'));
  return kind == name(Kind::script) || kind == name(Kind::uid) || kind == name(Kind::account);
}

}  // namespace

void Tables::block(const std::string& identity, Block block) {
  header_blocks_ += is_of_a_header(identity) && !blocked_.contains(identity) ? 1 : 0;
  note_end(block.until);
  blocked_.set(identity, std::move(block));
}

void Tables::unblock(std::string_view identity) {
  header_blocks_ -= is_of_a_header(identity) && blocked_.contains(identity) ? 1 : 0;
  blocked_.erase(identity);
}

void Tables::set_override(const std::string& key, Override entry) {
  remove_override(key);
  byte_limits_ += counts_bytes(entry) ? 1 : 0;
  note_end(entry.until);
  overrides_.set(key, std::move(entry));
}

void Tables::remove_override(std::string_view key) {
  const auto* const entry = overrides_.find(key);
  if (!entry) return;
  byte_limits_ -= counts_bytes(*entry) ? 1 : 0;
  overrides_.erase(key);
}

const Block* Tables::find_block(const Identity& identity, Timestamp now) const {
  if (blocked_.empty()) return nullptr;
  const auto* const found = blocked_.find(identity.text());
  return found && found->holds_at(now) ? found : nullptr;
}

const Allowance* Tables::find_override(const Identity& identity, const std::string& quota, Timestamp now) const {
  if (overrides_.empty()) return nullptr;
  const OverrideKey keys[] = {{identity, quota}, {identity, ""}, {std::nullopt, quota}, {std::nullopt, ""}};
  for (const auto& key : keys) {
    const auto* const found = overrides_.find(key.text());
    if (!found || !found->holds_at(now)) continue;
    if (const auto* allowance = std::get_if<Allowance>(&found->value)) return allowance;
  }
  return nullptr;
}

std::optional<Mode> Tables::mode(Timestamp now) const {
  const auto* const found = overrides_.find("* *");
  const auto* const mode = found && found->holds_at(now) ? std::get_if<Mode>(&found->value) : nullptr;
  return mode ? std::optional(*mode) : std::nullopt;
}

}  // namespace quota
