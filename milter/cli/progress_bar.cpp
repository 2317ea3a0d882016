#include "milter/cli/progress_bar.hpp"

#include <fmt/format.h>

#include <utility>

namespace milter::cli {

ProgressBar::ProgressBar(std::size_t count, std::function<void(const std::string&)> write, Pace pace)
    : count_(count), write_(std::move(write)), pace_(pace), thread_([this] { run(); }) {}

ProgressBar::~ProgressBar() {
  {
    const std::lock_guard lock(mutex_);
    is_over_ = true;
  }
  ended_.notify_all();
  thread_.join();
  if (shown_ > 0) write_(fmt::format("\r{:{}}\r", "", shown_));
}

void ProgressBar::run() {
  std::unique_lock lock(mutex_);
  auto wait = pace_.first;
  while (!ended_.wait_for(lock, wait, [this] { return is_over_; })) {
    wait = pace_.then;
    const auto bar = drawn();
    shown_ = bar.size();  // it never becomes shorter
    write_("\r" + bar);
  }
}

std::string ProgressBar::drawn() const {
  constexpr std::size_t width = 40;
  const auto done = done_.load(std::memory_order_relaxed);
  const auto filled = width * done / count_;
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - began_).count();
  return fmt::format("[{}{}] {}/{}, {}s", std::string(filled, '#'), std::string(width - filled, '.'), done, count_, seconds);
}

}  // namespace milter::cli
