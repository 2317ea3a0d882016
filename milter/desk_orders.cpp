// What administrators order about mail in the queues of all hosts, what the hosts are told, and what they say.
#include <fmt/format.h>

#include <set>
#include <utility>

#include "milter/api_json.hpp"
#include "milter/desk.hpp"
#include "milter/desk_problems.hpp"
#include "milter/desk_questions.hpp"
#include "milter/order_json.hpp"
#include "quota/store/random_id.hpp"
#include "quota/text.hpp"

namespace milter {
namespace {

namespace json = boost::json;
using quota::Fate;
using quota::OrderReport;
using quota::QueueAct;

/// A host asks each 2 s: how many senders it is told of at once, and how much the store is asked for them.
constexpr std::size_t most_sent_by_themselves = 20;
constexpr int most_questions = 100;
constexpr std::size_t first_rows = 20;
/// A clock that was put back further was wrong before.
constexpr quota::Milliseconds most_steps_back = std::chrono::minutes{1};

OrProblem<QueueAct> act_of(const admin::MailOrder& order, Fate fate) {
  const auto act = quota::queue_act_called(order.act);
  const bool fits = act && (fate == Fate::sent || *act != QueueAct::hold);
  if (!fits) return bad_request("'" + order.act + "' is nothing to do with it; held mail is to send or to delete, sent mail to hold, to send or to delete");
  return *act;
}

/// Whether it is to carry that out still.
bool is_for(const quota::OrderStatus& status, const std::string& host, std::span<const quota::OrderStatus> all) {
  const auto& hosts = status.order.hosts;
  return std::find(hosts.begin(), hosts.end(), host) != hosts.end() && !status.is_over_on(host) && !replacement_of(status.order, all);
}

/// The first half tells in which order orders were given, also those of one second.
std::string order_id(quota::Timestamp at) { return fmt::format("{:012x}", at.time_since_epoch().count()) + quota::random_id().substr(0, 8); }

admin::Problem given_all_the_same(const quota::QueueOrder& order, const quota::StoreError& error) {
  return {admin::Problem::Kind::unavailable, "the order " + order.id + " is given, but the record did not answer after that: " + error.text,
          "sendquota held " + order.identity + " tells what becomes of it; an earlier order about the same mail ends when its hosts ask next", {}};
}

admin::Problem has_ended(const quota::OrderStatus& status, const std::string& host, std::span<const quota::OrderStatus> all) {
  const auto* const by = quota::replacement_of(status.order, all);
  return refusal("the order " + status.order.id + " has ended on " + host, by ? ("replaced by the order " + by->id).c_str() : "");
}

admin::Problem nothing_there(const quota::Identity& identity, Fate fate) {
  return {admin::Problem::Kind::not_found,
          fate == Fate::held ? "no mail of " + identity.text() + " is known to be held" : "no queue id of mail of " + identity.text() + " is known",
          "sendquota held lists whose mail is held", {}};
}

admin::Problem too_many_hosts(const quota::Identity& identity, std::size_t hosts) {
  return refusal("mail of " + identity.text() + " may lie on " + std::to_string(hosts) + " hosts, and an order is for " + std::to_string(quota::most_hosts_of_order) + " at most",
                 "run sendquota held or sendquota queue as root on each of them, without --all-hosts");
}

}  // namespace

/// Whose mail is held on that host, but for the blocked.
std::set<std::string> Desk::senders_of_held(quota::Archive& archive, const std::string& host) const {
  std::set<std::string> senders;
  const auto shelves = archive.shelves(std::nullopt);
  if (!shelves) return senders;
  const auto tables = tools_.keeper.tables();
  for (const auto& [shelf, count, oldest] : *shelves) {
    const auto identity = quota::parse_identity(shelf.identity);
    if (shelf.host == host && identity && !tables->find_block(*identity, now())) senders.insert(shelf.identity);
  }
  return senders;
}

/// Some of it was held for its own limits, and it has not been blocked for as long as a ladder tells.
std::optional<bool> Desk::goes_by_itself(quota::Archive& archive, const quota::Shelf& shelf, int& questions) {
  const auto identity = quota::parse_identity(shelf.identity);
  if (!identity) return false;
  if (questions-- <= 0) return std::nullopt;
  const auto record = tools_.setup.ledger().record(*identity);
  if (!record || !record->block.empty() || (record->ladder && record->ladder->step > 0)) return false;
  std::string from;
  auto count = first_rows;
  do {
    if (questions-- <= 0) return std::nullopt;
    const auto page = archive.page(shelf, from, std::exchange(count, quota::Archive::most_of_page));
    if (!page) return false;
    if (std::any_of(page->rows.begin(), page->rows.end(), [&shelf](const auto& row) { return row.mail.held_for == shelf.identity; })) return true;
    from = page->next;
  } while (!from.empty());
  return false;
}

/// Where one shelf alone takes all questions, its host looks for itself.
json::array Desk::sent_by_themselves(quota::Archive& archive, const std::string& host) {
  json::array identities;
  if (tools_.config()->hold.release != HoldSettings::Release::automatic) return identities;
  int questions = most_questions;
  for (const auto& sender : turns_.in_turn(host, senders_of_held(archive, host))) {
    const bool is_first = questions == most_questions;
    const auto goes = goes_by_itself(archive, {sender, host, Fate::held}, questions);
    if (!goes && !is_first) break;
    turns_.came(host, sender);
    if (goes.value_or(true)) identities.push_back(json::string(sender));
    if (identities.size() >= most_sent_by_themselves || questions <= 0) break;
  }
  return identities;
}

Desk::Answer Desk::orders(const admin::OrdersQuestion& question) {
  const auto& host = question.host;
  if (!host.empty() && !quota::is_host_name(host)) return bad_request("'" + host + "' is no host's name; write up to 255 letters, digits and . - _ : [ ]");
  auto* const archive = tools_.book.shelves();
  if (!archive) return nothing_recorded();
  const bool is_that_host = !host.empty() && question.by.role >= admin::Role::admin;
  if (is_that_host)
    if (const auto seen = archive->see_host(host); !seen) return record_problem(seen.error().text);
  const auto orders = archive->orders();
  if (!orders) return record_problem(orders.error().text);
  if (is_that_host)
    if (const auto ended = end_replaced(*archive, *orders, host); !ended) return record_problem(ended.error().text);
  json::array rows;
  for (const auto& status : *orders)
    if (host.empty() || is_for(status, host, *orders)) rows.push_back(order_json(status));
  return json::object{{"orders", std::move(rows)},
                      {"auto", is_that_host ? sent_by_themselves(*archive, host) : json::array()},
                      {"default_realm", tools_.config()->policy->parts().identity.default_realm}};
}

/// Of two orders about the same mail the later one counts. A host that is at work hears of it with its next report.
quota::Result<void, quota::StoreError> Desk::end_replaced(quota::Archive& archive, std::span<const quota::OrderStatus> orders, const std::string& host) {
  for (const auto& status : orders) {
    const auto* const by = status.is_over() ? nullptr : quota::replacement_of(status.order, orders);
    if (!by) continue;
    for (const auto& one : status.order.hosts) {
      if ((!host.empty() && one != host) || status.is_over_on(one)) continue;
      if (const auto told = archive.report(status.order.id, one, replaced_report(status, one, *by)); !told) return told.error();
    }
  }
  return {};
}

/// Where it has mail by the record; where mail is held that was not yet recorded; and, where there is any, every host that asks for orders, for
/// what was sent within the last seconds is not in the record yet. A name that no host can ask by is left out.
OrProblem<std::vector<std::string>> Desk::hosts_of(quota::Archive& archive, const quota::Identity& identity, Fate fate) {
  std::set<std::string> hosts;
  const auto shelves = archive.shelves(identity);
  if (!shelves) return record_problem(shelves.error().text);
  for (const auto& one : *shelves)
    if (one.shelf.fate == fate) hosts.insert(one.shelf.host);
  const auto record = tools_.setup.ledger().record(identity);
  if (!record) return record_problem(record.error().text);
  if (fate == Fate::held)
    for (const auto& [host, count] : record->held) hosts.insert(host);
  std::erase_if(hosts, [](const std::string& host) { return !quota::is_host_name(host); });
  if (hosts.empty()) return nothing_there(identity, fate);
  const auto seen = archive.hosts_seen();
  if (!seen) return record_problem(seen.error().text);
  hosts.insert(seen->begin(), seen->end());
  if (hosts.size() > quota::most_hosts_of_order) return too_many_hosts(identity, hosts.size());
  return std::vector<std::string>(hosts.begin(), hosts.end());
}

Desk::Answer Desk::give(quota::Archive& archive, const quota::QueueOrder& order) {
  const auto given = archive.give(order);
  if (!given) return record_problem(given.error().text);
  if (!*given) return refusal("1000 orders wait for their hosts already", "sendquota held says which hosts have not answered");
  std::string hosts;
  for (const auto& host : order.hosts) hosts += (hosts.empty() ? "" : ", ") + host;
  tools_.handles.tell({"mail_order", "info", order.identity, std::string(name(order.act)) + " " + std::string(name(order.fate)) + " mail on " + hosts +
                           (order.reason.empty() ? "" : ": " + order.reason), "", ""}, order.by);
  const auto orders = archive.orders();
  if (!orders) return given_all_the_same(order, orders.error());
  if (const auto ended = end_replaced(archive, *orders, ""); !ended) return given_all_the_same(order, ended.error());
  quota::OrderStatus own{order, {}};
  if (const auto* const by = quota::replacement_of(order, *orders))
    for (const auto& host : order.hosts) own.reports.emplace(host, replaced_report(own, host, *by));
  return order_json(own);
}

/// When an order is given: never twice the same, so that of two that one daemon took the second is the later one.
quota::Timestamp Desk::next_order_moment() {
  const auto at = now().time_since_epoch().count();
  auto last = last_order_ms_.load();
  auto next = at;
  do next = at <= last && at > last - most_steps_back.count() ? last + 1 : at;
  while (!last_order_ms_.compare_exchange_weak(last, next));
  return quota::Timestamp{quota::Milliseconds{next}};
}

Desk::Answer Desk::order(const admin::MailOrder& typed) {
  const auto identity = identity_of(typed.identity);
  if (!identity) return identity.error();
  const auto fate = queue_fate_of(typed.fate);
  if (!fate) return fate.error();
  const auto act = act_of(typed, *fate);
  if (!act) return act.error();
  auto* const archive = tools_.book.shelves();
  if (!archive) return nothing_recorded();
  const auto hosts = hosts_of(*archive, *identity, *fate);
  if (!hosts) return hosts.error();
  const auto at = next_order_moment();
  return give(*archive, {order_id(at), identity->text(), *fate, *act, typed.with_bounces, typed.at_once,
                         std::chrono::floor<std::chrono::seconds>(at), typed.by.user, typed.reason, *hosts});
}

Desk::Answer Desk::told(const admin::DoneOnHost& done) {
  const auto shelf = shelf_called(done.shelf);
  if (!shelf) return shelf.error();
  const auto counted = [&done](const char* what) {
    const auto found = done.counts.find(what);
    return std::to_string(found == done.counts.end() ? 0 : found->second);
  };
  const auto text = shelf->host + ", " + done.act + ": " + counted("done") + " done, " + counted("gone") + " gone, " + counted("skipped") + " skipped" +
                    (done.reason.empty() ? "" : ": " + done.reason);
  tools_.handles.tell({"mail_done", "info", shelf->identity, text, "", ""}, done.by.user);
  return json::object{{"identity", shelf->identity}, {"host", quota::valid_utf8(shelf->host)}};
}

Desk::Answer Desk::report(const admin::HostReport& typed) {
  const auto state = quota::order_state_called(typed.state);
  if (!state) return bad_request("'" + typed.state + "' is no state; write running, done or failed");
  auto* const archive = tools_.book.shelves();
  if (!archive) return nothing_recorded();
  const auto counted = [&typed](const char* what) {
    const auto found = typed.counts.find(what);
    return found == typed.counts.end() ? 0 : found->second;
  };
  const OrderReport report{*state, std::chrono::floor<std::chrono::seconds>(now()), counted("total"), counted("done"), counted("gone"), counted("skipped"), counted("bounces"), typed.error, typed.skips};
  const auto orders = archive->orders();
  if (!orders) return record_problem(orders.error().text);
  const auto status = std::find_if(orders->begin(), orders->end(), [&typed](const quota::OrderStatus& one) { return one.order.id == typed.order; });
  if (status == orders->end()) return refusal("there is no order " + typed.order + " any longer", "");
  const auto& hosts = status->order.hosts;
  if (std::find(hosts.begin(), hosts.end(), typed.host) == hosts.end()) return refusal("the order " + typed.order + " is not for " + typed.host, "");
  if (const auto ended = end_replaced(*archive, *orders, typed.host); !ended) return record_problem(ended.error().text);
  const auto kept = archive->report(typed.order, typed.host, report);
  if (!kept) return record_problem(kept.error().text);
  if (!*kept) return has_ended(*status, typed.host, *orders);
  if ((*kept)->state != OrderReport::State::running) tell_of(status->order, typed.host, **kept);
  return json::object{{"order", typed.order}, {"host", typed.host}};
}

/// That a host has ended an order is an event.
void Desk::tell_of(const quota::QueueOrder& order, const std::string& host, const OrderReport& report) {
  auto text = host + ", " + std::string(name(order.act)) + ": " + std::to_string(report.done) + " done, " + std::to_string(report.gone) + " gone, " +
              std::to_string(report.skipped) + " skipped";
  if (report.bounces > 0) text += ", " + std::to_string(report.bounces) + " notices";
  if (!report.error.empty()) text += ": " + report.error;
  tools_.handles.tell({"mail_done", report.state == OrderReport::State::failed ? "warning" : "info", order.identity, text, "", ""}, order.by);
}

}  // namespace milter
