// Envelope: the facts an MTA gave us about one message, as it gave them. Nothing here is interpreted yet.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "quota/network.hpp"

namespace quota {

/// What is known of the connection that a message came over.
struct ClientFacts {
  std::string host;                    ///< the MTA's own name, `{j}`
  std::string daemon_name;             ///< `{daemon_name}`: which of the MTA's ports
  std::string client_name;             ///< reverse name, or [address]
  std::optional<IpAddress> address{};  ///< empty for a socket family without addresses
  std::uint16_t port = 0;              ///< 0 is how Postfix marks local submission
};

/// What is known of one message. Before end of message `php_scripts` and `bytes` are still empty.
struct Envelope {
  ClientFacts client;
  std::string auth_type;                       ///< `{auth_type}`
  std::string auth_authen;                     ///< `{auth_authen}`; `{auth_author}` is forgeable and has no place here
  std::string mail_from;                       ///< as typed, with its brackets
  std::vector<std::string> recipients{};       ///< accepted ones, as typed
  std::optional<std::string> php_script{};     ///< the first X-PHP-Originating-Script
  std::size_t php_script_repeats = 0;          ///< how many more of them followed
  std::int64_t bytes = 0;                      ///< size as declared or as seen
};

}  // namespace quota
