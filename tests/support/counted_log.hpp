// CountedLog: keeps the log out of a test's output, and counts its lines. What they say is nobody's contract but the one
// line of a message, which has a test of its own.
#pragma once

#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include <array>
#include <memory>
#include <mutex>

namespace milter {

class CountedLog {
 public:
  CountedLog() : before_(spdlog::default_logger()), sink_(std::make_shared<Sink>()) {
    spdlog::set_default_logger(std::make_shared<spdlog::logger>("test", sink_));
  }
  ~CountedLog() { spdlog::set_default_logger(before_); }
  CountedLog(const CountedLog&) = delete;
  CountedLog& operator=(const CountedLog&) = delete;

  [[nodiscard]] int warnings() const { return sink_->counts[SPDLOG_LEVEL_WARN]; }
  [[nodiscard]] int errors() const { return sink_->counts[SPDLOG_LEVEL_ERROR]; }

 private:
  struct Sink final : spdlog::sinks::base_sink<std::mutex> {
    void sink_it_(const spdlog::details::log_msg& message) override { ++counts[static_cast<std::size_t>(message.level)]; }
    void flush_() override {}
    std::array<int, 7> counts{};
  };

  std::shared_ptr<spdlog::logger> before_;
  std::shared_ptr<Sink> sink_;
};

}  // namespace milter
