// bench_load TARGET…: keeps filters busy and tells how fast they were; see load_options.hpp for what can be asked.
//
// Closed loop: each connection sends its next message when the last one is over. Open loop (--rate): messages are due at fixed
// times whatever the filter does; one that finds no connection free waits for it, and its time counts from when it was due, so
// that a filter that stalls is not asked less in the meantime.
// Threads: one.
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <deque>
#include <iostream>
#include <memory>

#include "tests/bench/cpu_time.hpp"
#include "tests/bench/line.hpp"
#include "tests/bench/load_report.hpp"
#include "tests/bench/senders.hpp"

namespace bench {
namespace {

using namespace std::chrono_literals;

constexpr auto patience = 10s;

Clock::duration as_duration(double seconds) { return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds)); }

class Load {
 public:
  explicit Load(const LoadOptions& options)
      : options_(options), senders_(options.first_sender, options.senders, options.zipf, options.in_turn), report_(options) {
    for (std::size_t i = 0; i < options.connections; ++i)
      lines_.push_back(std::make_unique<Line>(options, options.targets[i % options.targets.size()]));
  }

  /// Returns whether every connection was opened.
  bool open() {
    for (auto& line : lines_) {
      if (!options_.is_new_each && !reopen(*line)) return false;
      idle_.push_back(line.get());
    }
    const auto until = Clock::now() + patience;
    const auto waits = [](const auto& line) { return !line->is_ready(); };
    while (!options_.is_new_each && std::ranges::any_of(lines_, waits) && Clock::now() < until) serve(10ms);
    return options_.is_new_each || std::ranges::none_of(lines_, waits);
  }

  void run() {
    const auto begin = Clock::now();
    const auto measured_from = begin + as_duration(options_.warm_up);
    const auto end = measured_from + as_duration(options_.seconds);
    due_ = begin;
    bool measures = false;
    for (auto now = begin; now < end && !is_over(); now = Clock::now()) {
      if (!measures && now >= measured_from) measures = true, report_.begin(now);
      send_what_is_due(now);
      serve(options_.rate > 0 ? std::clamp(std::chrono::ceil<std::chrono::milliseconds>(due_ - Clock::now()) - 1ms, 0ms, 1ms) : 10ms);
    }
    report_.end(Clock::now());
    is_ending_ = true;
    // What is under way is answered before anything is closed; it is not measured.
    for (const auto until = Clock::now() + patience; idle_.size() < lines_.size() && Clock::now() < until;) serve(10ms);
    report_.leftover(lines_.size() - idle_.size());
  }

  [[nodiscard]] const Report& report() const { return report_; }

 private:
  [[nodiscard]] bool is_over() const { return options_.messages != 0 && sent_ >= options_.messages && idle_.size() == lines_.size(); }
  [[nodiscard]] bool may_send() const { return !is_ending_ && (options_.messages == 0 || sent_ < options_.messages); }

  void send_what_is_due(Moment now) {
    while (!idle_.empty() && may_send()) {
      auto begun = now;
      if (options_.rate > 0) {
        if (due_ > now) return;
        begun = due_;
        due_ += as_duration(1 / options_.rate);
      }
      auto& line = *idle_.front();
      idle_.pop_front();
      ++sent_;
      const auto done = line.send(senders_.next(), begun);
      if (done) over(line, *done);
      else if (options_.is_new_each) watch(line);
    }
  }

  void serve(std::chrono::milliseconds at_most) {
    const int count = ::epoll_wait(epoll_, ready_.data(), static_cast<int>(ready_.size()), static_cast<int>(at_most.count()));
    for (int i = 0; i < count; ++i) {
      auto& line = *static_cast<Line*>(ready_[static_cast<std::size_t>(i)].data.ptr);
      const auto done = line.on_readable();
      if (!line.is_open() && !options_.is_new_each) (void)reopen(line);
      if (!done) continue;
      over(line, *done);
      if (options_.rate <= 0 && !options_.is_new_each && may_send()) send_what_is_due(done->ended);
    }
  }

  void over(Line& line, const Done& done) {
    report_.add(done);
    idle_.push_back(&line);
  }

  bool reopen(Line& line) { return line.open() && watch(line); }

  bool watch(Line& line) {
    epoll_event interest{};
    interest.events = EPOLLIN;
    interest.data.ptr = &line;
    return ::epoll_ctl(epoll_, EPOLL_CTL_ADD, line.descriptor(), &interest) == 0;
  }

  const LoadOptions& options_;
  Senders senders_;
  Report report_;
  const int epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  std::array<epoll_event, 256> ready_{};
  std::vector<std::unique_ptr<Line>> lines_;
  std::deque<Line*> idle_;
  Moment due_{};
  std::uint64_t sent_ = 0;
  bool is_ending_ = false;
};

int run(const LoadOptions& options) {
  Load load(options);
  if (!load.open()) {
    std::cerr << "not every connection could be opened: " << options.targets.front() << '\n';
    return 1;
  }
  load.run();
  std::cout << load.report().json() << '\n';
  return 0;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  const auto options = bench::parse_load_options(argc, argv);
  if (options) return bench::run(*options);
  std::cerr << options.error() << '\n';
  return 2;
}
