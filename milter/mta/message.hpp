// Message: one message as an MTA knows it, and the events by which Postfix 3.7 tells a milter about it: the arguments,
// the macros of each stage and the stage from which each is known. Pure.
//
// Over SMTP the queue id exists only after the first accepted recipient; in local submission (sendmail, PHP's mail())
// from MAIL on, and there the client's port is 0, addresses come without angle brackets, and there is no login.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "milter/mta/event.hpp"

namespace milter::mta {

enum class Origin { smtp, local };

struct Message {
  Origin origin = Origin::smtp;

  // The session.
  std::string client_host = "localhost";
  std::string client_address = "127.0.0.1";
  std::uint16_t client_port = 40000;
  std::string helo = "localhost";
  /// Macro `j`.
  std::string mta_host = "mail.example.test";
  /// Empty: as `mta_host`, which is Postfix's default.
  std::string daemon_name;

  // The login; empty without.
  std::string auth_type;
  std::string auth_authen;
  /// The client's own `AUTH=` parameter at MAIL, which both MTAs pass on as {auth_author}, unchecked.
  std::string auth_parameter;

  // The envelope; addresses without brackets, an empty sender is the null sender.
  std::string mail_from;
  std::vector<std::string> recipients;
  /// The `SIZE=` parameter at MAIL.
  std::optional<std::uint64_t> declared_size;
  std::string queue_id = "4Xy1Tz0abcz1";

  // The content.
  std::vector<Header> headers;
  std::string body;
};

/// The events that open a session for `message`: connect and helo.
[[nodiscard]] std::vector<Event> session_events(const Message& message);

/// The event for MAIL FROM.
[[nodiscard]] Event mail_event(const Message& message);
/// The event for the recipient at `index`, of which `accepted` were accepted before it.
[[nodiscard]] Event rcpt_event(const Message& message, std::size_t index, std::size_t accepted);
/// Postfix tells the macros of the end of headers before each header too, and those of the end of message before the body.
[[nodiscard]] Event header_event(const Message& message, std::size_t index);
[[nodiscard]] Event body_event(const Message& message, std::size_t offset);
/// Data, end of headers or end of message.
[[nodiscard]] Event bare_event(const Message& message, Command command);

}  // namespace milter::mta
