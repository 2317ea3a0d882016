// What the desk knows of mail in the queues of MTAs, and what is ordered about it.
#include <set>

#include "milter/api_json.hpp"
#include "milter/desk.hpp"
#include "milter/desk_problems.hpp"
#include "milter/desk_questions.hpp"
#include "quota/holding.hpp"
#include "quota/store/random_id.hpp"
#include "quota/text.hpp"
#include "quota/time_text.hpp"

namespace milter {
namespace {

namespace json = boost::json;
using quota::Fate;
using quota::OrderReport;
using quota::QueueAct;

/// Whose records are looked at in one question of a host.
constexpr std::size_t most_sent_by_themselves = 20;
constexpr quota::Milliseconds shortest_retry{1000};
constexpr std::chrono::seconds write_at_most{5};

json::string utf8(const std::string& text) { return json::string(quota::valid_utf8(text)); }

std::string_view word_of(Fate fate) { return fate == Fate::held ? "held" : "sent"; }

OrProblem<Fate> fate_called(const std::string& typed) {
  if (typed == "held") return Fate::held;
  if (typed == "sent") return Fate::sent;
  return bad_request("'" + typed + "' is no kind of mail in a queue; write held or sent");
}

OrProblem<QueueAct> act_of(const admin::MailOrder& order, Fate fate) {
  const auto act = quota::queue_act_called(order.act);
  const bool fits = act && (fate == Fate::sent || *act != QueueAct::hold);
  if (!fits) return bad_request("'" + order.act + "' is nothing to do with it; held mail is to send or to delete, sent mail to hold, to send or to delete");
  return *act;
}

admin::Problem no_answer(const quota::StoreError& error) { return record_problem(error.text); }

json::object shelf_json(const quota::ShelfCount& one) {
  return {{"identity", one.shelf.identity},
          {"host", utf8(one.shelf.host)},
          {"fate", json::string(word_of(one.shelf.fate))},
          {"count", one.count},
          {"oldest", quota::format_moment(one.oldest)}};
}

json::object mail_json(const quota::ShelfPage::Row& row) {
  const auto& mail = row.mail;
  return {{"place", text_json(row.place)},
          {"at", quota::format_moment(mail.at)},
          {"queue_id", mail.queue_id},
          {"from", utf8(mail.mail_from)},
          {"login", mail.login ? json::value(*mail.login) : json::value(nullptr)},
          {"recipients", mail.recipients},
          {"held_for", text_json(mail.held_for)},
          {"listed", text_json(mail.listed)}};
}

json::object report_json(const std::string& host, const OrderReport* report) {
  json::array skips;
  if (report)
    for (const auto& skip : report->skips) skips.push_back(utf8(skip));
  const auto none = OrderReport{};
  const auto& counts = report ? *report : none;
  return {{"host", utf8(host)},
          {"state", report ? json::string(name(report->state)) : json::string("waiting")},
          {"at", report ? json::value(quota::format_moment(report->at)) : json::value(nullptr)},
          {"counts", json::object{{"total", counts.total}, {"done", counts.done}, {"gone", counts.gone}, {"skipped", counts.skipped}, {"bounces", counts.bounces}}},
          {"error", text_json(quota::valid_utf8(counts.error))},
          {"skips", std::move(skips)}};
}

json::object order_json(const quota::OrderStatus& status) {
  const auto& order = status.order;
  json::array hosts;
  for (const auto& host : order.hosts) {
    const auto report = status.reports.find(host);
    hosts.push_back(report_json(host, report == status.reports.end() ? nullptr : &report->second));
  }
  return {{"order", order.id},
          {"identity", order.identity},
          {"fate", json::string(word_of(order.fate))},
          {"act", json::string(name(order.act))},
          {"with_bounces", order.with_bounces},
          {"at_once", order.at_once},
          {"at", quota::format_moment(order.at)},
          {"by", utf8(order.by)},
          {"reason", utf8(order.reason)},
          {"over", status.is_over()},
          {"hosts", std::move(hosts)}};
}

bool is_ended_on(const quota::OrderStatus& status, const std::string& host) {
  const auto report = status.reports.find(host);
  return report != status.reports.end() && report->second.state != OrderReport::State::running;
}

/// What a message with so many recipients costs an identity, by its own quotas that are enforced; its bytes are not known.
/// Returns why it can never go.
std::optional<admin::Problem> add_charges(std::vector<quota::Charge>& charges, const quota::Identity& identity, std::int64_t recipients, const quota::Policy& policy,
                                          const quota::Tables& tables, quota::Timestamp now) {
  for (const auto& quota : policy.parts().quotas) {
    if (std::find(quota.per.begin(), quota.per.end(), identity.kind) == quota.per.end() || policy.mode_of(quota, tables, now) == quota::Mode::observe) continue;
    const auto allowance = policy.granted(quota, identity, tables, now).allowance;
    if (allowance.kind == quota::Allowance::Kind::none) return refusal("quota " + quota.name + " allows " + identity.text() + " nothing", "to send its mail all the same, say at once");
    for (const auto& limit : allowance.limits) {
      const auto cost = limit.unit == quota::Unit::recipients ? recipients : limit.unit == quota::Unit::messages ? 1 : 0;
      if (cost > 0) charges.push_back({identity, quota.name, limit, std::min(cost, limit.burst), quota::Group::enforced, {}});
    }
  }
  return std::nullopt;
}

}  // namespace

Desk::Answer Desk::held() {
  auto* const archive = tools_.book.shelves();
  if (!archive) return nothing_recorded();
  const auto shelves = archive->shelves(std::nullopt);
  if (!shelves) return no_answer(shelves.error());
  json::array rows;
  for (const auto& one : *shelves) rows.push_back(shelf_json(one));
  return json::object{{"held", std::move(rows)}};
}

Desk::Answer Desk::mail(const std::string& typed) {
  const auto identity = identity_of(typed);
  if (!identity) return identity.error();
  auto* const archive = tools_.book.shelves();
  if (!archive) return nothing_recorded();
  const auto shelves = archive->shelves(*identity);
  if (!shelves) return no_answer(shelves.error());
  const auto orders = archive->orders();
  if (!orders) return no_answer(orders.error());
  json::array held, sent, given;
  for (const auto& one : *shelves) (one.shelf.fate == Fate::held ? held : sent).push_back(shelf_json(one));
  for (const auto& status : *orders)
    if (status.order.identity == identity->text()) given.push_back(order_json(status));
  return json::object{{"identity", identity->text()}, {"held", std::move(held)}, {"sent", std::move(sent)}, {"orders", std::move(given)}};
}

OrProblem<quota::Shelf> Desk::shelf_called(const admin::ShelfName& typed) const {
  const auto identity = identity_of(typed.identity);
  const auto fate = fate_called(typed.fate);
  if (!identity) return identity.error();
  if (!fate) return fate.error();
  return quota::Shelf{identity->text(), typed.host, *fate};
}

Desk::Answer Desk::shelf(const admin::ShelfQuestion& question) {
  const auto shelf = shelf_called(question.shelf);
  if (!shelf) return shelf.error();
  const auto count = question.count.empty() ? std::optional(quota::Archive::most_of_page) : quota::parse_number<std::size_t>(question.count);
  if (!count || *count < 1 || *count > quota::Archive::most_of_page) return bad_request("'" + question.count + "' is no number of rows; write 1 to 1000");
  if (question.from.size() > 40 || question.from.find_first_not_of("0123456789-") != std::string::npos) return bad_request("'" + question.from + "' is no place; write what `next` says");
  auto* const archive = tools_.book.shelves();
  if (!archive) return nothing_recorded();
  const auto page = archive->page(*shelf, question.from, *count);
  if (!page) return no_answer(page.error());
  json::array mail;
  for (const auto& row : page->rows) mail.push_back(mail_json(row));
  return json::object{{"identity", shelf->identity},
                      {"host", utf8(shelf->host)},
                      {"fate", json::string(word_of(shelf->fate))},
                      {"now", quota::format_moment(now())},
                      {"default_realm", tools_.config()->policy->parts().identity.default_realm},
                      {"next", text_json(page->next)},
                      {"mail", std::move(mail)}};
}

/// Under who lists it, so that it can still be kept back or removed where it waits for delivery.
std::optional<quota::StoreError> Desk::note_let_go(quota::Archive& archive, const quota::Shelf& shelf, std::span<const std::string> places) {
  const auto held = archive.mail_at(shelf, places);
  if (!held) return held.error();
  std::map<std::string, quota::Note> notes;
  for (auto mail : *held) {
    const auto identity = quota::parse_identity(mail.listed.empty() ? shelf.identity : mail.listed);
    if (!identity) continue;
    mail.held_for.clear();
    mail.listed.clear();
    notes.try_emplace(identity->text(), quota::Note{.identity = *identity}).first->second.sent.push_back(std::move(mail));
  }
  std::vector<quota::Note> all;
  for (auto& [whose, note] : notes) all.push_back(std::move(note));
  if (all.empty()) return std::nullopt;
  const auto unwritten = archive.write(all, std::chrono::steady_clock::now() + write_at_most);
  return unwritten ? std::optional(unwritten->why) : std::nullopt;
}

/// What is gone counts for nobody any longer. That first: what counted for ever would fill the hold queue, and mail would be discarded.
Desk::Answer Desk::gone(const admin::GoneOrder& order) {
  const auto shelf = shelf_called(order.shelf);
  if (!shelf) return shelf.error();
  auto* const archive = tools_.book.shelves();
  if (!archive) return nothing_recorded();
  for (const auto& [typed, count] : order.held_for) {
    const auto identity = identity_of(typed);
    if (!identity) return identity.error();
    if (const auto unheld = tools_.setup.ledger().unhold(*identity, shelf->host, count); !unheld) return no_answer(unheld.error());
  }
  if (order.let_go)
    if (const auto problem = note_let_go(*archive, *shelf, order.places)) return no_answer(*problem);
  if (const auto taken = archive->take_away(*shelf, order.places); !taken) return no_answer(taken.error());
  return json::object{{"taken", order.places.size()}};
}

Desk::Answer Desk::grant(const admin::GrantQuestion& question) {
  const auto identity = identity_of(question.identity);
  if (!identity) return identity.error();
  std::vector<quota::Identity> whose{*identity};
  if (!question.held_for.empty()) {
    const auto other = identity_of(question.held_for);
    if (!other) return other.error();
    if (*other != *identity) whose.push_back(*other);
  }
  const auto config = tools_.config();
  const auto tables = tools_.keeper.tables();
  for (const auto& one : whose)
    if (tables->find_block(one, now())) return json::object{{"granted", 0}, {"retry_ms", 0}, {"blocked", one.text()}};
  std::size_t granted = 0;
  quota::Milliseconds retry{0};
  for (const auto recipients : question.recipients) {
    std::vector<quota::Charge> charges;
    for (const auto& one : whose)
      if (const auto problem = add_charges(charges, one, recipients, *config->policy, *tables, now())) return *problem;
    const auto outcome = tools_.setup.store().take(charges);
    if (!outcome) return no_answer(outcome.error());
    if (!outcome->enforced_taken) {
      for (std::size_t i = 0; i < charges.size(); ++i)
        retry = std::max(retry, quota::retry_after(charges[i].limit, outcome->charges[i], charges[i].cost).value_or(shortest_retry));
      retry = std::max(retry, shortest_retry);
      break;
    }
    ++granted;
  }
  return json::object{{"granted", granted}, {"retry_ms", retry.count()}, {"blocked", nullptr}};
}

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

Desk::Answer Desk::orders(const std::string& host) {
  auto* const archive = tools_.book.shelves();
  if (!archive) return nothing_recorded();
  if (!host.empty())
    if (const auto seen = archive->see_host(host); !seen) return no_answer(seen.error());
  const auto orders = archive->orders();
  if (!orders) return no_answer(orders.error());
  json::array rows;
  for (const auto& status : *orders) {
    const auto& hosts = status.order.hosts;
    const bool is_meant = host.empty() || (std::find(hosts.begin(), hosts.end(), host) != hosts.end() && !is_ended_on(status, host));
    if (is_meant) rows.push_back(order_json(status));
  }
  return json::object{{"orders", std::move(rows)},
                      {"auto", host.empty() ? json::array() : sent_by_themselves(*archive, host)},
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
/// what was sent within the last seconds is not in the record yet.
quota::Result<std::set<std::string>, quota::StoreError> Desk::hosts_of(quota::Archive& archive, const quota::Identity& identity, Fate fate) {
  std::set<std::string> hosts;
  const auto shelves = archive.shelves(identity);
  if (!shelves) return shelves.error();
  for (const auto& one : *shelves)
    if (one.shelf.fate == fate) hosts.insert(one.shelf.host);
  const auto record = tools_.setup.ledger().record(identity);
  if (!record) return record.error();
  if (fate == Fate::held)
    for (const auto& [host, count] : record->held) hosts.insert(host);
  if (hosts.empty()) return hosts;
  const auto seen = archive.hosts_seen();
  if (!seen) return seen.error();
  hosts.insert(seen->begin(), seen->end());
  return hosts;
}

Desk::Answer Desk::give(quota::Archive& archive, quota::QueueOrder order) {
  const auto identity = quota::parse_identity(order.identity);
  auto hosts_of_it = identity ? hosts_of(archive, *identity, order.fate) : quota::Result<std::set<std::string>, quota::StoreError>(std::set<std::string>{});
  if (!hosts_of_it) return no_answer(hosts_of_it.error());
  order.hosts.assign(hosts_of_it->begin(), hosts_of_it->end());
  if (order.hosts.empty())
    return admin::Problem{admin::Problem::Kind::not_found,
                          order.fate == Fate::held ? "no mail of " + order.identity + " is known to be held" : "no queue id of mail of " + order.identity + " is known",
                          "sendquota held lists whose mail is held", {}};
  const auto given = archive.give(order);
  if (!given) return no_answer(given.error());
  if (!*given) return refusal("1000 orders wait for their hosts already", "sendquota held says which hosts have not answered");
  if (const auto problem = replace_orders(archive, order)) return no_answer(*problem);
  std::string hosts;
  for (const auto& host : order.hosts) hosts += (hosts.empty() ? "" : ", ") + host;
  tools_.handles.tell({"mail_order", "info", order.identity, std::string(name(order.act)) + " " + std::string(word_of(order.fate)) + " mail on " + hosts +
                           (order.reason.empty() ? "" : ": " + order.reason), "", ""}, order.by);
  return order_json({order, {}});
}

Desk::Answer Desk::order(const admin::MailOrder& typed) {
  const auto identity = identity_of(typed.identity);
  if (!identity) return identity.error();
  const auto fate = fate_called(typed.fate);
  if (!fate) return fate.error();
  const auto act = act_of(typed, *fate);
  if (!act) return act.error();
  auto* const archive = tools_.book.shelves();
  if (!archive) return nothing_recorded();
  return give(*archive, {quota::random_id(), identity->text(), *fate, *act, typed.with_bounces, typed.at_once,
                         std::chrono::floor<std::chrono::seconds>(now()), typed.by.user, typed.reason, {}});
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
  return json::object{{"identity", shelf->identity}, {"host", utf8(shelf->host)}};
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
  if (!orders) return no_answer(orders.error());
  const auto status = std::find_if(orders->begin(), orders->end(), [&typed](const quota::OrderStatus& one) { return one.order.id == typed.order; });
  if (status == orders->end()) return refusal("there is no order " + typed.order + " any longer", "");
  const auto& hosts = status->order.hosts;
  if (std::find(hosts.begin(), hosts.end(), typed.host) == hosts.end()) return refusal("the order " + typed.order + " is not for " + typed.host, "");
  if (is_ended_on(*status, typed.host)) return refusal("the order " + typed.order + " has ended on " + typed.host, status->reports.at(typed.host).error.c_str());
  if (const auto told = archive->report(typed.order, typed.host, report); !told) return no_answer(told.error());
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
