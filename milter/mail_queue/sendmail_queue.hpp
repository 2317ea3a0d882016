// SendmailQueue: the queue of a Sendmail on this host; held is what is quarantined. Sendmail's own program quarantines and lets go
// (`sendmail -Q`). It has none that removes: a message's files are unlinked here under the lock that Sendmail itself takes before it
// works on a message, so Sendmail may run meanwhile. What it works on is left, and not counted.
//
// Known limits: Sendmail compares each message with each id that it is given, so 100,000 ids take it minutes. It takes an id for a part
// of one: an id that is a part of another message's is left alone. Its notices do not name queue ids, so notices() finds none. What was
// let go goes out at the next queue run; up to 100 at a time are asked for at once. The queue of messages that local programs have not
// yet handed over (submit.cf) is not looked at.
#pragma once

#include <map>

#include "milter/mail_queue/mail_queue.hpp"
#include "milter/mail_queue/sendmail_folders.hpp"

namespace milter::mail_queue {

class SendmailQueue final : public MailQueue {
 public:
  /// `config` is the path of sendmail.cf; empty: /etc/mail/sendmail.cf.
  [[nodiscard]] static quota::Result<std::unique_ptr<MailQueue>, std::string> open(const std::string& program, const std::string& config);

  [[nodiscard]] Or<std::string> host() override;
  [[nodiscard]] Or<Turn> take_turn() override;
  [[nodiscard]] Or<std::vector<QueueFile>> look(std::span<const std::string> ids, const Progress& progress) override;
  [[nodiscard]] Or<std::size_t> hold(std::span<const std::string> ids, const Progress& progress) override;
  [[nodiscard]] Or<std::size_t> send(std::span<const std::string> ids, const Progress& progress) override;
  [[nodiscard]] Or<std::size_t> remove(std::span<const std::string> ids, const Progress& progress) override;
  [[nodiscard]] Or<std::vector<Notice>> notices(std::span<const std::string> ids) override;

 private:
  enum class State : unsigned char { on_its_way, held, unclear };  ///< unclear: two files have this id
  struct Place {
    std::size_t folder = 0;
    State state = State::on_its_way;
  };
  /// All queue files that there are.
  struct Listing {
    std::vector<SendmailFolder> folders{};
    std::map<std::string, Place, std::less<>> files{};

    [[nodiscard]] std::string path(const std::string& id, const Place& place) const;
    /// Those of `ids` that are in this state, each once.
    [[nodiscard]] std::vector<std::string> only(std::span<const std::string> ids, State state) const;
  };

  SendmailQueue(std::vector<std::string> words, std::vector<std::string> paths);
  [[nodiscard]] Listing list() const;
  /// Has Sendmail change the quarantine of those in this state. Returns those that are in it no more.
  [[nodiscard]] Or<std::vector<std::string>> change(std::span<const std::string> ids, State from, const std::vector<std::string>& how,
                                                    const Progress& progress) const;
  void deliver(std::span<const std::string> ids) const;

  std::vector<std::string> words_;  ///< that run the program
  std::vector<std::string> paths_;  ///< of the queue directories, as sendmail.cf has them
};

/// The path of the program; empty: this host has none.
[[nodiscard]] std::string find_sendmail();

}  // namespace milter::mail_queue
