// Client: the MTA's end of one connection to a milter. It connects, negotiates, sends events and brings back answers,
// each step under one absolute deadline. It honours what was negotiated: an event that the milter switched off is not
// sent, one without a reply is not waited for; both are answered `proceed` here.
//
// Macros and their command travel in one write, as from Postfix; so do events that nobody answers, up to the next that
// somebody does. After a ClientError the connection is closed and every later step brings the same error back, because
// an answer that comes late would be taken for the next event's.
//
// It does not judge: what a verdict means for the next step is Delivery's business (delivery.hpp).
// Threads: one client, one thread at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "milter/mta/answer.hpp"
#include "milter/mta/event.hpp"
#include "milter/mta/negotiation.hpp"
#include "milter/mta/socket.hpp"
#include "milter/mta/wire.hpp"
#include "quota/result.hpp"

namespace milter::mta {

/// What a milter said to a session as a whole: its answer to the last connect or helo.
struct SessionAnswer {
  Command stage = Command::connect;
  Answer answer;
};

struct ClientOptions {
  /// For connecting and negotiating together, and for each step: until the whole answer is here, progress or not.
  std::chrono::milliseconds step_timeout{30'000};
  Offer offer;
};

class Client {
 public:
  using Answered = quota::Result<Answer, ClientError>;
  using Done = quota::Result<void, ClientError>;
  using Words = std::vector<std::string>;

  /// Connects to `address` (libmilter's notation: address.hpp) and negotiates.
  [[nodiscard]] static quota::Result<Client, ClientError> open(const std::string& address,
                                                               const ClientOptions& options = {});

  [[nodiscard]] const Negotiated& negotiated() const { return negotiated_; }

  /// Holds for the steps that follow.
  void set_step_timeout(std::chrono::milliseconds timeout) { options_.step_timeout = timeout; }

  /// Empty until connect.
  [[nodiscard]] const std::optional<SessionAnswer>& session_answer() const { return session_answer_; }

  Answered connect(std::string_view host, const ClientAddress& client, const Macros& macros = {});
  Answered helo(std::string_view name, const Macros& macros = {});
  Answered mail(std::string_view from, const Words& arguments = {}, const Macros& macros = {});
  Answered rcpt(std::string_view to, const Words& arguments = {}, const Macros& macros = {});
  Answered data(const Macros& macros = {});
  /// Sends the headers one by one, up to the first that is not answered `proceed`.
  Answered headers(std::span<const Header> headers);
  Answered eoh(const Macros& macros = {});
  /// Sends `text` in chunks, up to the first that is not answered `proceed`; after `skip` the message's body is over.
  Answered body(std::string_view text);
  Answered end_of_message(const Macros& macros = {});
  Answered unknown(std::string_view line);
  /// Ends the message, the connection stays. Nobody answers.
  Done abort();
  /// Ends the session, the connection stays: connect comes next.
  /// Requires: the last event was an end of message, answered `proceed`. Anywhere else libmilter 8.17 ignores this
  ///           command, and then the connect that follows, which is never answered.
  Done quit_for_new_connection();
  /// Says goodbye and closes.
  Done quit();

  /// Any event: what the steps above are made of.
  Answered play(const Event& event);

 private:
  Client(Socket socket, const ClientOptions& options) : options_(options), socket_(std::move(socket)) {}
  [[nodiscard]] Deadline deadline() const { return std::chrono::steady_clock::now() + options_.step_timeout; }
  Done negotiate(Deadline deadline);
  Answered converse(const Event& event);
  Answered read_answer(Command event, Deadline deadline);
  quota::Result<Packet, ClientError> read_packet(Deadline deadline);
  Done flush(Deadline deadline);
  Done tell(Command command);
  ClientError fail(ClientError error);

  ClientOptions options_;
  Negotiated negotiated_;  // constant after open()
  // The connection.
  Socket socket_;
  Decoder decoder_;
  std::string pending_;  // bytes of events that need no answer, to go with the next one that does
  std::optional<ClientError> failure_;
  // The session; until quit_for_new_connection.
  std::optional<SessionAnswer> session_answer_;
  // The message; until MAIL or abort.
  bool body_skipped_ = false;
};

}  // namespace milter::mta
