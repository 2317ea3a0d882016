#include "quota/block.hpp"

#include <algorithm>

#include "quota/encoding.hpp"
#include "quota/text.hpp"
#include "quota/time_text.hpp"

namespace quota {
namespace {

constexpr std::string_view error_prefix = "ERROR: ";
constexpr std::size_t most_quoted_bytes = 500;
constexpr std::string_view reason_key = "reason";

/// `word=value` at the front of a text; empty where the reason begins.
std::optional<std::pair<std::string_view, std::string_view>> fact_of(std::string_view word) {
  const auto equals = word.find('=');
  if (equals == 0 || equals == std::string_view::npos) return std::nullopt;
  const auto key = word.substr(0, equals);
  if (key.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") != std::string_view::npos) return std::nullopt;
  return std::pair{key, word.substr(equals + 1)};
}

std::string set_moment(std::optional<Timestamp>& into, std::string_view key, std::string_view value) {
  into = parse_moment(value);
  if (into) return "";
  return std::string(key) + "=" + std::string(value) + " is no time: write it as in " + std::string(key) + "=2026-12-01T00:00:00Z";
}

std::string set_action(Action& into, std::string_view value) {
  const auto action = action_called(value);
  if (!action || *action == Action::accept) return "action=" + std::string(value) + ": write tempfail, reject or quarantine";
  into = *action;
  return "";
}

/// Puts one fact into the block. Returns the complaint, empty where there is none.
std::string set(Block& block, std::string_view key, std::string_view value) {
  if (key == "since") return set_moment(block.since, key, value);
  if (key == "until") return set_moment(block.until, key, value);
  if (key == "action") return set_action(block.action, value);
  if (key == "id") block.id = value;
  else if (key == "quota") block.quota = value;
  else if (key == "by") block.by = decoded(value);
  else if (key == "step") {
    const auto step = parse_number(value);
    if (!step || *step > 1'000'000) return "step=" + std::string(value) + " is no step";
    block.step = *step;
  } else {
    return "unknown word '" + std::string(key) + "=': write until= or action=, then the reason";
  }
  return "";
}

}  // namespace

Result<Block, std::string> parse_block(std::string_view text) {
  Block block;
  if (is_error_text(text)) {
    block.is_error = true;
    block.reason = trim(text);
    return block;
  }
  auto rest = trim(text);
  while (!rest.empty()) {
    auto after = rest;
    const auto fact = fact_of(next_word(after));
    if (fact && fact->first == reason_key) rest = trim(rest.substr(reason_key.size() + 1));
    if (!fact || fact->first == reason_key) break;
    if (auto complaint = set(block, fact->first, fact->second); !complaint.empty())
      return {boost::system::in_place_error, std::move(complaint)};
    rest = after;
  }
  block.reason = rest;
  return block;
}

std::string format(const Block& block) {
  if (block.is_error) return block.reason;
  std::string text;
  const auto add = [&](std::string_view key, const std::string& value) {
    if (!value.empty()) text.append(key).append("=").append(value).append(" ");
  };
  add("id", block.id);
  if (block.since) add("since", format_moment(*block.since));
  if (block.until) add("until", format_moment(*block.until));
  add("action", std::string(name(block.action)));
  add("quota", block.quota);
  if (block.step > 0) add("step", std::to_string(block.step));
  add("by", percent_encoded(block.by));
  auto reason = std::string_view(block.reason);
  if (fact_of(next_word(reason))) text.append(reason_key).append("=");
  text += block.reason;
  return std::string(trim(text));
}

std::string error_text(std::string_view complaint, std::string_view written) {
  return std::string(error_prefix) + std::string(complaint) + " (" + std::string(head_of(written, most_quoted_bytes)) + ")";
}

bool is_error_text(std::string_view text) { return trim(text).starts_with(trim(error_prefix)); }

NextBlock next_block(const BlockRule& rule, const BlockDue& due, const std::optional<Ladder>& before, Timestamp now) {
  const bool remembered = before && before->step > 0 && now < before->forget_at;
  const auto step = remembered ? before->step + 1 : 1;
  const auto lasting = rule.steps[static_cast<std::size_t>(std::min<std::int64_t>(step, std::ssize(rule.steps)) - 1)];
  NextBlock next;
  next.block.since = now;
  if (lasting) next.block.until = now + *lasting;
  next.block.action = lasting ? rule.action : Action::reject;
  next.block.quota = due.quota;
  next.block.step = step;
  next.block.reason = std::to_string(due.refusals) + " refusals in " + format_duration(rule.window);
  next.ladder = {step, lasting ? *next.block.until + rule.forget : now + endless_block_kept_for};
  return next;
}

}  // namespace quota
