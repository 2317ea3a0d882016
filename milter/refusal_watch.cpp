#include "milter/refusal_watch.hpp"

#include <condition_variable>
#include <mutex>

namespace milter {

RefusalWatch::RefusalWatch(Services& services, std::chrono::milliseconds every) : services_(services) {
  if (every > std::chrono::milliseconds{0}) thread_ = std::jthread([this, every](const std::stop_token& stop) { run(stop, every); });
}

void RefusalWatch::stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void RefusalWatch::look(const std::stop_token& stop) {
  for (const auto& [identity, sender] : services_.refusals.due(services_.steady_now(), most_at_once)) {
    if (stop.stop_requested()) return;
    // A slow store makes a round long: each question is judged by what holds just then.
    const auto config = services_.config();
    const auto tables = services_.tables();
    const auto at = services_.steady_now();
    const auto verdict = quota::foresee(*config->policy, *tables, services_.tables_now(), services_.store, {quota::Message::Stage::at_mail, sender, {}, 0});
    if (verdict.decider && verdict.decider->is_certain && verdict.decider->identity == identity)
      services_.refusals.confirm(*verdict.decider, at);
    else
      services_.refusals.forget(identity);
  }
}

void RefusalWatch::run(const std::stop_token& stop, std::chrono::milliseconds every) {
  std::mutex mutex;
  std::condition_variable_any stopped;
  std::unique_lock lock(mutex);
  while (!stopped.wait_for(lock, stop, every, [&stop] { return stop.stop_requested(); })) look(stop);
}

}  // namespace milter
