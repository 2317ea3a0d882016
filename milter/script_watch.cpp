#include "milter/script_watch.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "milter/log_line.hpp"
#include "quota/store/quiet_thread.hpp"
#include "quota/time_text.hpp"

namespace milter {
namespace {

constexpr auto told_once_in = std::chrono::hours{1};

std::string sentence_about(const quota::ScriptNews& news, std::int64_t left_out) {
  auto text = fmt::format("a script starts to send; scripts of its uid send since {}", quota::format_moment(news.uid_since));
  if (news.others > 0) text += fmt::format(", {} {} known", news.others, news.others == 1 ? "other is" : "others are");
  if (left_out > 0) text += fmt::format("; {} more of them were new since the last was told", left_out);
  return text;
}

}  // namespace

ScriptWatch::ScriptWatch(ScriptWatchTools tools) : tools_(std::move(tools)), thread_(quota::quiet_thread([this] { run(); })) {}

ScriptWatch::~ScriptWatch() { stop(); }

void ScriptWatch::seen(const quota::Identity& uid, const std::string& script, std::size_t most) {
  const std::lock_guard lock(mutex_);
  if (queued_.contains(script)) return;
  if (queue_.size() >= most_queued) {
    tools_.counters.events_dropped.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  queue_.push_back({uid, script, most, tools_.new_token()});
  queued_.insert(script);
  changed_.notify_one();
}

void ScriptWatch::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void ScriptWatch::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (queue_.empty()) {
      changed_.wait(lock);
      continue;
    }
    const auto next = queue_.front();
    lock.unlock();
    const bool is_done = look_at(next);
    lock.lock();
    if (is_done) {
      queued_.erase(next.script);
      queue_.pop_front();
    } else {
      changed_.wait_for(lock, tools_.retry_after, [this] { return stopping_; });
    }
  }
}

bool ScriptWatch::look_at(const quota::ScriptSight& sight) {
  const auto news = tools_.ledger.learn(sight);
  if (!news && is_away(news.error())) return false;
  if (!news)
    spdlog::error("whether {} is a new script cannot be known: {}", sight.script, readable(news.error().text));
  else if (news->what == quota::ScriptNews::What::is_new)
    tell(sight, *news);
  return true;
}

/// Without an answer it is told: once too often rather than not at all.
void ScriptWatch::tell(const quota::ScriptSight& sight, const quota::ScriptNews& news) {
  const auto granted = tools_.ledger.tell("new_script:" + sight.uid.text(), told_once_in);
  if (granted && !*granted) return;
  const quota::Identity script{quota::Kind::script, sight.script};
  tools_.tell({"new_script", "warning", script.text(), sentence_about(news, granted ? **granted : 0), "sendquotad", tools_.host});
}

}  // namespace milter
