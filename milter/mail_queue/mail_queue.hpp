// MailQueue: the queue of an MTA on this host, as far as an administrator undoes an incident in it: look at single messages, keep them
// back, let them go, remove them. Needs root. Knows no quota and no record: whoever asks compares what a queue file says with what is
// recorded, for queue ids are used again.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "milter/mail_queue/turn.hpp"
#include "quota/result.hpp"
#include "quota/units.hpp"

namespace milter::mail_queue {

/// A message in the queue, as its queue file tells.
struct QueueFile {
  std::string queue_id{};
  bool is_held = false;        ///< or it is on its way: incoming, active, deferred
  quota::Timestamp arrived{};  ///< by this host's clock; whole seconds at least
  std::string mail_from{};     ///< without angle brackets, as the MTA keeps it (Postfix without quotes, Sendmail with them); empty: the null sender
  std::string login{};         ///< SMTP-AUTH, as the MTA keeps it; empty: none, or not kept (has_login)
  bool has_login = true;       ///< whether the MTA keeps a login at all
};

/// A non-delivery notice in the queue, and the message that it is about.
struct Notice {
  std::string queue_id{};
  std::string about{};         ///< that message's queue id
  std::string mail_from{};     ///< that message's
  quota::Timestamp arrived{};  ///< likewise
};

/// Called after each piece of work with how many ids are done of all.
using Progress = std::function<void(std::size_t done, std::size_t all)>;

/// Each returns an error as a sentence. Ids that are no queue ids are refused as a whole: nothing was done.
/// Threads: one at a time.
class MailQueue {
 public:
  template <typename T>
  using Or = quota::Result<T, std::string>;

  MailQueue() = default;
  MailQueue(const MailQueue&) = delete;
  MailQueue& operator=(const MailQueue&) = delete;
  virtual ~MailQueue() = default;

  /// The host's name as the MTA tells it to filters (macro `j`).
  [[nodiscard]] virtual Or<std::string> host() = 0;

  /// While the turn lasts, no other program of ours has one in this queue. Waits a few seconds for it.
  [[nodiscard]] virtual Or<Turn> take_turn() = 0;

  /// Those of `ids` that are in the queue, in no order. One that two files bear, or whose file is not whole, is left out.
  [[nodiscard]] virtual Or<std::vector<QueueFile>> look(std::span<const std::string> ids, const Progress& progress) = 0;

  /// Keeps them back. Returns how many are on hold by this call.
  [[nodiscard]] virtual Or<std::size_t> hold(std::span<const std::string> ids, const Progress& progress) = 0;
  /// Lets those go that are on hold; no other message is touched. Returns how many. Up to 100 are on their way when it returns, more
  /// wait for the next queue run.
  [[nodiscard]] virtual Or<std::size_t> send(std::span<const std::string> ids, const Progress& progress) = 0;
  /// Removes those that are on hold; no other message is touched. Returns how many.
  [[nodiscard]] virtual Or<std::size_t> remove(std::span<const std::string> ids, const Progress& progress) = 0;

  /// The non-delivery notices in the queue about messages with these ids: of delay too, and the postmaster's copies; only those that the
  /// MTA made itself. Reads the whole of each that may be one. Empty with Sendmail, whose notices do not name queue ids.
  [[nodiscard]] virtual Or<std::vector<Notice>> notices(std::span<const std::string> ids) = 0;
};

struct Settings {
  std::string mta{};     ///< `postfix`, `sendmail`; empty: whichever this host has, Postfix first
  std::string config{};  ///< Postfix: the folder of main.cf; Sendmail: the path of sendmail.cf; empty: the MTA's own
};
/// Errors: a sentence that says what to write instead.
[[nodiscard]] quota::Result<std::unique_ptr<MailQueue>, std::string> open(const Settings& settings);

}  // namespace milter::mail_queue
