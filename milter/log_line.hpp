// LogLine: the one line that is logged of every judged message, in Postfix' style and with its names, queue id first.
// Nothing a sender can type forges a field or a line: every value is percent-encoded where it is not plain.
#pragma once

#include <string>

#include "quota/envelope.hpp"
#include "quota/verdict.hpp"

namespace milter {

/// What the line needs beyond envelope and verdict.
struct LogFacts {
  std::string queue_id;          ///< empty before the MTA has given one: NOQUEUE
  std::string_view stage;        ///< MAIL, RCPT, END-OF-MESSAGE
  bool is_size_known = false;
  bool is_discarded = false;
  quota::Timestamp now{};
};

[[nodiscard]] std::string log_line(const LogFacts& facts, const quota::Envelope& envelope, const quota::Verdict& verdict);

/// The line of a message that ended before it was judged.
[[nodiscard]] std::string abandoned_line(const quota::Envelope& envelope);

/// An address as typed, with or without its brackets: `<alice@example.com>`.
[[nodiscard]] std::string log_address(std::string_view address);

/// Any bytes as one printable word, for other lines of the log.
[[nodiscard]] std::string log_safe(std::string_view bytes);

/// Any bytes as printable text on one line that can stand between quotes: a sentence stays readable.
[[nodiscard]] std::string readable(std::string_view bytes);

}  // namespace milter
