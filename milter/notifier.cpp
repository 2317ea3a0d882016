#include "milter/notifier.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <set>

#include "milter/log_line.hpp"
#include "milter/undoing.hpp"
#include "quota/store/quiet_thread.hpp"
#include "quota/text.hpp"
#include "quota/time_text.hpp"

namespace milter {
namespace {

namespace json = boost::json;
constexpr auto last_at_most = std::chrono::seconds{1};
constexpr auto look_again_after = std::chrono::milliseconds{20};
/// An hour, less a moment: what is repeated each hour may come a moment early.
constexpr auto once_in = std::chrono::minutes{59};
constexpr std::size_t most_listed = 10;

/// What is told once: of events about nobody each text is one of its own.
std::string key_of(const quota::Event& event) {
  if (event.what == "degraded" || event.what == "many_uncovered") return event.what;
  return event.what + ":" + (event.identity.empty() ? event.text : event.identity);
}

/// Which each daemon sees for itself.
bool is_about_store(const quota::Event& event) { return event.what == "degraded" || event.what == "recovered"; }

json::value part(const json::object& from, std::string_view key) {
  const auto* const value = from.if_contains(key);
  return value ? *value : json::value(nullptr);
}

const json::array& list(const json::object& from, std::string_view key) {
  static const json::array none;
  const auto* const value = from.if_contains(key);
  return value && value->is_array() ? value->get_array() : none;
}

/// The first few different texts that `text_of` finds in objects.
template <class TextOf>
json::array texts_in(const json::array& objects, TextOf text_of) {
  json::array texts;
  std::set<std::string> seen;
  for (const auto& one : objects) {
    if (!one.is_object() || texts.size() >= most_listed) continue;
    const auto* const value = text_of(one.get_object());
    if (value && value->is_string() && seen.emplace(value->get_string()).second) texts.push_back(*value);
  }
  return texts;
}

bool has_sent(const json::object& history) {
  const auto& hours = list(history, "last_hours");
  return std::any_of(hours.begin(), hours.end(), [](const json::value& hour) {
    const auto* const sent = hour.is_object() ? hour.get_object().if_contains("sent") : nullptr;
    return sent && sent->is_int64() && sent->get_int64() > 0;
  });
}

/// That tell more, end it, and undo what it did to the queues where the sender is blocked.
json::array commands_of(const quota::Event& event, const json::object& sender, const json::object& history) {
  if (event.identity.empty()) return {"sendquota status"};
  const auto who = quota::shell_word(quota::valid_utf8(event.identity));
  const bool is_blocked = part(sender, "blocked").is_object();
  json::array commands{json::string("sendquota incident " + who), json::string((is_blocked ? "sendquota release " : "sendquota block ") + who)};
  if (is_blocked)
    for (const auto& command : commands_about_mail({event.identity, !list(sender, "held").empty(), has_sent(history)})) commands.emplace_back(command);
  return commands;
}

json::array first_of(json::array all) {
  if (all.size() > most_listed) all.resize(most_listed);
  return all;
}

/// What may be in a queue, or has left, comes before what was refused.
json::array evidence_in(const json::object& history) {
  auto messages = list(history, "messages");
  std::stable_partition(messages.begin(), messages.end(), [](const json::value& one) {
    const auto* const verdict = one.is_object() ? one.get_object().if_contains("verdict") : nullptr;
    return verdict && (*verdict == "accept" || *verdict == "quarantine");
  });
  return messages;
}

json::array recipients_in(const json::array& messages, bool whole) {
  json::array recipients;
  std::set<std::string> seen;
  for (const auto& message : messages) {
    if (!message.is_object()) continue;
    for (const auto& one : list(message.get_object(), "first_recipients")) {
      if (!one.is_string() || recipients.size() >= most_listed) continue;
      std::string text(one.get_string());
      if (!whole) text.erase(0, text.rfind('@') + 1);
      if (!text.empty() && seen.insert(text).second) recipients.emplace_back(text);
    }
  }
  return recipients;
}

}  // namespace

Notifier::Notifier(NotifierTools tools) : tools_(std::move(tools)), thread_(quota::quiet_thread([this] { run(); })) {}

Notifier::~Notifier() { stop(); }

bool Notifier::is_wanted(const std::string& what) const {
  const auto config = tools_.config();
  const auto& on = config->notify.on;
  return !config->notify.command.empty() && std::find(on.begin(), on.end(), what) != on.end();
}

void Notifier::happened(const quota::Event& event, quota::Timestamp at) {
  if (event.what == "degraded" || !is_wanted(event.what)) return;
  const std::lock_guard lock(mutex_);
  // Of an outage that was none of an incident the end is none either.
  if (event.what == "recovered" && !std::exchange(was_degraded_for_long_, false)) return;
  Incident incident{event, at};
  if (event.what == "first_hold") incident.due = Steady::now() + tools_.hold_after;
  queue(std::move(incident));
}

bool Notifier::is_part_of_block(const quota::Event& event) const {
  return event.what == "first_hold" && is_wanted("blocked") && part(tools_.look_up(event.identity), "blocked").is_object();
}

/// Requires: mutex_.
void Notifier::queue(Incident incident) {
  if (queue_.size() >= most_queued || stopping_) {
    tools_.counters.notifications_failed.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  queue_.push_back(std::move(incident));
  changed_.notify_all();
}

void Notifier::note_health(const std::string& error, quota::Timestamp at) {
  const std::lock_guard lock(mutex_);
  if (error.empty()) {
    degraded_.reset();
  } else if (!degraded_) {
    degraded_ = Incident{{"degraded", "error", "", "the store has no answer since " + quota::format_moment(at) + ": " + error, "sendquotad", tools_.host}, at};
    degraded_due_ = Steady::now() + tools_.degraded_after;
  }
  changed_.notify_all();
}

/// Requires: mutex_.
void Notifier::note_degraded() {
  was_degraded_for_long_ = true;
  degraded_due_ = Steady::time_point::max();  // once an outage
  if (is_wanted("degraded")) queue(*degraded_);
}

void Notifier::stop() {
  {
    std::unique_lock lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
    changed_.wait_for(lock, last_at_most, [this] { return has_ended_; });
  }
  is_cancelled_ = true;
  if (thread_.joinable()) thread_.join();
}

void Notifier::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const auto now = Steady::now();
    if (degraded_ && now >= degraded_due_) note_degraded();
    const auto next = std::min_element(queue_.begin(), queue_.end(), [](const Incident& one, const Incident& other) { return one.due < other.due; });
    if (next == queue_.end() || next->due > now) {
      auto wake_at = next == queue_.end() ? Steady::time_point::max() : next->due;
      if (degraded_) wake_at = std::min(wake_at, degraded_due_);
      if (wake_at == Steady::time_point::max())
        changed_.wait(lock);
      else
        changed_.wait_until(lock, wake_at);
      continue;
    }
    auto incident = std::move(*next);
    queue_.erase(next);
    lock.unlock();
    auto again = tell(std::move(incident));
    lock.lock();
    if (again && again->event.what == "degraded" && again->tries == 0)
      degraded_due_ = degraded_ ? again->due : degraded_due_;  // it was left out: it is told when its hour has passed, if the outage lasts
    else if (again)
      queue(std::move(*again));
  }
  if (!queue_.empty()) spdlog::error("notify.command: {} incidents are not told, because the daemon stops", queue_.size());
  tools_.counters.notifications_failed.fetch_add(queue_.size(), std::memory_order_relaxed);
  has_ended_ = true;
  changed_.notify_all();
}

std::optional<Notifier::Incident> Notifier::tell(Incident incident) {
  const auto failed = [&](const std::string& why) -> std::optional<Incident> {
    tools_.counters.notifications_failed.fetch_add(1, std::memory_order_relaxed);
    const bool is_last = ++incident.tries >= most_tries;
    spdlog::error("notify.command: {}; {}: event={}, identity={}", readable(why), is_last ? "not told" : "tried again later", incident.event.what, incident.event.identity);
    incident.due = Steady::now() + tools_.retry_after;
    return is_last ? std::nullopt : std::optional(incident);
  };
  try {
    if (!is_wanted(incident.event.what) || is_part_of_block(incident.event)) return std::nullopt;
    if (incident.tries == 0) {
      const auto left_out = left_out_before(incident);
      if (!left_out) {
        incident.due = told_.at(key_of(incident.event)).until;
        return incident.event.what == "degraded" ? std::optional(incident) : std::nullopt;
      }
      incident.left_out = *left_out;
    }
    const auto config = tools_.config();
    const auto done = tools_.run(quota::words_of(config->notify.command), json::serialize(message_about(incident, config->notify.addresses)) + "\n", is_cancelled_);
    if (!done) return failed(done.error());
    tools_.counters.notifications.fetch_add(1, std::memory_order_relaxed);
    return std::nullopt;
  } catch (const std::exception& error) {
    return failed(error.what());
  }
}

/// The hour is counted from when it was noticed, however late it is told.
std::optional<std::uint64_t> Notifier::left_out_before(const Incident& incident) {
  const auto now = Steady::now();
  if (told_.size() >= most_remembered) std::erase_if(told_, [now](const auto& one) { return one.second.until <= now; });
  if (told_.size() >= most_remembered) told_.clear();
  const auto cause = key_of(incident.event);
  auto& told = told_[cause];
  const auto until = incident.noticed + once_in;
  const auto lasting = std::chrono::ceil<quota::Milliseconds>(std::max<Steady::duration>(until - now, std::chrono::seconds{1}));
  // A daemon beside this one may have told it. Without an answer it is told, unless it was told here: once too often rather than not at all.
  const auto granted = is_about_store(incident.event) ? std::nullopt : std::optional(tools_.ledger.tell(cause, lasting));
  const bool is_answered = granted && *granted;
  if (is_answered ? !**granted : now < told.until) {
    told.left_out += is_answered ? 0 : 1;  // the store counts the others
    return std::nullopt;
  }
  told.until = until;
  return std::exchange(told.left_out, 0) + (is_answered ? static_cast<std::uint64_t>(***granted) : 0);
}

/// A block is written before this daemon reads it back from its tables.
json::object Notifier::look_up(const quota::Event& event) const {
  if (event.identity.empty()) return {};
  for (const auto until = Steady::now() + tools_.settles_within;;) {
    auto sender = tools_.look_up(event.identity);
    if (event.what != "blocked" || part(sender, "blocked").is_object() || Steady::now() >= until) return sender;
    std::this_thread::sleep_for(look_again_after);
  }
}

json::object Notifier::message_about(const Incident& incident, bool with_addresses) const {
  const auto& event = incident.event;
  const auto sender = look_up(event);
  const auto history = part(sender, "history").is_object() ? part(sender, "history").get_object() : json::object{};
  const auto messages = evidence_in(history);
  const auto shown = [](const std::string& text) { return json::string(quota::valid_utf8(text)); };
  json::object message{{"event", shown(event.what)},
                       {"severity", shown(event.severity)},
                       {"at", quota::format_moment(incident.at)},
                       {"identity", event.identity.empty() ? json::value(nullptr) : json::value(shown(event.identity))},
                       {"text", shown(event.text)},
                       {"by", shown(event.by)},
                       {"host", shown(event.host.empty() ? tools_.host : event.host)},
                       {"left_out", incident.left_out},
                       {"limits", list(sender, "limits")},
                       {"blocked", part(sender, "blocked")},
                       {"networks", texts_in(list(history, "networks"), [](const json::object& one) { return one.if_contains("network"); })},
                       {"scripts", first_of(list(history, "scripts"))},
                       {"queue_ids", texts_in(messages, [](const json::object& one) { return one.if_contains("queue_id"); })},
                       {"recipient_domains", recipients_in(messages, false)},
                       {"commands", commands_of(event, sender, history)}};
  if (with_addresses) message["recipients"] = recipients_in(messages, true);
  return message;
}

}  // namespace milter
