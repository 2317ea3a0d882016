#include "milter/mta/client.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace milter::mta {

namespace {

/// Unanswered events are written out when they come to this, so that a long message does not pile up in memory.
constexpr std::size_t max_pending = 65536;

Event with_macros(Event event, const Macros& macros) {
  event.macros = macros;
  return event;
}

ClientError protocol_error(const WireError& error) {
  return {ClientError::Kind::protocol, "the milter sent " + error.what};
}

}  // namespace

quota::Result<Client, ClientError> Client::open(const std::string& address, const ClientOptions& options) {
  const auto where = parse_address(address);
  if (!where) return ClientError{ClientError::Kind::bad_address, where.error()};
  const auto deadline = std::chrono::steady_clock::now() + options.step_timeout;
  auto socket = Socket::open(*where, deadline);
  if (!socket) return ClientError{socket.error().kind, address + ": " + socket.error().what};
  Client client(std::move(*socket), options);
  if (const auto done = client.negotiate(deadline); !done) return done.error();
  return client;
}

Client::Done Client::negotiate(Deadline deadline) {
  pending_ = offer_packet(options_.offer);
  if (const auto sent = flush(deadline); !sent) return sent.error();
  const auto reply = read_packet(deadline);
  if (!reply) return reply.error();
  auto negotiated = read_negotiation(options_.offer, *reply);
  if (!negotiated) return fail(protocol_error(negotiated.error()));
  negotiated_ = *std::move(negotiated);
  return {};
}

Client::Answered Client::connect(std::string_view host, const ClientAddress& client, const Macros& macros) {
  return play(with_macros(connect_event(host, client), macros));
}

Client::Answered Client::helo(std::string_view name, const Macros& macros) {
  return play(with_macros(helo_event(name), macros));
}

Client::Answered Client::mail(std::string_view from, const Words& arguments, const Macros& macros) {
  return play(with_macros(mail_event(from, arguments), macros));
}

Client::Answered Client::rcpt(std::string_view to, const Words& arguments, const Macros& macros) {
  return play(with_macros(rcpt_event(to, arguments), macros));
}

Client::Answered Client::data(const Macros& macros) { return play(with_macros(bare_event(Command::data), macros)); }

Client::Answered Client::headers(std::span<const Header> headers) {
  for (const auto& header : headers) {
    auto answer = play(header_event(header));
    if (!answer || answer->verdict != Verdict::proceed) return answer;
  }
  return Answer{};
}

Client::Answered Client::eoh(const Macros& macros) {
  return play(with_macros(bare_event(Command::end_of_headers), macros));
}

Client::Answered Client::body(std::string_view text) {
  for (std::size_t at = 0; at < text.size(); at += max_body_chunk) {
    auto answer = play(body_event(text.substr(at, max_body_chunk)));
    if (!answer || answer->verdict != Verdict::proceed) return answer;
  }
  return Answer{};
}

Client::Answered Client::end_of_message(const Macros& macros) {
  return play(with_macros(bare_event(Command::end_of_message), macros));
}

Client::Answered Client::unknown(std::string_view line) { return play(unknown_event(line)); }

Client::Done Client::abort() {
  body_skipped_ = false;
  return tell(Command::abort);
}

Client::Done Client::quit_for_new_connection() {
  body_skipped_ = false;
  session_answer_.reset();
  return tell(Command::quit_for_new_connection);
}

Client::Done Client::quit() {
  auto done = tell(Command::quit);
  if (done) fail({ClientError::Kind::closed, "the conversation is over"});
  return done;
}

Client::Answered Client::play(const Event& event) {
  if (event.command == Command::mail) body_skipped_ = false;
  if (event.command == Command::body && body_skipped_) return Answer{};
  auto answer = converse(event);
  if (!answer) return answer;
  const bool of_session = event.command == Command::connect || event.command == Command::helo;
  if (of_session) session_answer_ = SessionAnswer{event.command, *answer};
  if (answer->verdict == Verdict::skip) body_skipped_ = true;
  return answer;
}

Client::Answered Client::converse(const Event& event) {
  if (failure_) return *failure_;
  const auto until = deadline();
  negotiated_.append(pending_, event);
  const bool answered = negotiated_.awaits_answer(event.command);
  if (answered || pending_.size() >= max_pending) {
    if (const auto sent = flush(until); !sent) return sent.error();
  }
  return answered ? read_answer(event.command, until) : Answered(Answer{});
}

Client::Answered Client::read_answer(Command event, Deadline deadline) {
  AnswerReader reader(event);
  for (;;) {
    const auto packet = read_packet(deadline);
    if (!packet) return packet.error();
    auto answer = reader.take(*packet);
    if (!answer) return fail(protocol_error(answer.error()));
    if (*answer) return std::move(**answer);
  }
}

quota::Result<Packet, ClientError> Client::read_packet(Deadline deadline) {
  std::array<char, 4096> bytes;
  for (;;) {
    auto packet = decoder_.next();
    if (!packet) return fail(protocol_error(packet.error()));
    if (*packet) return std::move(**packet);
    const auto got = socket_.read(bytes, deadline);
    if (!got) return fail(got.error());
    decoder_.feed({bytes.data(), *got});
  }
}

Client::Done Client::flush(Deadline deadline) {
  if (failure_) return *failure_;
  const auto sent = socket_.write(pending_, deadline);
  pending_.clear();
  if (!sent) return fail(sent.error());
  return {};
}

Client::Done Client::tell(Command command) {
  append_packet(pending_, static_cast<char>(command), {});
  return flush(deadline());
}

ClientError Client::fail(ClientError error) {
  socket_.close();
  failure_ = error;
  return error;
}

}  // namespace milter::mta
