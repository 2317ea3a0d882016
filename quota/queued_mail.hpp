// QueuedMail: a message that may still lie in the queue of the MTA that took it: one that is held, or one that was let through. So an
// administrator can send or remove exactly these. Queue ids are used again, hence all else: the queue file must agree with it. Pure.
//
// As text, words with tabs between (quota/tab_text.hpp): time in s, queue id, envelope sender, login, recipients, and of a held one for
// which identity it was counted as held, and which identity lists it. An envelope sender or login that is the value of the identity it is
// kept under is a `=`, and so is that identity itself; a login of which nothing is known is a `?`; what begins with `=` has one more.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "quota/identity.hpp"
#include "quota/units.hpp"

namespace quota {

struct PastMessage;
enum class Fate : std::uint8_t;

struct QueuedMail {
  std::string host{};        ///< whose queue, as that MTA calls itself; not in its text
  Timestamp at{};            ///< when it was judged, by the store's clock; only whole seconds are kept
  std::string queue_id{};
  std::string mail_from{};   ///< as it came, without brackets
  std::optional<std::string> login{};  ///< value of its `user` identity, `` without SMTP-AUTH; empty: not known
  std::int64_t recipients = 0;
  std::string held_for{};    ///< `kind:value` that it was counted for (Store::hold); `` for one that was let through
  std::string listed{};      ///< of a held one: `kind:value` that lists it. Held mail is kept under these two

  bool operator==(const QueuedMail&) const = default;
};

/// Under which identity it is kept: what is usual is written short by it.
[[nodiscard]] std::string format(const QueuedMail& mail, const Identity& own);
[[nodiscard]] std::optional<QueuedMail> parse_queued_mail(std::string_view text, const Identity& own);

/// What a recorded message says of it, if it was let through and has a queue id. The login of one that is listed under a user is that
/// user, of one listed under a script there is none; of others it is not known.
[[nodiscard]] std::optional<QueuedMail> queued_mail_of(const PastMessage& message, const Identity& own);

/// As much as is known of it.
[[nodiscard]] PastMessage past_message_of(const QueuedMail& mail, Fate fate);

/// Queue ids of this form only are recorded, and handed to an MTA: letters and digits, up to 64.
[[nodiscard]] bool is_queue_id(std::string_view text);

}  // namespace quota
