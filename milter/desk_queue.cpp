// What the desk knows of mail in the queues of MTAs: what is recorded of it, what has gone, and what may go.
#include <algorithm>
#include <set>

#include "milter/api_json.hpp"
#include "milter/desk.hpp"
#include "milter/desk_problems.hpp"
#include "milter/desk_questions.hpp"
#include "milter/order_json.hpp"
#include "quota/holding.hpp"
#include "quota/text.hpp"
#include "quota/time_text.hpp"

namespace milter {
namespace {

namespace json = boost::json;
using quota::Fate;

constexpr quota::Milliseconds shortest_retry{1000};
constexpr std::chrono::seconds write_at_most{5};

json::string utf8(const std::string& text) { return json::string(quota::valid_utf8(text)); }

admin::Problem no_answer(const quota::StoreError& error) { return record_problem(error.text); }

json::object shelf_json(const quota::ShelfCount& one) {
  return {{"identity", one.shelf.identity},
          {"host", utf8(one.shelf.host)},
          {"fate", json::string(name(one.shelf.fate))},
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
  std::set<std::string> whose{identity->text()};
  for (const auto& member : members(*identity)) {
    const auto others = archive->shelves(member);
    if (!others) return no_answer(others.error());
    whose.insert(member.text());
    for (const auto& one : *others)
      if (one.shelf.fate == Fate::sent) sent.push_back(shelf_json(one));
  }
  for (const auto& status : *orders)
    if (whose.contains(status.order.identity)) given.push_back(order_json(status));
  return json::object{{"identity", identity->text()}, {"held", std::move(held)}, {"sent", std::move(sent)}, {"orders", std::move(given)}};
}

OrProblem<quota::Shelf> Desk::shelf_called(const admin::ShelfName& typed) const {
  const auto identity = identity_of(typed.identity);
  const auto fate = queue_fate_of(typed.fate);
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
                      {"fate", json::string(name(shelf->fate))},
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

}  // namespace milter
