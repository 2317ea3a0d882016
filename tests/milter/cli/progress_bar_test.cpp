#include "milter/cli/progress_bar.hpp"

#include <doctest/doctest.h>

#include <vector>

using namespace milter::cli;
using namespace std::chrono_literals;

namespace {

constexpr const char* empty_bar = "[........................................] 0/4, 0s";
constexpr const char* half_bar = "[####################....................] 2/4, 0s";

/// A terminal that remembers each text it was given.
class Terminal {
 public:
  std::function<void(const std::string&)> writer() {
    return [this](const std::string& text) {
      const std::lock_guard lock(mutex_);
      texts_.push_back(text);
      changed_.notify_all();
    };
  }
  [[nodiscard]] bool comes(const std::string& wanted) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 10s, [&] { return !texts_.empty() && texts_.back() == wanted; });
  }
  [[nodiscard]] std::vector<std::string> texts() {
    const std::lock_guard lock(mutex_);
    return texts_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> texts_;
};

}  // namespace

TEST_CASE("a bar is drawn while nothing is done, follows what is done, and is wiped away") {
  Terminal terminal;
  {
    ProgressBar bar(4, terminal.writer(), {.first = 1ms, .then = 1ms});
    CHECK(terminal.comes(std::string("\r") + empty_bar));
    bar.set_done(2);
    CHECK(terminal.comes(std::string("\r") + half_bar));
  }
  CHECK(terminal.texts().back() == "\r" + std::string(std::string(half_bar).size(), ' ') + "\r");
}

TEST_CASE("what is over before the first tick shows no bar, and is not kept waiting for it") {
  Terminal terminal;
  const auto began = std::chrono::steady_clock::now();
  ProgressBar(4, terminal.writer(), {.first = 1h, .then = 1ms}).set_done(4);
  CHECK(std::chrono::steady_clock::now() - began < 10s);
  CHECK(terminal.texts().empty());
}
