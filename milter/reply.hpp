// Reply: a verdict as the sender's mail program is told it. Pure but for the time zone, which is the process's own.
#pragma once

#include <string>

#include "quota/policy.hpp"

namespace milter {

/// One SMTP reply, safe for smfi_setreply: printable ASCII on one line, `%` doubled, short enough for every MTA.
struct SmtpReply {
  std::string code;      ///< 451
  std::string enhanced;  ///< 4.7.1
  std::string text;

  bool operator==(const SmtpReply&) const = default;
};

/// The longest text before `%` is doubled: with code and line end it stays below the 512 bytes of RFC 5321 §4.5.3.1.5.
inline constexpr std::size_t longest_reply_text = 490;

/// The reply to a verdict that tempfails or rejects.
///
/// Texts come from the quota, then from `texts`, then are built in. Placeholders: {identity} {quota} {limit} {used} {retry}
/// {contact}. A part of a text between `; ` that needs a placeholder which is empty here is left out, so that one text serves
/// with and without a contact. Shared and script identities are never shown; a block's reason only if it begins `public:`.
/// Requires: verdict.action is tempfail or reject.
[[nodiscard]] SmtpReply reply_for(const quota::Verdict& verdict, const quota::Policy& policy, const quota::ReplyTexts& texts,
                                  quota::Timestamp now);

/// Any text made safe for smfi_setreply.
[[nodiscard]] std::string safe_reply_text(std::string_view text);
/// Any text made safe for smfi_quarantine: the same, but no MTA takes a reason for a format, so `%` stays as it is.
[[nodiscard]] std::string safe_hold_reason(std::string_view text);

}  // namespace milter
