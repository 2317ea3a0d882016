#include "tests/bench/load_report.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <numeric>

#include "tests/bench/cpu_time.hpp"

namespace bench {
namespace {

std::uint32_t nanoseconds(Clock::duration time) {
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(std::chrono::nanoseconds(time).count(), 0, UINT32_MAX));
}

}  // namespace

void Report::begin(Moment now) {
  measures_ = true;
  begun_ = now;
  for (const auto& [name, pid] : options_.watched) cpu_.push_back(cpu_seconds(pid));
  own_cpu_ = cpu_seconds(::getpid());
  busy_ = machine_busy_seconds();
}

void Report::end(Moment now) {
  if (!measures_) begin(now);
  measures_ = false;
  ended_ = now;
  for (std::size_t i = 0; i < cpu_.size(); ++i) cpu_[i] = cpu_seconds(options_.watched[i].second) - cpu_[i];
  own_cpu_ = cpu_seconds(::getpid()) - own_cpu_;
  busy_ = machine_busy_seconds() - busy_;
}

void Report::add(const Done& done) {
  ++verdicts_[static_cast<std::size_t>(done.said)];
  if (!measures_) return;
  whole_.push_back(nanoseconds(done.ended - done.begun));
  answer_.push_back(nanoseconds(done.ended - done.asked));
}

std::string Report::quantiles(Times times) {
  if (times.empty()) return "{}";
  std::ranges::sort(times);
  const auto at = [&](double part) { return static_cast<double>(times[static_cast<std::size_t>(part * static_cast<double>(times.size() - 1))]) / 1000; };
  return fmt::format(R"({{"p50": {:.1f}, "p90": {:.1f}, "p99": {:.1f}, "max": {:.1f}}})", at(0.5), at(0.9), at(0.99), at(1));
}

std::string Report::json() const {
  const auto seconds = std::chrono::duration<double>(ended_ - begun_).count();
  const auto messages = whole_.size();
  std::string verdicts;
  for (std::size_t i = 0; i < verdicts_.size(); ++i)
    if (verdicts_[i] != 0) verdicts += fmt::format(R"({}"{}": {})", verdicts.empty() ? "" : ", ", name(static_cast<Said>(i)), verdicts_[i]);
  std::string cpu;
  for (std::size_t i = 0; i < cpu_.size(); ++i) cpu += fmt::format(R"({}"{}": {:.2f})", cpu.empty() ? "" : ", ", options_.watched[i].first, cpu_[i]);
  const auto others = std::max(0.0, busy_ - own_cpu_ - std::accumulate(cpu_.begin(), cpu_.end(), 0.0));
  return fmt::format(R"({{"seconds": {:.3f}, "messages": {}, "per_second": {:.1f}, "verdicts": {{{}}}, "unanswered": {}, "whole": {}, "answer": {}, )"
                     R"("cpu": {{{}}}, "own_cpu": {:.2f}, "other_cpu": {:.2f}}})",
                     seconds, messages, seconds > 0 ? static_cast<double>(messages) / seconds : 0.0, verdicts, leftover_, quantiles(whole_),
                     quantiles(answer_), cpu, own_cpu_, others);
}

}  // namespace bench
