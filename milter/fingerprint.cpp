#include "milter/fingerprint.hpp"

#include <algorithm>

#include "quota/encoding.hpp"
#include "quota/time_text.hpp"

namespace milter {
namespace {

using quota::Allowance;
using quota::Match;

constexpr std::size_t digits = 12;
constexpr std::size_t mark_digits = 6;

using Words = std::vector<std::string>;

std::string joined(const Words& words) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

template <class Items, class Say>
std::string as_set(const Items& items, Say say) {
  Words words;
  for (const auto& item : items) words.push_back(say(item));
  std::ranges::sort(words);
  return joined(words);
}

/// Its limits in one order.
std::string said(const Allowance& allowance) {
  if (allowance.kind != Allowance::Kind::limited) return quota::format(allowance);
  auto text = as_set(allowance.limits, [](const quota::Limit& limit) { return quota::format(limit); });
  if (allowance.recipients_per_message) text += "; " + std::to_string(*allowance.recipients_per_message) + " recipients / message";
  return text;
}

std::string said(const Match& match) {
  std::string text = std::to_string(static_cast<int>(match.kind)) + ":" + match.value;
  if (match.network) text += match.network->text();
  if (match.of) text += " of " + std::string(quota::name(*match.of));
  return text;
}

std::string said_matches(const std::vector<Match>& matches) {
  return as_set(matches, [](const Match& match) { return said(match); });
}

std::string said_networks(const std::vector<quota::Network>& networks) {
  return as_set(networks, [](const quota::Network& network) { return network.text(); });
}

std::string said(const quota::BlockRule& rule) {
  Words steps;
  for (const auto& step : rule.steps) steps.push_back(step ? quota::format_duration(*step) : "released");
  return std::to_string(rule.refusals) + " refusals / " + quota::format_duration(rule.window) + "; for " + joined(steps) + "; forget " +
         quota::format_duration(rule.forget) + "; " + std::string(quota::name(rule.action));
}

std::string said(const quota::Quota& quota) {
  Words kinds;
  for (const auto kind : quota.per) kinds.emplace_back(quota::name(kind));
  std::string text = "quota " + quota.name + "\n per " + joined(kinds) + "\n limits " + said(quota.limits);
  text += "\n action " + std::string(quota::name(quota.action)) + "\n when " + std::string(quota::name(quota.when));
  text += "\n mode " + std::string(quota::name(quota.mode));
  if (quota.warn_at) text += "\n warn_at " + std::to_string(*quota.warn_at);
  if (quota.block) text += "\n block " + said(*quota.block);
  for (const auto& rule : quota.overrides) text += "\n override " + said_matches(rule.match) + " is " + said(rule.limits);
  return text + "\n";
}

std::string said(const quota::IdentityRules& rules) {
  return "default_realm " + rules.default_realm + "\nrecipient_delimiter " + rules.recipient_delimiter + "\nour_networks " +
         said_networks(rules.our_networks) + "\ntrusted_relays " + said_networks(rules.trusted_relays) + "\nlocal_daemon_names " +
         as_set(rules.local_daemon_names, [](const std::string& one) { return one; }) + "\nmax_scripts_per_uid " +
         std::to_string(rules.max_scripts_per_uid) + "\n";
}

std::string said(const quota::Exemptions& exempt) {
  return "exempt users " + said_matches(exempt.users) + "\nexempt clients " + said_networks(exempt.clients) + "\nexempt senders " +
         said_matches(exempt.senders) + "\nexempt recipients " + said_matches(exempt.recipients) + "\n";
}

}  // namespace

std::string decisions_of(const Config& config) {
  const auto& parts = config.policy->parts();
  std::string text = "mode " + std::string(quota::name(parts.mode)) + "\non_failure " + std::string(quota::name(parts.on_failure));
  text += "\nnodes " + (config.store.nodes ? std::to_string(*config.store.nodes) : std::string("auto"));
  text += "\nhold " + std::to_string(config.hold.max) + " then " + std::to_string(static_cast<int>(config.hold.then)) + "\n";
  text += said(parts.identity) + said(parts.exempt);
  for (const auto& quota : parts.quotas) text += said(quota);
  text += "accounts " + as_set(parts.accounts.entries(), [](const auto& entry) {
    return entry.first + " " + entry.second.name + " " + entry.second.plan;
  });
  return text + "\n";
}

std::string fingerprint_of(const Config& config) { return quota::sha256_hex(decisions_of(config)).substr(0, digits); }

std::string node_name(const std::string& host, const StoreSettings& settings) {
  if (settings.state_dir == StoreSettings{}.state_dir) return host;
  return host + "/" + quota::sha256_hex(settings.state_dir).substr(0, mark_digits);
}

}  // namespace milter
