// A kept connection to a milter that plays one message after another as Postfix does, never blocks its owner's loop for an
// answer, and accounts for every one of them: one that is missing, one too many, and how long each was waited for.
//
// Unlike mta::Client it reads whenever something comes, so that an answer nobody asked for is seen the moment it arrives.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "milter/mta/delivery.hpp"
#include "milter/mta/negotiation.hpp"
#include "milter/mta/wire.hpp"
#include "tests/faults/load_plan.hpp"

namespace faults {

/// A message to be sent, and for whom.
struct Job {
  std::size_t group = 0;
  std::uint64_t sender = 0;
  std::uint64_t number = 0;  ///< of all messages
  milter::mta::Message message;
};

/// What became of one message.
struct Fact {
  std::size_t group = 0;
  std::uint64_t sender = 0;
  std::uint64_t number = 0;
  std::size_t connection = 0;
  Moment began{};
  Moment ended{};
  Nanoseconds waited{};             ///< for answers, all together: how long the milter held the message
  Nanoseconds longest{};            ///< for one of them
  std::optional<milter::mta::Sent> sent{};  ///< empty: no answer
};

class Connection {
 public:
  enum class State { closed, opening, idle, sending };

  Connection(std::size_t number, std::string address) : number_(number), address_(std::move(address)) {}
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() { close(); }

  [[nodiscard]] std::size_t number() const { return number_; }
  [[nodiscard]] State state() const { return state_; }
  [[nodiscard]] int descriptor() const { return descriptor_; }
  [[nodiscard]] std::uint64_t messages() const { return messages_; }
  [[nodiscard]] Moment waiting_since() const { return asked_at_; }

  /// Connects and offers; the rest follows from on_readable(). Returns whether anybody listens.
  bool open();
  /// Requires: idle. Returns the message if it is over already.
  std::optional<Fact> send(Job job);
  /// Reads what there is. Returns the message that is over, if one is.
  std::optional<Fact> on_readable();
  /// Ends it; the message under way, if any, has no answer, which is returned.
  std::optional<Fact> close(std::string why = {});

  /// Why it was closed the last time.
  [[nodiscard]] const std::string& why_closed() const { return why_closed_; }
  /// Answers that nobody had asked for, since it was made.
  [[nodiscard]] std::uint64_t unasked() const { return unasked_; }

 private:
  void read_packets();
  void take(const milter::mta::Packet& packet);
  void add_wait(Moment until);
  void negotiated(const milter::mta::Packet& packet);
  void answered(const milter::mta::Answer& answer);
  void go_on();
  [[nodiscard]] std::optional<milter::mta::Event> next_event() const;
  void finish();
  void write(std::string& bytes);
  void give_up(std::string why);

  // Constant after construction.
  const std::size_t number_;
  const std::string address_;
  // The connection.
  State state_ = State::closed;
  int descriptor_ = -1;
  milter::mta::Negotiated negotiated_;
  milter::mta::Decoder decoder_;
  std::optional<milter::mta::AnswerReader> reader_;
  bool negotiating_ = false;
  std::deque<milter::mta::Event> session_;
  std::string why_closed_;
  // The message.
  std::optional<Job> job_;
  std::optional<milter::mta::Delivery> delivery_;
  Fact fact_;
  std::optional<Fact> over_;
  Moment asked_at_{};
  // Since it was made.
  std::uint64_t messages_ = 0;
  std::uint64_t unasked_ = 0;
};

}  // namespace faults
