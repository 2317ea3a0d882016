// Answer: what a milter said to one event, as a value; and AnswerReader, which builds it from the packets of the reply.
// A reply is any number of progress notes and, at end of message, of changes and a quarantine; then one verdict. Pure.
//
// Known limit: whether a change was among the negotiated actions is not checked; libmilter checks it itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "milter/mta/wire.hpp"
#include "quota/result.hpp"

namespace milter::mta {

enum class Verdict {
  proceed,
  accept,
  reject,
  tempfail,
  discard,
  reply,     // refused with a text of the milter's own
  skip,      // no more of the body, please
  shutdown,  // 421: close the client's connection
};

[[nodiscard]] std::string_view name_of(Verdict verdict);

/// What the SMTP client is told; several lines are joined by line feeds, each without its code.
struct SmtpReply {
  int code = 0;
  std::string text;
  bool operator==(const SmtpReply&) const = default;
};

struct Change {
  enum class Kind : char {
    add_header = 'h',
    insert_header = 'i',
    change_header = 'm',
    change_sender = 'e',
    add_recipient = '+',
    add_recipient_with_arguments = '2',
    remove_recipient = '-',
    replace_body = 'b',
  };
  Kind kind = Kind::add_header;
  std::uint32_t index = 0;
  std::string name;   // a header's name, or an address
  std::string value;  // a header's value, ESMTP arguments, or a piece of body
  bool operator==(const Change&) const = default;
};

struct Answer {
  Verdict verdict = Verdict::proceed;
  /// With Verdict::reply only.
  SmtpReply reply;
  /// The reason, if the message is to be held. A verdict that ends the message beats it.
  std::optional<std::string> quarantine;
  std::vector<Change> changes;
  bool operator==(const Answer&) const = default;
};

/// What Postfix tells its client on `answer`; empty where it goes on.
[[nodiscard]] std::optional<SmtpReply> smtp_reply(const Answer& answer);

/// Reads `451 4.7.1 text`, or several such lines. As Postfix does it, `%%` is one `%` and a single `%` is dropped.
/// Errors: no code 4xx or 5xx, or an enhanced code of another class.
[[nodiscard]] quota::Result<SmtpReply, WireError> parse_smtp_reply(std::string_view text);

/// Most bytes of one reply, all packets together.
inline constexpr std::size_t max_answer = std::size_t{64} << 20;

/// Collects the reply to one `event`.
class AnswerReader {
 public:
  explicit AnswerReader(Command event) : event_(event) {}

  /// Takes the next packet of the reply.
  /// Returns: the answer once it is complete; empty while more packets must follow.
  /// Errors:  a packet that has no place in a reply to this event, or that is malformed; more than `max_answer` bytes.
  [[nodiscard]] quota::Result<std::optional<Answer>, WireError> take(const Packet& packet);

 private:
  using Taken = quota::Result<std::optional<Answer>, WireError>;
  Taken take_verdict(Verdict verdict, const Packet& packet);
  Taken take_reply(const Packet& packet);
  Taken take_quarantine(const Packet& packet);
  Taken take_change(const Packet& packet);

  Command event_;
  Answer answer_;
  std::size_t bytes_ = 0;
};

}  // namespace milter::mta
