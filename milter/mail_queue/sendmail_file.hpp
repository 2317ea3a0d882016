// SendmailFile: a message in Sendmail's queue, read from its queue file (`qf…`, `hf…` while it is quarantined): lines that begin with a
// letter. Sendmail lets no line end into any of them; of several lines of a kind the first counts.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "quota/units.hpp"

namespace milter::mail_queue {

struct SendmailEnvelope {
  quota::Timestamp arrived{};          ///< whole seconds
  std::string mail_from{};             ///< without brackets, with quotes if it has them; empty: the null sender
  std::optional<std::string> login{};  ///< kept only where sendmail.cf says so: C{persistentMacros}{auth_authen}
};

/// Returns nothing if it is no queue file, or not whole.
[[nodiscard]] std::optional<SendmailEnvelope> read_sendmail_file(std::string_view text);

}  // namespace milter::mail_queue
