#include "milter/event_log.hpp"

#include <spdlog/spdlog.h>

#include "milter/log_line.hpp"

namespace milter {
namespace {

spdlog::level::level_enum level_of(const quota::Event& event) {
  if (event.severity == "error") return spdlog::level::err;
  return event.severity == "warning" ? spdlog::level::warn : spdlog::level::info;
}

}  // namespace

EventLog::OrError<void> EventLog::append(const quota::Event& event) {
  auto done = ledger_.append(event);
  const bool was_logged = event.what == "degraded" || event.what == "recovered" || event.what == "redis_evicts";
  const bool is_written = done || done.error().executed != quota::Executed::no;  // nobody writes it a second time
  if (is_written && !was_logged)
    spdlog::log(level_of(event), "event={}, identity={}, by={}, text=\"{}\"", event.what, event.identity, readable(event.by), readable(event.text));
  const std::lock_guard lock(mutex_);
  if (is_written && listener_) listener_(event);
  return done;
}

void EventLog::listen(std::function<void(const quota::Event&)> listener) {
  const std::lock_guard lock(mutex_);
  listener_ = std::move(listener);
}

}  // namespace milter
