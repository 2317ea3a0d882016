#include "milter/desk.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "milter/api_json.hpp"
#include "milter/config_report.hpp"
#include "milter/desk_problems.hpp"
#include "milter/fingerprint.hpp"
#include "milter/history_json.hpp"
#include "quota/patience.hpp"
#include "quota/text.hpp"
#include "quota/time_text.hpp"

namespace milter {
namespace {

namespace json = boost::json;
using quota::Action;
using quota::Cause;
using namespace std::chrono_literals;

constexpr auto obeyed_soon = 300ms;
constexpr std::size_t messages_shown = 20;
admin::Problem store_problem(const std::string& what) {
  return {admin::Problem::Kind::unavailable, "the store has no answer: " + what, "what was ordered may have been done in part; look, and order it again", {}};
}

admin::Problem store_away(const std::string& error) {
  return {admin::Problem::Kind::unavailable, "the store has no answer: " + error, "mail goes on as store.on_failure says", {}};
}

admin::Problem handle_problem(const quota::HandleError& error) {
  using Why = quota::HandleError::Kind;
  switch (error.kind) {
    case Why::store: return store_problem(error.text);
    case Why::not_understood: return bad_request(error.text);
    case Why::busy: break;
    case Why::holds_mode: return refusal(error.text, "to take the mode away first: sendquota mode config");
    case Why::holds_limit: return refusal(error.text, "to take the limit away first: sendquota limit '*' '*' remove");
  }
  return refusal(error.text, "somebody else is changing the same entry; try again");
}

OrProblem<std::optional<quota::Milliseconds>> duration_of(const std::optional<std::string>& typed) {
  if (!typed) return std::optional<quota::Milliseconds>{};
  const auto duration = quota::parse_duration(*typed);
  if (!duration) return bad_request(duration.error());
  return std::optional{*duration};
}

bool shows(const quota::Tables& tables, const quota::OverrideKey& key, const quota::Override& entry) {
  const auto* const found = tables.overrides().find(key.text());
  return found && *found == entry;
}

std::uint64_t read(const Counters::Counter& counter) { return counter.load(std::memory_order_relaxed); }

json::object mail_json(const Counters& counters) {
  const auto by_action = [&](Action action) { return read(counters.by_action[static_cast<std::size_t>(action)]); };
  const auto by_cause = [&](Cause cause) { return read(counters.by_cause[static_cast<std::size_t>(cause)]); };
  return {{"accepted", by_action(Action::accept)},
          {"tempfailed", by_action(Action::tempfail)},
          {"rejected", by_action(Action::reject)},
          {"held", by_action(Action::quarantine)},
          {"discarded", read(counters.discarded)},
          {"observed", read(counters.observed)},
          {"inbound", by_cause(Cause::inbound)},
          {"uncovered", by_cause(Cause::uncovered)}};
}

json::object signals_json(const Counters& counters) {
  return {{"refused_early", read(counters.refused_early)},
          {"store_errors", read(counters.store_errors)},
          {"judged_by_share", read(counters.judged_by_share)},
          {"php_headers_ignored", read(counters.php_headers_ignored)},
          {"php_headers_repeated", read(counters.php_headers_repeated)},
          {"php_headers_malformed", read(counters.php_headers_malformed)},
          {"php_evaluated", read(counters.php_evaluated)},
          {"scripts_over_bound", read(counters.scripts_over_bound)},
          {"without_login", read(counters.without_login)},
          {"not_negotiated", read(counters.not_negotiated)},
          {"quarantine_failed", read(counters.quarantine_failed)},
          {"events_dropped", read(counters.events_dropped)},
          {"notifications", read(counters.notifications)},
          {"notifications_failed", read(counters.notifications_failed)},
          {"never_negotiated", read(counters.never_negotiated)},
          {"abandoned", read(counters.abandoned)},
          {"connections", read(counters.connections)},
          {"open_connections", counters.open_connections.load(std::memory_order_relaxed)}};
}

json::array warnings_json(const Config& config, const Counters& counters, const StoreSetup::Health& health, const RecordBook::Health& record) {
  json::array warnings;
  if (!record.error.empty()) warnings.emplace_back(about_record(record.error));
  if (!health.tables_error.empty() && !health.bad_since)
    warnings.emplace_back("the live tables cannot be read, what is known of them holds: " + health.tables_error);
  for (const auto& [what, error] : health.not_kept) warnings.emplace_back(about_state(what, error));
  if (!health.discovery_error.empty()) warnings.emplace_back(about_discovery(health.discovery_error));
  for (const auto& [server, policy] : health.evicting) warnings.emplace_back(about_eviction(server, policy));
  for (const auto& warning : warnings_about(config)) warnings.emplace_back(warning);
  if (read(counters.notifications_failed) > 0) warnings.emplace_back("notify.command has failed: incidents were not told; the log says why");
  if (read(counters.without_login) > 0)
    warnings.emplace_back("the MTA sends no {auth_authen} for authenticated mail: add it to milter_mail_macros; that mail is uncovered");
  if (read(counters.by_cause[static_cast<std::size_t>(Cause::uncovered)]) > 0)
    warnings.emplace_back("some outgoing mail is covered by no quota; see 'uncovered'");
  return warnings;
}

json::object record_json(const RecordBook::Health& health, const Counters& counters) {
  return {{"on", health.is_on}, {"error", text_json(health.error)}, {"dropped", health.dropped + read(counters.unrecorded)}};
}

json::object store_json(const StoreSetup::Health& health) {
  json::value outage = nullptr;
  if (const auto& last = health.last_outage)
    outage = json::object{{"from", quota::format_moment(last->from)}, {"to", quota::format_moment(last->to)}, {"error", last->error}};
  return {{"url", health.url},
          {"state", health.bad_since ? "degraded" : "ok"},
          {"since", moment_json(health.bad_since)},
          {"error", text_json(health.error)},
          {"tables_error", text_json(health.tables_error)},
          {"state_error", text_json(health.not_kept.empty() ? "" : health.not_kept.begin()->second)},
          {"last_outage", std::move(outage)}};
}

json::value setting_json(const std::optional<std::int64_t>& nodes) { return nodes ? json::value(*nodes) : json::value("auto"); }

}  // namespace

Desk::Desk(DeskTools tools) : tools_(std::move(tools)), started_(now()) {}

Desk::Answer Desk::ready() {
  const auto health = tools_.setup.health();
  if (health.bad_since) return store_away(health.error);
  return json::object{{"status", "ok"}};
}

Desk::Answer Desk::ask_store() {
  if (const auto health = tools_.setup.health(); health.bad_since) return store_away(health.error);
  const quota::BriefPatience patience;
  if (const auto record = tools_.setup.ledger().record(quota::everyone_identity()); !record) return store_away(record.error().text);
  return json::object{{"status", "ok"}};
}

OrProblem<quota::Identity> Desk::identity_of(const std::string& typed) const {
  const auto identity = quota::parse_identity(typed, tools_.config()->policy->parts().identity.spelling());
  if (!identity) return bad_request(identity.error());
  return *identity;
}

OrProblem<quota::OverrideKey> Desk::key_of(const std::string& identity, const std::string& quota) const {
  quota::OverrideKey key;
  if (identity != "*") {
    const auto parsed = identity_of(identity);
    if (!parsed) return parsed.error();
    key.identity = *parsed;
  }
  if (quota != "*") key.quota = quota;
  return key;
}

std::optional<admin::Problem> Desk::complaint_about(const std::string& quota) const {
  const auto config = tools_.config();
  if (quota == "*" || config->policy->find(quota)) return std::nullopt;
  std::string known;
  for (const auto& one : config->policy->parts().quotas) known += (known.empty() ? "" : ", ") + one.name;
  return admin::Problem{admin::Problem::Kind::not_found, "there is no quota '" + quota + "'", "quotas are: " + known + "; or * for all", {}};
}

/// A table was changed: who gave the order and looks at once sees it obeyed, unless the store is slow. That a reading has
/// come since is not enough: it may have begun before.
void Desk::see(const std::function<bool(const quota::Tables&)>& is_there) {
  tools_.forget_refusals();
  tools_.keeper.wake();
  const auto deadline = std::chrono::steady_clock::now() + obeyed_soon;
  while (!is_there(*tools_.keeper.tables()) && std::chrono::steady_clock::now() < deadline) std::this_thread::sleep_for(2ms);
}

Desk::Answer Desk::status() {
  const auto config = tools_.config();
  const auto tables = tools_.keeper.tables();
  const auto health = tools_.setup.health();
  const auto at = now();
  return json::object{{"version", SENDQUOTA_VERSION},
                      {"host", tools_.host},
                      {"pid", static_cast<std::int64_t>(::getpid())},
                      {"started", quota::format_moment(started_)},
                      {"uptime_ms", (at - started_).count()},
                      {"config", json::object{{"file", config->file_name},
                                              {"loaded", quota::format_moment(tools_.config_loaded_at())},
                                              {"quotas", config->policy->parts().quotas.size()},
                                              {"fingerprint", fingerprint_of(*config)}}},
                      {"mode", mode_json(*config->policy, *tables, at)},
                      {"store", store_json(health)},
                      {"nodes", summary_of_nodes()},
                      {"mail", mail_json(tools_.counters)},
                      {"record", record_json(tools_.book.health(), tools_.counters)},
                      {"signals", signals_json(tools_.counters)},
                      {"blocked", tables->count_blocks(at)},
                      {"live_limits", tables->count_overrides(at)},
                      {"warnings", warnings_json(*config, tools_.counters, health, tools_.book.health())}};
}

Desk::Answer Desk::show(const std::string& typed) {
  const auto identity = identity_of(typed);
  if (!identity) return identity.error();
  const quota::BriefPatience patience;
  const auto record = tools_.setup.ledger().record(*identity);
  if (!record) return no_answer_of_store(record.error().text);
  const auto config = tools_.config();
  const auto tables = tools_.keeper.tables();
  auto shown = identity_json(*identity, {*config->policy, *tables, *record, config->hold.max, now()});
  const auto kept = kept_of(*identity);
  shown["history"] = kept && *kept ? json::value(history_json(**kept, messages_shown, now())) : json::value(nullptr);
  shown["networks_most"] = config->record.bounds.networks;
  shown["history_error"] = text_json(kept && !*kept ? kept->error().text : "");
  return shown;
}

json::object Desk::summary_of_nodes() const {
  auto summary = nodes_json(tools_.nodes.last());
  summary["shared_by"] = tools_.nodes.count();
  summary["setting"] = setting_json(tools_.config()->store.nodes);
  return summary;
}

Desk::Answer Desk::nodes() {
  const quota::BriefPatience patience;
  const auto look = tools_.nodes.look();
  json::array rows;
  for (const auto& node : look.list.nodes) rows.push_back(node_json(node, look.list, tools_.node));
  return json::object{{"nodes", std::move(rows)},
                      {"alive", look.list.alive()},
                      {"counted", look.list.count()},
                      {"shared_by", tools_.nodes.count()},
                      {"setting", setting_json(tools_.config()->store.nodes)},
                      {"error", text_json(look.error)}};
}

Desk::Answer Desk::mode() {
  auto answer = mode_json(*tools_.config()->policy, *tools_.keeper.tables(), now());
  answer["error"] = text_json(doubt_about(quota::Table::override_));
  return answer;
}

Desk::Answer Desk::set_mode(const admin::ModeOrder& order) {
  const auto lasting = duration_of(order.lasting);
  if (!lasting) return lasting.error();
  const auto mode = order.mode == "observe" ? quota::Mode::observe : quota::Mode::enforce;
  if (order.mode != name(mode)) return bad_request("'" + order.mode + "' is no mode: write observe or enforce");
  const auto done = tools_.handles.set_mode(mode, *lasting, order.by.user);
  if (!done) return handle_problem(done.error());
  see([&](const quota::Tables& tables) { return shows(tables, {}, *done); });
  quota::Tables after;
  after.set_override("* *", *done);
  return mode_json(*tools_.config()->policy, after, now());
}

Desk::Answer Desk::clear_mode(const admin::Caller& by) {
  const auto done = tools_.handles.clear_mode(by.user);
  if (!done) return handle_problem(done.error());
  if (*done) see([](const quota::Tables& tables) { return !tables.overrides().contains(quota::OverrideKey{}.text()); });
  return mode_json(*tools_.config()->policy, quota::Tables{}, now());
}

Desk::Answer Desk::release(const admin::ReleaseOrder& order) {
  const auto identity = identity_of(order.identity);
  if (!identity) return identity.error();
  const bool is_about_mail = !order.held.empty() && order.held != "keep";
  if (is_about_mail && order.held != "send" && order.held != "delete") return bad_request("'" + order.held + "' is nothing to do with held mail; write send, delete or keep");
  json::value mail_order = nullptr;
  if (is_about_mail) {
    auto given = this->order({order.identity, "held", order.held, false, false, order.reason, order.by});
    if (!given && given.error().kind != admin::Problem::Kind::not_found) return given.error();
    if (given) mail_order = std::move(*given);
  }
  // Before, so that none arrives after the release; and after, for those of the sender's messages meanwhile.
  tools_.forget_counts(*identity);
  const auto done = tools_.handles.release(*identity, {order.by.user, order.reason});
  tools_.forget_counts(*identity);
  if (!done) return handle_problem(done.error());
  const auto& block = *done;
  if (block)
    see([&](const quota::Tables& tables) { return !tables.blocked().contains(identity->text()); });
  else
    tools_.forget_refusals();  // only the record was changed, and no daemon keeps a copy of that
  return json::object{{"identity", identity->text()},
                      {"released", block.has_value()},
                      {"refilled", true},
                      {"block", block ? json::value(block_json(identity->text(), *block)) : json::value(nullptr)},
                      {"order", std::move(mail_order)}};
}

Desk::Answer Desk::block(const admin::BlockOrder& order) {
  const auto identity = identity_of(order.identity);
  const auto lasting = duration_of(order.lasting);
  if (!identity) return identity.error();
  if (!lasting) return lasting.error();
  const auto done = tools_.handles.block(*identity, *lasting, {order.by.user, order.reason});
  if (!done) return handle_problem(done.error());
  see([&](const quota::Tables& tables) {
    const auto* const found = tables.blocked().find(identity->text());
    return found && *found == *done;
  });
  return block_json(identity->text(), *done);
}

/// What an administrator has granted without end is his to end.
std::optional<admin::Problem> Desk::objection_to(const admin::Caller& by, const quota::OverrideKey& key) const {
  if (by.role >= admin::Role::admin) return std::nullopt;
  const auto tables = tools_.keeper.tables();
  const auto* const entry = tables->overrides().find(key.text());
  if (!entry || entry->until) return std::nullopt;
  return admin::Problem{admin::Problem::Kind::forbidden, "a limit without an end stands there", "the role admin may change it", {}};
}

Desk::Answer Desk::limit(const admin::LimitOrder& order) {
  const auto key = key_of(order.identity, order.quota);
  const auto lasting = duration_of(order.lasting);
  const auto allowance = quota::parse_allowance(order.limit);
  if (!key) return key.error();
  if (const auto unknown = complaint_about(order.quota)) return *unknown;
  if (!lasting) return lasting.error();
  if (!allowance) return bad_request(allowance.error());
  if (const auto objection = objection_to(order.by, *key)) return *objection;
  const auto done = tools_.handles.set_limit(*key, *allowance, *lasting, order.by.user);
  if (!done) return handle_problem(done.error());
  see([&](const quota::Tables& tables) { return shows(tables, *key, *done); });
  return override_json(*key, *done);
}

Desk::Answer Desk::remove_limit(const admin::RemoveLimitOrder& order) {
  const auto key = key_of(order.identity, order.quota);
  if (!key) return key.error();
  if (const auto objection = objection_to(order.by, *key)) return *objection;
  const auto done = tools_.handles.remove_limit(*key, order.by.user);
  if (!done) return handle_problem(done.error());
  // The entry of a quota that a reload took away can still be removed.
  if (const auto unknown = complaint_about(order.quota); unknown && !*done) return *unknown;
  if (*done)
    see([field = key->text()](const quota::Tables& tables) { return !tables.overrides().contains(field) && !tables.override_errors.contains(field); });
  return json::object{{"identity", key->identity ? key->identity->text() : "*"}, {"quota", order.quota}, {"removed", done->has_value()}};
}

Desk::Answer Desk::reload(const admin::Caller& by) {
  const auto reloaded = tools_.reload(by.user);
  if (!reloaded) {
    admin::Problem problem{admin::Problem::Kind::invalid_config, "the configuration was not taken over; the old one goes on", "", reloaded.error()};
    return problem;
  }
  const auto& config = **reloaded;
  json::array warnings;
  for (const auto& warning : warnings_about(config)) warnings.emplace_back(warning);
  return json::object{{"file", config.file_name},
                      {"loaded", quota::format_moment(tools_.config_loaded_at())},
                      {"quotas", config.policy->parts().quotas.size()},
                      {"warnings", std::move(warnings)}};
}

}  // namespace milter
