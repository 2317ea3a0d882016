// Delivery: one message's way past a milter. It says which event comes next and, from the answers, when it is over and
// what became of the message, as Postfix would decide it. Pure, so that any loop can drive it: send_message() here, an
// event loop with thousands of connections elsewhere.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "milter/mta/answer.hpp"
#include "milter/mta/client.hpp"
#include "milter/mta/event.hpp"
#include "milter/mta/message.hpp"
#include "quota/result.hpp"

namespace milter::mta {

enum class Fate {
  passed,
  held,       // in the hold queue
  discarded,  // gone, and the sender believes it was sent
  deferred,   // 4xx; a local message waits in maildrop
  rejected,   // 5xx; a local message bounces
};

[[nodiscard]] std::string_view name_of(Fate fate);

struct RefusedRecipient {
  std::string address;
  SmtpReply reply;
};

/// What became of one message.
struct Sent {
  Fate fate = Fate::passed;
  /// The event whose answer decided.
  Command stage = Command::end_of_message;
  Verdict verdict = Verdict::proceed;
  /// What the SMTP client was told, where it was refused.
  std::optional<SmtpReply> reply;
  /// The reason, if the message is held.
  std::optional<std::string> quarantine;
  /// Recipients refused one by one while others went on.
  std::vector<RefusedRecipient> refused;
};

/// What becomes of a message when `answer`, to the event `stage`, is the last word on it.
[[nodiscard]] Sent sent_by(Command stage, const Answer& answer);

class Delivery {
 public:
  /// `message` is borrowed.
  /// Requires: the session was opened, and the milter said `proceed` to it; `message` has a recipient, without which no
  ///           MTA takes DATA and no libmilter answers it.
  explicit Delivery(const Message& message);
  explicit Delivery(Message&& message) = delete;

  /// The event that comes now; empty when the message is over. The same one until it is answered.
  [[nodiscard]] std::optional<Event> next() const;
  void answered(const Answer& answer);
  /// Requires: next() is empty.
  [[nodiscard]] const Sent& sent() const { return sent_; }

 private:
  enum class Step { mail, rcpt, data, headers, end_of_headers, body, end_of_message, over };
  void advance();
  void skip_empty_steps();
  void refuse_recipient(const Answer& answer);
  void finish(Command stage, const Answer& answer);
  [[nodiscard]] Command command() const;

  const Message& message_;
  Step step_ = Step::mail;
  std::size_t index_ = 0;  // within the recipients or headers; the offset within the body
  std::size_t accepted_ = 0;
  Sent sent_;
};

/// Plays one whole message on a kept connection; connect and helo first, if the client has not said them yet.
///
/// A session that was not answered `proceed` decides each of its messages without a further event.
/// The connection stays open for the next message, unless the milter asked for its end (421). Postfix opens a
/// connection for each local message: so should the caller, with a new client.
/// Requires: `message` has a recipient.
[[nodiscard]] quota::Result<Sent, ClientError> send_message(Client& client, const Message& message);

}  // namespace milter::mta
