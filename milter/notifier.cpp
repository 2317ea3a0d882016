#include "milter/notifier.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <set>

#include "milter/log_line.hpp"
#include "quota/store/quiet_thread.hpp"
#include "quota/text.hpp"
#include "quota/time_text.hpp"

namespace milter {
namespace {

namespace json = boost::json;
constexpr auto last_at_most = std::chrono::seconds{1};
constexpr auto look_again_after = std::chrono::milliseconds{20};
constexpr auto once_in = std::chrono::hours{1};
constexpr std::size_t most_listed = 10;

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

void Notifier::happened(const quota::Event& event, quota::Timestamp at) {
  const auto config = tools_.config();
  const auto& on = config->notify.on;
  if (config->notify.command.empty() || event.what == "degraded" || std::find(on.begin(), on.end(), event.what) == on.end()) return;
  const std::lock_guard lock(mutex_);
  if (queue_.size() >= most_queued || stopping_) {
    tools_.counters.notifications_failed.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  queue_.push_back({event, at});
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
    if (degraded_ && Steady::now() >= degraded_due_) {
      queue_.push_back(*degraded_);
      degraded_due_ = Steady::time_point::max();  // once an outage
    }
    if (queue_.empty()) {
      if (degraded_ && degraded_due_ != Steady::time_point::max())
        changed_.wait_until(lock, degraded_due_);
      else
        changed_.wait(lock);
      continue;
    }
    const auto next = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    tell(next);
    lock.lock();
  }
  has_ended_ = true;
  changed_.notify_all();
}

void Notifier::tell(const Incident& incident) {
  try {
    const auto config = tools_.config();
    const auto& settings = config->notify;
    if (settings.command.empty() || std::find(settings.on.begin(), settings.on.end(), incident.event.what) == settings.on.end()) return;
    const auto left_out = left_out_before(incident);
    if (!left_out) return;
    const auto done = tools_.run(quota::words_of(settings.command), json::serialize(message_about(incident, *left_out, settings.addresses)) + "\n", is_cancelled_);
    auto& counter = done ? tools_.counters.notifications : tools_.counters.notifications_failed;
    counter.fetch_add(1, std::memory_order_relaxed);
    if (!done) spdlog::error("notify.command: {}; not told: event={}, identity={}", readable(done.error()), incident.event.what, incident.event.identity);
  } catch (const std::exception& error) {
    tools_.counters.notifications_failed.fetch_add(1, std::memory_order_relaxed);
    spdlog::error("notify.command: {}", readable(error.what()));
  }
}

std::optional<std::uint64_t> Notifier::left_out_before(const Incident& incident) {
  const auto now = Steady::now();
  if (told_.size() >= most_remembered) std::erase_if(told_, [now](const auto& one) { return one.second.until <= now; });
  if (told_.size() >= most_remembered) told_.clear();
  const auto cause = incident.event.what + ":" + incident.event.identity;
  const auto [known, is_new] = told_.try_emplace(cause, Told{now + once_in});
  auto& told = known->second;
  // A daemon beside this one may have told it. Without an answer it is told: once too often rather than not at all.
  const bool is_told_here = !is_new && now < told.until;
  const bool is_store_away = incident.event.what == "degraded";
  const auto claimed = is_told_here || is_store_away ? quota::Result<bool, quota::StoreError>(true) : tools_.ledger.claim("notified:" + cause, once_in);
  if (is_told_here || (claimed && !*claimed)) {
    ++told.left_out;
    return std::nullopt;
  }
  told.until = now + once_in;
  return std::exchange(told.left_out, 0);
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

json::object Notifier::message_about(const Incident& incident, std::uint64_t left_out, bool with_addresses) const {
  const auto& event = incident.event;
  const auto sender = look_up(event);
  const auto history = part(sender, "history").is_object() ? part(sender, "history").get_object() : json::object{};
  const auto& messages = list(history, "messages");
  const auto shown = [](const std::string& text) { return json::string(quota::valid_utf8(text)); };
  json::array commands;
  if (!event.identity.empty()) {
    const auto who = quota::shell_word(quota::valid_utf8(event.identity));
    commands.emplace_back("sendquota incident " + who);
    commands.emplace_back(part(sender, "blocked").is_object() ? "sendquota release " + who : "sendquota block " + who);
  } else {
    commands.emplace_back("sendquota status");
  }
  json::object message{{"event", shown(event.what)},
                       {"severity", shown(event.severity)},
                       {"at", quota::format_moment(incident.at)},
                       {"identity", event.identity.empty() ? json::value(nullptr) : json::value(shown(event.identity))},
                       {"text", shown(event.text)},
                       {"by", shown(event.by)},
                       {"host", shown(event.host.empty() ? tools_.host : event.host)},
                       {"left_out", left_out},
                       {"limits", list(sender, "limits")},
                       {"blocked", part(sender, "blocked")},
                       {"networks", texts_in(list(history, "networks"), [](const json::object& one) { return one.if_contains("network"); })},
                       {"scripts", list(history, "scripts")},
                       {"queue_ids", texts_in(messages, [](const json::object& one) { return one.if_contains("queue_id"); })},
                       {"recipient_domains", recipients_in(messages, false)},
                       {"commands", std::move(commands)}};
  if (with_addresses) message["recipients"] = recipients_in(messages, true);
  return message;
}

}  // namespace milter
