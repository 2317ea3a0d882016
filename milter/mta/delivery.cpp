#include "milter/mta/delivery.hpp"

#include <cassert>
#include <utility>

namespace milter::mta {

namespace {

bool goes_on(const Answer& answer) { return answer.verdict == Verdict::proceed || answer.verdict == Verdict::skip; }

Fate fate_of(const Answer& answer, const std::optional<SmtpReply>& reply) {
  if (reply) return reply->code < 500 ? Fate::deferred : Fate::rejected;
  if (answer.verdict == Verdict::discard) return Fate::discarded;
  return answer.quarantine ? Fate::held : Fate::passed;
}

quota::Result<SessionAnswer, ClientError> open_session(Client& client, const Message& message) {
  if (client.session_answer()) return *client.session_answer();
  for (const auto& event : session_events(message)) {
    const auto answer = client.play(event);
    if (!answer) return answer.error();
    if (!goes_on(*answer)) break;
  }
  return *client.session_answer();
}

}  // namespace

std::string_view name_of(Fate fate) {
  switch (fate) {
    case Fate::passed:
      return "passed";
    case Fate::held:
      return "held";
    case Fate::discarded:
      return "discarded";
    case Fate::deferred:
      return "deferred";
    case Fate::rejected:
      return "rejected";
  }
  return "?";
}

Sent sent_by(Command stage, const Answer& answer) {
  Sent sent{
      .fate = Fate::passed, .stage = stage, .verdict = answer.verdict, .reply = {}, .quarantine = {}, .refused = {}};
  sent.reply = smtp_reply(answer);
  sent.fate = fate_of(answer, sent.reply);
  if (sent.fate == Fate::held) sent.quarantine = answer.quarantine;
  return sent;
}

Delivery::Delivery(const Message& message) : message_(message) { assert(!message.recipients.empty()); }

std::optional<Event> Delivery::next() const {
  switch (step_) {
    case Step::mail:
      return mail_event(message_);
    case Step::rcpt:
      return rcpt_event(message_, index_, accepted_);
    case Step::headers:
      return header_event(message_, index_);
    case Step::body:
      return body_event(message_, index_);
    case Step::data:
    case Step::end_of_headers:
    case Step::end_of_message:
      return bare_event(message_, command());
    case Step::over:
      break;
  }
  return std::nullopt;
}

void Delivery::answered(const Answer& answer) {
  const bool refused = smtp_reply(answer).has_value();
  if (step_ == Step::rcpt && refused) return refuse_recipient(answer);
  if (step_ == Step::end_of_message || !goes_on(answer)) return finish(command(), answer);
  if (step_ == Step::rcpt) ++accepted_;
  if (answer.verdict == Verdict::skip) index_ = message_.body.size();
  advance();
}

void Delivery::refuse_recipient(const Answer& answer) {
  const auto reply = *smtp_reply(answer);
  sent_.refused.push_back({message_.recipients[index_], reply});
  // Postfix keeps a local message as it is rather than lose one of its recipients, whatever the code.
  const bool local = message_.origin == Origin::local;
  const bool last = index_ + 1 == message_.recipients.size();
  const bool hangs_up = reply.code == 421;
  if (!local && !hangs_up && (!last || accepted_ > 0)) return advance();
  finish(Command::rcpt, answer);
  if (local) sent_.fate = Fate::deferred;
}

void Delivery::advance() {
  const bool in_list = step_ == Step::rcpt || step_ == Step::headers;
  if (in_list) {
    ++index_;
  } else if (step_ == Step::body) {
    index_ += max_body_chunk;
  } else {
    step_ = static_cast<Step>(static_cast<int>(step_) + 1);
    index_ = 0;
  }
  skip_empty_steps();
}

void Delivery::skip_empty_steps() {
  if (step_ == Step::rcpt && index_ >= message_.recipients.size()) step_ = Step::data;
  if (step_ == Step::headers && index_ >= message_.headers.size()) step_ = Step::end_of_headers;
  if (step_ == Step::body && index_ >= message_.body.size()) step_ = Step::end_of_message;
}

void Delivery::finish(Command stage, const Answer& answer) {
  auto refused = std::move(sent_.refused);
  sent_ = sent_by(stage, answer);
  sent_.refused = std::move(refused);
  step_ = Step::over;
}

Command Delivery::command() const {
  switch (step_) {
    case Step::mail:
      return Command::mail;
    case Step::rcpt:
      return Command::rcpt;
    case Step::data:
      return Command::data;
    case Step::headers:
      return Command::header;
    case Step::end_of_headers:
      return Command::end_of_headers;
    case Step::body:
      return Command::body;
    case Step::end_of_message:
    case Step::over:
      break;
  }
  return Command::end_of_message;
}

quota::Result<Sent, ClientError> send_message(Client& client, const Message& message) {
  const auto session = open_session(client, message);
  if (!session) return session.error();
  if (!goes_on(session->answer)) return sent_by(session->stage, session->answer);
  Delivery delivery(message);
  while (const auto event = delivery.next()) {
    const auto answer = client.play(*event);
    if (!answer) return answer.error();
    delivery.answered(*answer);
  }
  const auto& sent = delivery.sent();
  const bool hangs_up = sent.reply && sent.reply->code == 421;
  // Postfix says abort after every message; after an end of message libmilter ignores it.
  const auto done = hangs_up ? client.quit() : client.abort();
  if (!done) return done.error();
  return sent;
}

}  // namespace milter::mta
