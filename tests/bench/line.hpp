// One connection to a filter that plays a message after another: writes turns, reads answers, measures. Never blocks for an
// answer: its owner's loop says when there is something to read.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "milter/mta/answer.hpp"
#include "milter/mta/wire.hpp"
#include "tests/bench/conversation.hpp"
#include "tests/bench/load_options.hpp"

namespace bench {

using Clock = std::chrono::steady_clock;
using Moment = Clock::time_point;

enum class Said : std::uint8_t { proceed, accept, tempfail, reject, discard, quarantine, broken };
inline constexpr std::size_t said_count = 7;
[[nodiscard]] std::string_view name(Said said);

/// One message that is over.
struct Done {
  Said said = Said::broken;
  std::uint64_t sender = 0;
  Moment begun{};
  Moment ended{};
  Moment asked{};  ///< when the end of message, or whatever decided, had been written
};

class Line {
 public:
  Line(const LoadOptions& options, std::string target) : options_(options), target_(std::move(target)) {}
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;
  ~Line() { close(); }

  /// Connects, and negotiates if the protocol does that; it is ready at once or after on_readable().
  [[nodiscard]] bool open();
  [[nodiscard]] int descriptor() const { return descriptor_; }
  [[nodiscard]] bool is_ready() const { return state_ == State::ready; }
  [[nodiscard]] bool is_open() const { return descriptor_ >= 0; }
  /// Requires: is_ready(), or closed with a new connection for each message. `begun` is when the message was due.
  /// Returns the message if it is over already.
  [[nodiscard]] std::optional<Done> send(std::uint64_t sender, Moment begun);
  /// Returns the message that is over, if one is.
  [[nodiscard]] std::optional<Done> on_readable();
  void close();

 private:
  enum class State : std::uint8_t { closed, negotiating, opening, ready, sending };
  void take(char code, std::string_view data);
  void take_policy();
  void take_answer(char code, std::string_view data);
  void negotiated(char code, std::string_view data);
  void go_on();
  void say(const Turn& turn);
  void finish(Said said);
  void write(std::string_view bytes);

  // Constant after construction.
  const LoadOptions& options_;
  const std::string target_;
  // The connection.
  State state_ = State::closed;
  int descriptor_ = -1;
  std::vector<Turn> session_;
  std::vector<Turn> message_;
  std::string input_;
  // The conversation.
  std::size_t turn_ = 0;
  bool has_job_ = false;
  bool is_held_ = false;
  Done job_;
  std::optional<Done> over_;
};

}  // namespace bench
