// What a non-delivery notice says of the message that it is about (RFC 3464, with the fields that Postfix adds).
//
// Only the part that the reporting MTA wrote is believed, the first of type message/delivery-status right below multipart/report: the
// original message, which follows, and the human-readable part, which quotes other servers, may say anything.
#pragma once

#include <optional>
#include <string>

#include "quota/units.hpp"

namespace milter::mail_queue {

struct Report {
  std::string about{};      ///< that message's queue id
  std::string mail_from{};  ///< that message's, as Postfix keeps it: without quotes
  quota::Timestamp arrived{};
};

/// Returns nothing if `message` is no such notice, or names no queue id. `mail_name` is Postfix's parameter of that name.
/// Requires: it comes from the MTA itself (PostfixEnvelope::is_by_postfix); a stranger may send such a message too.
[[nodiscard]] std::optional<Report> read_report(const std::string& message, const std::string& mail_name);

}  // namespace milter::mail_queue
