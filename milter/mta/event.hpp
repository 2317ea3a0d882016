// Event: one thing that an MTA tells a milter (a command with its data) and the macros that go with it.
// Pure values: which of them really go out is the negotiation's business, how they travel the client's.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "milter/mta/wire.hpp"

namespace milter::mta {

/// `name` as the MTA writes it: one letter, or more of them in braces: `i`, `{auth_authen}`.
struct Macro {
  std::string name;
  std::string value;
  bool operator==(const Macro&) const = default;
};
using Macros = std::vector<Macro>;

/// `value` without the one space that follows the colon; folded lines keep their line feeds.
struct Header {
  std::string name;
  std::string value;
  bool operator==(const Header&) const = default;
};

/// The SMTP client as the connect event describes it.
struct ClientAddress {
  enum class Family : char { unknown = 'U', unix_path = 'L', inet = '4', inet6 = '6' };
  Family family = Family::unknown;
  std::string text;
  /// 0 in local submission: that is how a milter knows Postfix's pickup from SMTP.
  std::uint16_t port = 0;
  bool operator==(const ClientAddress&) const = default;
};

/// Reads the family off the text: a path, an IPv6 or an IPv4 address; empty is unknown.
[[nodiscard]] ClientAddress client_address(std::string_view text, std::uint16_t port);

struct Event {
  Command command = Command::abort;
  std::string data;
  /// Sent unless the milter asked for a list of its own at this stage.
  Macros macros;
  /// Known besides, and sent only if asked for.
  Macros on_request;
};

/// Largest body chunk that libmilter takes.
inline constexpr std::size_t max_body_chunk = 65535;

[[nodiscard]] Event connect_event(std::string_view host, const ClientAddress& client);
[[nodiscard]] Event helo_event(std::string_view name);
/// `from` as on the SMTP line, with its angle brackets; `arguments` such as `SIZE=100`.
[[nodiscard]] Event mail_event(std::string_view from, const std::vector<std::string>& arguments);
[[nodiscard]] Event rcpt_event(std::string_view to, const std::vector<std::string>& arguments);
[[nodiscard]] Event header_event(const Header& header);
/// `chunk` has at most `max_body_chunk` bytes.
[[nodiscard]] Event body_event(std::string_view chunk);
[[nodiscard]] Event unknown_event(std::string_view line);
/// Data, end of headers, end of message, abort, quit: events without data.
[[nodiscard]] Event bare_event(Command command);

}  // namespace milter::mta
