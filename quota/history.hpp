// History: what one identity has sent: counts by time, the networks it came from, its last messages. Evidence for people; no
// message is ever judged by it. Values and their texts, one format for Redis, files and people:
//
//   hours      20780 a12h3,1,,4,2 20781 ac2    of each day since 1970 (UTC) its hours, a to x: how much was sent
//   fives      498734 d12                      of each hour since 1970 its five minutes, a to l: likewise
//   networks   192.0.2.0/24=1763790000,37      where its messages came from: last seen, how often; the newest first
//   first      1763790000                      when it was first seen
//
// How much: messages sent,refused,held, and recipients likewise where there are not as many of them. What is 0 is empty and left out
// at the end; three messages without any recipient are `,3,,0`, and a letter alone is one message, sent to one recipient. Moments are in
// seconds since 1970. So 30 days of a usual sender take 1 kB.
// A network is what one customer of a provider usually has: an IPv4 /24, an IPv6 /48. Pure.
#pragma once

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "quota/identity.hpp"
#include "quota/queued_mail.hpp"
#include "quota/units.hpp"
#include "quota/verdict.hpp"

namespace quota {

/// What became of a message: it was let through, it was tempfailed or rejected, or it is held.
enum class Fate : std::uint8_t { sent, refused, held };
inline constexpr std::size_t fates = 3;
[[nodiscard]] Fate fate_of(Action action);

/// How much was sent, refused and held.
struct Tally {
  std::array<std::int64_t, fates> messages{};    ///< by Fate
  std::array<std::int64_t, fates> recipients{};  ///< likewise

  void add(Fate fate, std::int64_t recipients_of_it);
  Tally& operator+=(const Tally& more);
  bool operator==(const Tally&) const = default;
};

/// `3,1,,4,2`. A number stops at 2^53 - 1.
[[nodiscard]] std::string format(const Tally& tally);
[[nodiscard]] std::optional<Tally> parse_tally(std::string_view text);

/// Which five minutes, and which hour, since 1970.
[[nodiscard]] std::int64_t five_of(Timestamp at);
inline constexpr std::int64_t fives_of_hour = 12;
inline constexpr std::int64_t hours_of_day = 24;

/// A network that messages came from.
struct NetworkSeen {
  std::string network{};
  Timestamp last{};  ///< only whole seconds are kept
  std::int64_t messages = 0;
  bool operator==(const NetworkSeen&) const = default;
};
/// The network of a client's address, as text.
[[nodiscard]] std::string network_of(const IpAddress& client);

/// How much is kept of one identity, and how long.
struct HistoryBounds {
  Milliseconds hours_for = std::chrono::days{30};
  Milliseconds fives_for = std::chrono::days{1};
  Milliseconds messages_for = std::chrono::days{1};  ///< each
  std::size_t messages = 300;
  /// Of them: who goes on after a refusal would push out all evidence of what has left.
  [[nodiscard]] std::size_t refusals() const { return (messages + 2) / 3; }
  std::size_t networks = 64;
  std::size_t queue_ids = 100'000;                       ///< of one host: held ones, and ones that were let through beyond `messages`
  Milliseconds held_for = std::chrono::days{30};         ///< queue ids of held mail, after the last
  Milliseconds queued_for = std::chrono::days{5};        ///< those of mail that was let through: as long as an MTA tries
  bool operator==(const HistoryBounds&) const = default;
};

struct History {
  std::optional<Timestamp> first{};       ///< only whole seconds are kept
  std::map<std::int64_t, Tally> hours{};  ///< by hours since 1970
  std::map<std::int64_t, Tally> fives{};  ///< by five minutes since 1970
  std::vector<NetworkSeen> networks{};    ///< the newest first

  bool operator==(const History&) const = default;
};

using HistoryText = std::vector<std::pair<std::string, std::string>>;
[[nodiscard]] HistoryText format(const History& history);
/// Reads what format() wrote; what cannot be understood is left out.
[[nodiscard]] History parse_history(const HistoryText& fields);

/// One message as evidence. Texts are as they came, but for `client` and `script`, which are parts of identities; each is kept
/// up to `longest_text` bytes.
struct PastMessage {
  static constexpr std::size_t longest_text = 256;

  Timestamp at{};           ///< only whole seconds are kept
  Action action = Action::accept;
  bool is_discarded = false;  ///< the MTA was told to throw it away: `action` is reject
  Cause cause = Cause::within;
  std::string quota{};      ///< that decided; empty where none did
  std::string queue_id{};   ///< empty where it was refused before it had one
  std::string host{};
  std::string client{};     ///< address; empty for local submission
  std::string mail_from{};
  std::string script{};     ///< as in its identity; empty without one
  std::int64_t recipients = 0;
  std::vector<std::string> first_recipients{};
  std::string mark{};       ///< of its Message-ID (message_name.hpp), and this itself until it is written; empty without one
  std::string subject{};    ///< decoded
  std::vector<std::pair<std::string, std::string>> headers{};  ///< evidence

  bool operator==(const PastMessage&) const = default;
};
/// Words with tabs between (quota/tab_text.hpp), the time first. What is usual is written short, for there are many: an accepted message
/// has no verdict and no cause, an envelope sender that is `own` is a `=` (one that begins with it has one more), one recipient has no
/// number, nor have the first recipients where they are all.
[[nodiscard]] std::string format(const PastMessage& message, std::string_view own);
[[nodiscard]] std::optional<PastMessage> parse_past_message(std::string_view text, std::string_view own);
/// Whether it is one that was refused, or discarded.
[[nodiscard]] bool is_of_refusal(std::string_view text);
/// When it was; the beginning of time where it is no message.
[[nodiscard]] Timestamp moment_of_message(std::string_view text);

/// Takes the oldest out of `messages`, the oldest first, that `is_refusal` says so of and that are more than `most`.
template <class Messages, class IsRefusal>
void drop_refusals(Messages& messages, std::size_t most, IsRefusal is_refusal) {
  const auto refusals = static_cast<std::size_t>(std::count_if(messages.begin(), messages.end(), is_refusal));
  auto surplus = refusals - std::min(refusals, most);
  std::erase_if(messages, [&](const auto& one) { return surplus > 0 && is_refusal(one) && surplus-- > 0; });
}

/// What is new of one identity.
struct Note {
  Identity identity;
  std::map<std::int64_t, Tally> fives{};  ///< by five minutes since 1970
  Timestamp first{};                      ///< message; not known: when these five minutes began
  std::vector<NetworkSeen> networks{};    ///< each once, the newest first
  std::vector<PastMessage> messages{};    ///< the oldest first
  /// What may lie in the queue of a host and is not among `messages`: what was let through before them, and all that is held.
  std::vector<QueuedMail> sent{};  ///< the oldest first
  std::vector<QueuedMail> held{};  ///< likewise
};

/// When the first message of a note was sent. Requires: one was.
[[nodiscard]] Timestamp first_moment(const Note& note);
/// What `history` becomes.
void add(History& history, const Note& note, const HistoryBounds& bounds, Timestamp now);
/// Drops what is not kept any longer.
void forget_passed(History& history, const HistoryBounds& bounds, Timestamp now);
/// The first hour, since 1970, of which anything is kept.
[[nodiscard]] std::int64_t first_hour_kept(const HistoryBounds& bounds, Timestamp now);
/// How many networks were seen since that hour began.
[[nodiscard]] std::int64_t networks_since(const History& history, std::int64_t hour);

}  // namespace quota
