#include "milter/cli/queue_run.hpp"

#include <algorithm>

#include "milter/admin/target.hpp"
#include "milter/cli/json_reading.hpp"
#include "milter/mail_queue/queue_id.hpp"
#include "quota/time_text.hpp"

namespace milter::cli {
namespace {

namespace json = boost::json;
using admin::percent_encode;
using quota::Fate;
using quota::OrderReport;
using quota::QueueAct;

constexpr std::size_t whole_page = 1000;
constexpr std::size_t paced_page = 100;
/// An MTA puts a message among the held ones after it was told to: one that was judged just now may not be there yet.
constexpr std::chrono::seconds settled_after{10};
/// What an MTA works on just now cannot be kept back.
constexpr std::chrono::seconds worked_on_for{5};

template <typename T>
quota::Result<T, std::string> failed(std::string why) {
  return {boost::system::in_place_error, std::move(why)};
}

std::string_view word_of(Fate fate) { return fate == Fate::held ? "held" : "sent"; }

std::vector<std::string> ids_of(const std::vector<RecordedMail>& rows) {
  std::vector<std::string> ids;
  for (const auto& row : rows) ids.push_back(row.queue_id);
  return ids;
}

std::optional<RecordedMail> read_mail(const json::object& row, quota::Milliseconds ahead) {
  const auto at = quota::parse_moment(text_at(row, "at"));
  auto queue_id = text_at(row, "queue_id");
  if (!at || !mail_queue::is_queue_id(queue_id)) return std::nullopt;
  RecordedMail mail{text_at(row, "place"), *at + ahead, std::move(queue_id), text_at(row, "from"), {}, number_at(row, "recipients").value_or(1), text_at(row, "held_for"), text_at(row, "listed")};
  if (const auto* const login = row.if_contains("login"); login && login->is_string()) mail.login = text_at(row, "login");
  return mail;
}

}  // namespace

OrderReport sum_of(const OrderReport& before, OrderReport now, QueueAct act) {
  if (act == QueueAct::hold) return now;
  now.total = std::max(before.total, before.done + before.gone + now.total);
  now.done += before.done;
  now.gone += before.gone;
  now.bounces += before.bounces;
  return now;
}

QueueRun::Or<json::object> QueueRun::ask(const Call& call) {
  auto answer = world_.daemon.ask(call);
  if (!answer) return failed<json::object>(answer.error().what);
  if (exit_code_of(answer->status) != ExitCode::ok) return failed<json::object>(text_at(answer->body, "error"));
  return std::move(answer->body);
}

QueueRun::Or<std::int64_t> QueueRun::total() {
  const auto mail = ask({"GET", "/v1/identities/" + percent_encode(task_.identity) + "/mail"});
  if (!mail) return mail.error();
  std::int64_t count = 0;
  for (const auto& value : array_at(*mail, word_of(task_.fate)))
    if (value.is_object() && text_at(value.get_object(), "host") == task_.host && text_at(value.get_object(), "identity") == task_.identity) count += number_at(value.get_object(), "count").value_or(0);
  return count;
}

QueueRun::Or<QueueRun::Page> QueueRun::page(const std::string& identity, const std::string& from) {
  const auto count = std::to_string(is_paced() ? paced_page : whole_page);
  const auto answer = ask({"GET", "/v1/shelf?identity=" + percent_encode(identity) + "&fate=" + std::string(word_of(task_.fate)) + "&host=" + percent_encode(task_.host) +
                                      "&from=" + percent_encode(from) + "&count=" + count});
  if (!answer) return answer.error();
  const auto now = quota::parse_moment(text_at(*answer, "now"));
  if (!now) return failed<Page>("the daemon does not tell its time");
  default_realm_ = text_at(*answer, "default_realm");
  const auto ahead = std::chrono::floor<std::chrono::seconds>(world_.clock() - *now);
  Page page{{}, text_at(*answer, "next")};
  for (const auto& value : array_at(*answer, "mail")) {
    auto mail = value.is_object() ? read_mail(value.get_object(), ahead) : std::nullopt;
    if (!mail || (task_.only_held_for_it && mail->held_for != task_.identity)) continue;
    if (!task_.until || mail->at - ahead <= *task_.until) page.rows.push_back(std::move(*mail));
  }
  return page;
}

void QueueRun::skip(const RecordedMail& mail, const std::string& why) {
  ++report_.skipped;
  if (report_.skips.size() < OrderReport::most_skipped) report_.skips.push_back(mail.queue_id + ": " + why);
}

QueueRun::Or<QueueRun::Rows> QueueRun::found(const Rows& rows) {
  const auto ids = ids_of(rows);
  const auto files = world_.queue.look(ids, {});
  if (!files) return failed<Rows>(files.error());
  std::map<std::string, const mail_queue::QueueFile*> by_id;
  for (const auto& file : *files) by_id[file.queue_id] = &file;
  Rows right, gone;
  held_now_.clear();
  const auto settled_before = world_.clock() - settled_after;
  for (const auto& row : rows) {
    const auto file = by_id.find(row.queue_id);
    // Held mail that is on its way was let go by somebody: it is not ours to stop.
    if (file == by_id.end() || (task_.fate == Fate::held && !file->second->is_held)) {
      if (task_.fate == Fate::held && !task_.is_dry && row.at > settled_before)
        look_later(row.at - settled_before);
      else
        gone.push_back(row);
      continue;
    }
    held_now_[row.queue_id] = file->second->is_held;
    if (const auto why = mismatch(row, *file->second, default_realm_); !why.empty())
      skip(row, why);
    else
      right.push_back(row);
  }
  report_.gone += static_cast<std::int64_t>(gone.size());
  if (!task_.is_dry)
    if (const auto taken = take_away(gone); !taken) return failed<Rows>(taken.error());
  return right;
}

void QueueRun::look_later(quota::Milliseconds after) {
  report_.state = OrderReport::State::running;
  retry_ = std::max(retry_, after);
}

/// What was on its way is kept back, and looked at once more: only now it can be no other message any longer.
QueueRun::Or<QueueRun::Rows> QueueRun::kept_back(const Rows& rows) {
  std::vector<std::string> on_their_way;
  for (const auto& row : rows)
    if (!held_now_[row.queue_id]) on_their_way.push_back(row.queue_id);
  if (on_their_way.empty()) return rows;
  if (const auto held = world_.queue.hold(on_their_way, {}); !held) return failed<Rows>(held.error());
  const auto again = found(rows);
  if (!again) return again;
  Rows kept;
  std::vector<std::string> strangers = on_their_way;
  for (const auto& row : *again) {
    std::erase(strangers, row.queue_id);
    if (held_now_[row.queue_id])
      kept.push_back(row);
    else
      look_later(worked_on_for);
  }
  if (strangers.empty()) return kept;
  if (const auto sent = world_.queue.send(strangers, {}); !sent) return failed<Rows>(sent.error());
  return kept;
}

QueueRun::Or<void> QueueRun::take_away_from(const std::string& identity, const std::vector<std::string>& places, const std::map<std::string, std::int64_t>& held_for, bool let_go) {
  if (places.empty()) return {};
  json::array all;
  for (const auto& place : places) all.emplace_back(place);
  json::object counts;
  for (const auto& [whom, count] : held_for) counts[whom] = count;
  const auto taken = ask({"POST", "/v1/identities/" + percent_encode(identity) + "/gone",
                          {{"fate", json::string(word_of(task_.fate))}, {"host", task_.host}, {"places", std::move(all)}, {"held_for", std::move(counts)}, {"let_go", let_go}}});
  if (!taken) return failed<void>(taken.error());
  return {};
}

QueueRun::Or<void> QueueRun::take_away(const Rows& rows, bool let_go) {
  std::vector<std::string> places;
  std::map<std::string, std::int64_t> held_for;
  for (const auto& row : rows) {
    if (row.place.empty()) continue;
    places.push_back(row.place);
    if (!row.held_for.empty()) ++held_for[row.held_for];
    for (const auto& other : {row.held_for, row.listed})
      if (!other.empty() && other != task_.identity) siblings_[other].insert_or_assign(row.queue_id, row.at);
  }
  return take_away_from(task_.identity, places, held_for, let_go);
}

QueueRun::Or<void> QueueRun::take_siblings_away() {
  for (const auto& [identity, ids] : siblings_) {
    std::string from;
    do {
      const auto next = page(identity, from);
      if (!next) return failed<void>(next.error());
      std::vector<std::string> places;
      for (const auto& row : next->rows) {
        const auto gone = ids.find(row.queue_id);
        // An id that is free may be another held message's already.
        if (gone != ids.end() && !row.place.empty() && row.at - gone->second < clocks_differ_by && gone->second - row.at < clocks_differ_by) places.push_back(row.place);
      }
      if (const auto taken = take_away_from(identity, places, {}); !taken) return taken;
      from = next->next;
    } while (!from.empty());
  }
  siblings_.clear();
  return {};
}

QueueRun::Or<void> QueueRun::note_all(Rows rows, std::size_t done) {
  if (done < rows.size()) {
    const auto files = world_.queue.look(ids_of(rows), {});
    if (!files) return failed<void>(files.error());
    std::set<std::string> left;
    for (const auto& file : *files)
      if (file.is_held) left.insert(file.queue_id);
    for (const auto& row : rows)
      if (left.contains(row.queue_id)) skip(row, "the mail server did not let it be taken; it works on it");
    std::erase_if(rows, [&left](const RecordedMail& row) { return left.contains(row.queue_id); });
  }
  if (const auto taken = take_away(rows, task_.act == QueueAct::send); !taken) return taken;
  report_.gone += static_cast<std::int64_t>(rows.size() - std::min(done, rows.size()));
  note_done(done);
  return {};
}

void QueueRun::note_done(std::size_t count) { report_.done += static_cast<std::int64_t>(count); }

bool QueueRun::goes_on() {
  if (report_.state != OrderReport::State::done) return false;
  const auto wanted = world_.progress ? world_.progress(report_) : GoOn::yes;
  if (wanted != GoOn::yes) report_.state = wanted == GoOn::no ? OrderReport::State::failed : OrderReport::State::running;
  return wanted == GoOn::yes;
}

QueueRun::Or<std::size_t> QueueRun::granted(const Rows& rows) {
  std::size_t count = 0;
  for (bool all = true; all && count < rows.size();) {
    const auto& whom = rows[count].held_for;
    json::array recipients;
    for (auto n = count; n < rows.size() && rows[n].held_for == whom; ++n) recipients.emplace_back(rows[n].recipients);
    const auto asked = recipients.size();
    const auto answer = ask({"POST", "/v1/identities/" + percent_encode(task_.identity) + "/grant", {{"recipients", std::move(recipients)}, {"held_for", whom}}});
    if (!answer) return failed<std::size_t>(answer.error());
    if (const auto blocked = text_at(*answer, "blocked"); !blocked.empty())
      return failed<std::size_t>(blocked + " is blocked: its mail is sent after a release, or at once where that is said");
    const auto allowed = number_at(*answer, "granted").value_or(0);
    all = allowed == static_cast<std::int64_t>(asked);
    count += static_cast<std::size_t>(std::clamp<std::int64_t>(allowed, 0, static_cast<std::int64_t>(asked)));
    if (!all) retry_ = std::max(retry_, quota::Milliseconds{number_at(*answer, "retry_ms").value_or(1000)});
  }
  return count;
}

/// As many as the quotas let go now. Where not all may, the run ends here for now.
QueueRun::Or<void> QueueRun::send_at_own_rate(Rows rows) {
  if (rows.empty()) return {};
  const auto count = granted(rows);
  if (!count) return failed<void>(count.error());
  if (*count < rows.size()) report_.state = OrderReport::State::running;
  rows.resize(*count);
  if (rows.empty()) return {};
  const auto sent = world_.queue.send(ids_of(rows), {});
  if (!sent) return failed<void>(sent.error());
  return note_all(std::move(rows), *sent);
}

/// What was kept back of mail that had been let through. It stays recorded, for it may have to wait in the queue.
QueueRun::Or<void> QueueRun::let_go(const Rows& rows) {
  std::vector<std::string> ids;
  for (const auto& row : rows)
    if (held_now_[row.queue_id]) ids.push_back(row.queue_id);
  if (ids.empty()) return {};
  const auto sent = task_.is_dry ? Or<std::size_t>(ids.size()) : world_.queue.send(ids, {});
  if (!sent) return failed<void>(sent.error());
  note_done(*sent);
  return {};
}

QueueRun::Or<void> QueueRun::act(const Rows& rows) {
  if (rows.empty()) return {};
  if (task_.fate == Fate::sent && task_.act == QueueAct::send) return let_go(rows);
  if (task_.is_dry) {
    note_done(rows.size());
    return {};
  }
  if (is_paced()) return send_at_own_rate(rows);
  const auto kept = task_.fate == Fate::sent ? kept_back(rows) : Or<Rows>(rows);
  if (!kept) return failed<void>(kept.error());
  if (task_.act == QueueAct::hold) {
    note_done(kept->size());
    return {};
  }
  const auto ids = ids_of(*kept);
  const auto done = task_.act == QueueAct::send ? world_.queue.send(ids, {}) : world_.queue.remove(ids, {});
  if (!done) return failed<void>(done.error());
  return note_all(*kept, *done);
}

QueueRun::Or<QueueRun::Rows> QueueRun::fresh(Rows rows) {
  Rows all, again;
  for (auto& row : rows) {
    const std::pair known{row.queue_id, row.at};
    const bool is_again = row.place.empty() ? !last_.insert(known).second : last_.contains(known);
    (is_again ? again : all).push_back(std::move(row));
  }
  if (!again.empty() && task_.act == QueueAct::remove && !task_.is_dry)
    if (const auto taken = take_away(again); !taken) return failed<Rows>(taken.error());
  return all;
}

QueueRun::Or<void> QueueRun::run_page(Rows rows) {
  const auto all = fresh(std::move(rows));
  if (!all) return failed<void>(all.error());
  const auto right = found(*all);
  if (!right) return failed<void>(right.error());
  return act(*right);
}

QueueRun::Or<void> QueueRun::remember_all() {
  std::string from;
  do {
    const auto next = page(task_.identity, from);
    if (!next) return failed<void>(next.error());
    for (const auto& row : next->rows) all_.insert_or_assign(row.queue_id, row);
    from = next->next;
  } while (!from.empty());
  return {};
}

/// The notices about these messages, and no other that once had such an id.
QueueRun::Or<std::vector<std::string>> QueueRun::meant_notices() {
  using Ids = std::vector<std::string>;
  Ids ids, meant;
  for (const auto& [id, mail] : all_) ids.push_back(id);
  const auto notices = world_.queue.notices(ids);
  if (!notices) return failed<Ids>(notices.error());
  for (const auto& notice : *notices) {
    const auto about = all_.find(notice.about);
    if (about == all_.end()) continue;
    const mail_queue::QueueFile message{notice.about, false, notice.arrived, notice.mail_from, {}, false};
    if (const auto why = mismatch(about->second, message, default_realm_); why.empty())
      meant.push_back(notice.queue_id);
    else if (other_notices_.insert(notice.queue_id).second)
      skip(about->second, "the notice " + notice.queue_id + " is about another message: " + why);
  }
  return meant;
}

QueueRun::Or<void> QueueRun::act_on_notices() {
  if (all_.empty()) return {};
  const auto meant = meant_notices();
  if (!meant) return failed<void>(meant.error());
  if (meant->empty()) return {};
  if (task_.is_dry) {
    report_.bounces += static_cast<std::int64_t>(meant->size());
    return {};
  }
  const auto done = task_.act == QueueAct::send ? world_.queue.send(*meant, {}) : world_.queue.hold(*meant, {});
  if (!done) return failed<void>(done.error());
  if (task_.act == QueueAct::remove) return remove_notices(*meant);
  report_.bounces += static_cast<std::int64_t>(*done);
  return {};
}

/// They are on hold; looked at once more, as every message.
QueueRun::Or<void> QueueRun::remove_notices(std::vector<std::string> kept_back) {
  const auto meant = meant_notices();
  if (!meant) return failed<void>(meant.error());
  for (const auto& id : *meant) std::erase(kept_back, id);
  if (!kept_back.empty())
    if (const auto sent = world_.queue.send(kept_back, {}); !sent) return failed<void>(sent.error());
  const auto removed = world_.queue.remove(*meant, {});
  if (!removed) return failed<void>(removed.error());
  report_.bounces += static_cast<std::int64_t>(*removed);
  return {};
}

QueueRun::Or<void> QueueRun::run_all() {
  if (!goes_on()) return {};
  if (task_.with_bounces) {
    if (const auto known = remember_all(); !known) return known;
    if (const auto removed = act_on_notices(); !removed) return removed;
  }
  std::string from;
  do {
    auto next = page(task_.identity, from);
    if (!next) return failed<void>(next.error());
    if (const auto done = run_page(std::move(next->rows)); !done) return done;
    from = next->next;
  } while (!from.empty() && goes_on());
  // What was being delivered meanwhile may have come back by now.
  if (task_.with_bounces && !task_.is_dry && report_.state == OrderReport::State::done) return act_on_notices();
  return {};
}

QueueRun::Or<QueueOutcome> QueueRun::run() {
  report_ = {};
  report_.state = OrderReport::State::done;
  const auto turn = world_.queue.take_turn();
  if (!turn) return failed<QueueOutcome>(turn.error());
  const auto meant = total();
  if (!meant) return failed<QueueOutcome>(meant.error());
  report_.total = *meant;
  const auto done = run_all();
  const auto taken = take_siblings_away();
  if (!done) return failed<QueueOutcome>(done.error());
  if (!taken) return failed<QueueOutcome>(taken.error());
  return QueueOutcome{report_, retry_};
}

}  // namespace milter::cli
