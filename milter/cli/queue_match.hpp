// QueueMatch: whether a message in the queue is the one that was recorded under its queue id. Pure.
#pragma once

#include <optional>
#include <string>

#include "milter/mail_queue/mail_queue.hpp"

namespace milter::cli {

/// A message that may lie in the queue of this host, as the daemon tells (ShelfPage of milter/admin/api.hpp).
struct RecordedMail {
  std::string place{};
  quota::Timestamp at{};  ///< when it was judged, by the clock of this host
  std::string queue_id{};
  std::string mail_from{};
  std::optional<std::string> login{};  ///< canonical; empty: not known
  std::int64_t recipients = 0;
  std::string held_for{};
  std::string listed{};
};

/// A message is there when it is judged, and has been for as long as it takes to be received: a file that came later is another one. Mail
/// of this host came when it was submitted, and may have waited since for a filter that was away.
inline constexpr std::chrono::seconds clocks_differ_by{2};
inline constexpr std::chrono::hours received_within{1};
inline constexpr std::chrono::hours submitted_within{24 * 7};

/// What shows that it is another message, `it came at … and the recorded one was judged at …`; empty: it is the one.
[[nodiscard]] std::string mismatch(const RecordedMail& recorded, const mail_queue::QueueFile& file, const std::string& default_realm);

/// An MTA unquotes a sender, completes a bare one with its own domain, and a record cuts a long one.
[[nodiscard]] bool is_same_sender(const std::string& recorded, const std::string& kept);

}  // namespace milter::cli
