#include "milter/api_json.hpp"

#include <algorithm>
#include <array>

#include "quota/time_text.hpp"

namespace milter {
namespace {

namespace json = boost::json;
using quota::Allowance;
using quota::Timestamp;

std::string_view name(quota::Policy::Grant::Source source) {
  constexpr std::array<std::string_view, 3> names{"quota", "config override", "live override"};
  return names[static_cast<std::size_t>(source)];
}

json::string text(std::string_view view) { return json::string(view.data(), view.size()); }

/// A row of `limits`: a bucket, a bound, or a word that stands for all limits.
json::object limit_row(const quota::Quota& quota, std::string limit, bool observed, std::string_view source) {
  return {{"quota", quota.name}, {"limit", std::move(limit)}, {"unit", nullptr},    {"amount", nullptr},   {"period", nullptr},
          {"burst", nullptr},    {"used", nullptr},           {"full_at", nullptr}, {"observed", observed}, {"source", text(source)}};
}

void add_bucket(json::object& row, const quota::Limit& limit, const quota::Bucket& bucket, Timestamp now) {
  row["unit"] = text(quota::name(limit.unit));
  row["amount"] = limit.amount;
  row["period"] = quota::format_duration(limit.period);
  row["burst"] = limit.burst;
  row["used"] = quota::used_units(bucket);
  if (const auto wait = full_after(limit, bucket); wait > quota::Milliseconds{0}) row["full_at"] = quota::format_moment(now + wait);
}

void add_limits(json::array& rows, const quota::Quota& quota, const quota::Identity& identity, const IdentityFacts& facts) {
  const auto grant = facts.policy.granted(quota, identity, facts.tables, facts.now);
  const bool observed = facts.policy.mode_of(quota, facts.tables, facts.now) == quota::Mode::observe;
  const auto source = name(grant.source);
  if (grant.allowance.kind != Allowance::Kind::limited) {
    rows.push_back(limit_row(quota, quota::format(grant.allowance), observed, source));
    return;
  }
  for (const auto& limit : grant.allowance.limits) {
    const auto found = facts.record.buckets.find(quota::bucket_field(quota.name, limit));
    const auto written = found == facts.record.buckets.end() ? std::nullopt : std::optional(found->second);
    auto row = limit_row(quota, quota::format(limit), observed, source);
    add_bucket(row, limit, quota::refilled(limit, written, facts.now), facts.now);
    rows.push_back(std::move(row));
  }
  if (const auto bound = grant.allowance.recipients_per_message) {
    auto row = limit_row(quota, std::to_string(*bound) + " recipients / message", observed, source);
    row["unit"] = "recipients";
    row["amount"] = *bound;
    row["period"] = "message";
    rows.push_back(std::move(row));
  }
}

json::array refusals_json(const IdentityFacts& facts) {
  json::array rows;
  for (const auto& [quota_name, refusals] : facts.record.refusals) {
    const auto* quota = facts.policy.find(quota_name);
    if (!quota || !quota->block || facts.now - refusals.since >= quota->block->window) continue;
    rows.push_back(json::object{{"quota", quota_name},
                                {"count", refusals.count},
                                {"of", quota->block->refusals},
                                {"window", quota::format_duration(quota->block->window)},
                                {"since", quota::format_moment(refusals.since)}});
  }
  return rows;
}

/// Why nothing is charged to this identity by the configuration; null where it is.
json::value exemption(const quota::Identity& identity, const quota::Exemptions& exempt) {
  const auto covers = [&](const std::vector<quota::Match>& matches) {
    return std::any_of(matches.begin(), matches.end(),
                       [&](const quota::Match& match) { return quota::specificity(match, {identity, {}, {}, {}}).has_value(); });
  };
  if (identity.kind == quota::Kind::user && covers(exempt.users)) return "exempt.users";
  if (identity.kind == quota::Kind::sender && covers(exempt.senders)) return "exempt.senders";
  if (identity.kind != quota::Kind::client) return nullptr;
  const auto address = quota::IpAddress::parse(std::string_view(identity.value).substr(0, identity.value.find('/')));
  const bool is_covered = address && std::any_of(exempt.clients.begin(), exempt.clients.end(),
                                                 [&](const quota::Network& network) { return network.contains(*address); });
  return is_covered ? json::value("exempt.clients") : json::value(nullptr);
}

}  // namespace

json::value moment_json(const std::optional<Timestamp>& moment) {
  return moment ? json::value(quota::format_moment(*moment)) : json::value(nullptr);
}

json::value text_json(std::string_view view) { return view.empty() ? json::value(nullptr) : json::value(text(view)); }

json::object block_json(const std::string& identity, const quota::Block& block) {
  return {{"identity", identity},
          {"id", block.id},
          {"since", moment_json(block.since)},
          {"until", moment_json(block.until)},
          {"action", text(quota::name(block.action))},
          {"by_hand", block.is_by_hand()},
          {"by", text_json(block.by)},
          {"quota", text_json(block.quota)},
          {"step", block.step > 0 ? json::value(block.step) : json::value(nullptr)},
          {"reason", block.is_error ? std::string() : block.reason},
          {"error", block.is_error ? json::value(block.reason) : json::value(nullptr)}};
}

json::object override_json(const quota::OverrideKey& key, const quota::Override& entry) {
  const auto* mode = std::get_if<quota::Mode>(&entry.value);
  return {{"identity", key.identity ? key.identity->text() : "*"},
          {"quota", key.quota.empty() ? "*" : key.quota},
          {"limit", mode ? std::string(quota::name(*mode)) : quota::format(std::get<Allowance>(entry.value))},
          {"since", moment_json(entry.since)},
          {"until", moment_json(entry.until)},
          {"by", text_json(entry.by)},
          {"error", nullptr}};
}

json::object override_error_json(const std::string& field, const std::string& text) {
  const auto key = quota::parse_override_key(field);
  const auto word = [](std::string name) { return json::value(name.empty() ? "*" : std::move(name)); };
  return {{"identity", key ? word(key->identity ? key->identity->text() : "") : json::value(field)},
          {"quota", key ? word(key->quota) : json::value(nullptr)},
          {"limit", nullptr},
          {"since", nullptr},
          {"until", nullptr},
          {"by", nullptr},
          {"error", text}};
}

json::object mode_json(const quota::Policy& policy, const quota::Tables& tables, Timestamp now) {
  json::array quotas;
  for (const auto& quota : policy.parts().quotas) {
    const auto configured = policy.parts().mode == quota::Mode::observe ? quota::Mode::observe : quota.mode;
    quotas.push_back(json::object{{"quota", quota.name},
                                  {"mode", text(quota::name(configured))},
                                  {"effective", text(quota::name(policy.mode_of(quota, tables, now)))}});
  }
  const auto live = tables.mode(now);
  const auto* const found = tables.overrides().find("* *");
  const auto entry = live && found ? *found : quota::Override{};
  return {{"live", live ? json::value(text(quota::name(*live))) : json::value(nullptr)},
          {"since", moment_json(entry.since)},
          {"until", moment_json(entry.until)},
          {"by", text_json(entry.by)},
          {"quotas", std::move(quotas)}};
}

json::object node_json(const quota::Node& node, const quota::NodeList& list, const std::string& self) {
  return {{"node", node.name},
          {"version", node.version},
          {"config", node.config},
          {"config_since", quota::format_moment(node.config_since)},
          {"seen", quota::format_moment(node.seen)},
          {"state", text(name(node.state))},
          {"since", quota::format_moment(node.since)},
          {"alive", list.is_alive(node)},
          {"differs", list.is_odd(node)},
          {"self", node.name == self}};
}

json::object nodes_json(const quota::NodeList& list) {
  return {{"alive", list.alive()}, {"counted", list.count()}, {"differ", list.has_odd()}};
}

json::object identity_json(const quota::Identity& identity, const IdentityFacts& facts) {
  const std::array accounts{&facts.tables.accounts, &facts.policy.parts().accounts};
  const auto* account = quota::account_of(accounts, identity);
  json::array limits;
  for (const auto& quota : facts.policy.parts().quotas)
    if (std::find(quota.per.begin(), quota.per.end(), identity.kind) != quota.per.end()) add_limits(limits, quota, identity, facts);
  json::array held;
  for (const auto& [host, count] : facts.record.held) held.push_back(json::object{{"host", host}, {"count", count}, {"max", facts.hold_max}});
  const auto* block = facts.tables.find_block(identity, facts.now);
  const auto& ladder = facts.record.ladder;
  const bool climbs = ladder && ladder->step > 0 && facts.now < ladder->forget_at;
  return {{"identity", identity.text()},
          {"account", account ? json::value(account->name) : json::value(nullptr)},
          {"exempt", exemption(identity, facts.policy.parts().exempt)},
          {"blocked", block ? json::value(block_json(identity.text(), *block)) : json::value(nullptr)},
          {"limits", std::move(limits)},
          {"refusals", refusals_json(facts)},
          {"ladder", climbs ? json::value(json::object{{"step", ladder->step}, {"forget_at", quota::format_moment(ladder->forget_at)}})
                            : json::value(nullptr)},
          {"held", std::move(held)}};
}

}  // namespace milter
