// What administrators order about mail in the queues of all hosts, what the hosts are told, and what they say.
#include <set>

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

/// Whose records are looked at in one question of a host.
constexpr std::size_t most_sent_by_themselves = 20;

OrProblem<QueueAct> act_of(const admin::MailOrder& order, Fate fate) {
  const auto act = quota::queue_act_called(order.act);
  const bool fits = act && (fate == Fate::sent || *act != QueueAct::hold);
  if (!fits) return bad_request("'" + order.act + "' is nothing to do with it; held mail is to send or to delete, sent mail to hold, to send or to delete");
  return *act;
}

bool is_ended_on(const quota::OrderStatus& status, const std::string& host) {
  const auto report = status.reports.find(host);
  return report != status.reports.end() && report->second.state != OrderReport::State::running;
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

/// Held mail of who is not blocked, and has not been for as long as a ladder tells.
json::array Desk::sent_by_themselves(quota::Archive& archive, const std::string& host) {
  json::array identities;
  if (tools_.config()->hold.release != HoldSettings::Release::automatic) return identities;
  const auto shelves = archive.shelves(std::nullopt);
  if (!shelves) return identities;
  for (const auto& [shelf, count, oldest] : *shelves) {
    const auto identity = quota::parse_identity(shelf.identity);
    if (shelf.host != host || !identity || identities.size() >= most_sent_by_themselves) continue;
    const auto first = archive.page(shelf, "", 1);
    if (!first || first->rows.empty() || first->rows[0].mail.held_for != shelf.identity) continue;
    const auto record = tools_.setup.ledger().record(*identity);
    if (!record || tools_.keeper.tables()->find_block(*identity, now()) || !record->block.empty() || (record->ladder && record->ladder->step > 0)) continue;
    identities.push_back(json::string(shelf.identity));
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
  json::array rows;
  for (const auto& status : *orders) {
    const auto& hosts = status.order.hosts;
    const bool is_meant = host.empty() || (std::find(hosts.begin(), hosts.end(), host) != hosts.end() && !is_ended_on(status, host));
    if (is_meant) rows.push_back(order_json(status));
  }
  return json::object{{"orders", std::move(rows)},
                      {"auto", is_that_host ? sent_by_themselves(*archive, host) : json::array()},
                      {"default_realm", tools_.config()->policy->parts().identity.default_realm}};
}

/// Of two orders about the same mail the later one counts. A host that is at work hears of it with its next report.
std::optional<quota::StoreError> Desk::replace_orders(quota::Archive& archive, const quota::QueueOrder& by) {
  const auto orders = archive.orders();
  if (!orders) return orders.error();
  for (const auto& status : *orders) {
    if (status.order.identity != by.identity || status.order.fate != by.fate || status.order.id == by.id) continue;
    for (const auto& host : status.order.hosts) {
      if (is_ended_on(status, host)) continue;
      const auto known = status.reports.find(host);
      auto report = known == status.reports.end() ? OrderReport{} : known->second;
      report.state = OrderReport::State::failed;
      report.at = by.at;
      report.error = "replaced by the order " + by.id;
      if (const auto told = archive.report(status.order.id, host, report); !told) return told.error();
    }
  }
  return std::nullopt;
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

Desk::Answer Desk::give(quota::Archive& archive, quota::QueueOrder order) {
  const auto given = archive.give(order);
  if (!given) return record_problem(given.error().text);
  if (!*given) return refusal("1000 orders wait for their hosts already", "sendquota held says which hosts have not answered");
  if (const auto problem = replace_orders(archive, order)) return record_problem(problem->text);
  std::string hosts;
  for (const auto& host : order.hosts) hosts += (hosts.empty() ? "" : ", ") + host;
  tools_.handles.tell({"mail_order", "info", order.identity, std::string(name(order.act)) + " " + std::string(name(order.fate)) + " mail on " + hosts +
                           (order.reason.empty() ? "" : ": " + order.reason), "", ""}, order.by);
  return order_json({order, {}});
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
  return give(*archive, {quota::random_id(), identity->text(), *fate, *act, typed.with_bounces, typed.at_once,
                         std::chrono::floor<std::chrono::seconds>(now()), typed.by.user, typed.reason, *hosts});
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
  if (is_ended_on(*status, typed.host)) return refusal("the order " + typed.order + " has ended on " + typed.host, status->reports.at(typed.host).error.c_str());
  if (const auto told = archive->report(typed.order, typed.host, report); !told) return record_problem(told.error().text);
  if (*state != OrderReport::State::running) tell_of(status->order, typed.host, report);
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
