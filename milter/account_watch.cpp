#include "milter/account_watch.hpp"

#include "milter/config_files.hpp"

namespace milter {

AccountWatch::AccountWatch(AccountWatchTools tools)
    : tools_(std::move(tools)), thread_([this](const std::stop_token& stop) { run(stop); }) {}

void AccountWatch::stop() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
}

void AccountWatch::run(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any stopped;
  std::unique_lock lock(mutex);
  while (!stopped.wait_for(lock, stop, tools_.every, [&stop] { return stop.stop_requested(); })) look();
}

void AccountWatch::look() {
  const std::lock_guard lock(tools_.reloading);
  const auto running = tools_.running();
  if (running->accounts_file.empty()) return;
  const auto path = resolved(running->accounts_file, running->file_name);
  const auto state = state_of(path);
  if (state == running->accounts_state) refused_.reset();
  if (state == running->accounts_state || state == refused_) return;
  auto accounts = load_accounts(path, running->policy->parts().identity.spelling());
  if (!accounts) {
    refused_ = state;
    return tools_.refuse(accounts.error());
  }
  refused_.reset();
  tools_.take(std::make_shared<const Config>(with_accounts(*running, std::move(*accounts), state)));
}

}  // namespace milter
