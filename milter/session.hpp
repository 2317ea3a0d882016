// Session: one connection from the MTA as a state machine. It collects facts, asks the policy, and answers; it knows neither
// libmilter nor the wire, so that every path through it can be played in a test.
//
// Two lifetimes: what belongs to the connection stays, what belongs to the message is made anew at MAIL and dropped at abort,
// HELO, end of message and close (an abort is not always sent: a new MAIL drops it too).
// The configuration is taken at each MAIL and held for that message, so that a kept connection follows a reload and no message
// is judged by two policies. The live tables are taken at MAIL and again at its end, which may come minutes later.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "milter/config.hpp"
#include "milter/counters.hpp"
#include "milter/refusal_memory.hpp"
#include "milter/reply.hpp"
#include "milter/script_roster.hpp"
#include "quota/check.hpp"
#include "quota/store/chronicler.hpp"

namespace milter {

/// What the MTA is to be told. `reply` is there for tempfail and reject only.
struct Answer {
  enum class What : std::uint8_t { proceed, accept, tempfail, reject, quarantine, discard };
  What what = What::proceed;
  std::optional<SmtpReply> reply{};
  std::string reason{};  ///< of a quarantine

  bool operator==(const Answer&) const = default;
};

/// What follows from verdicts, done by others later: never waited for.
class Aftermath {
 public:
  Aftermath() = default;
  Aftermath(const Aftermath&) = delete;
  Aftermath& operator=(const Aftermath&) = delete;
  virtual ~Aftermath() = default;
  virtual void block_due(const quota::BlockDue& due) = 0;
  /// A message was judged: for the record.
  virtual void judged(quota::Happening&& happening) = 0;
  /// A script of that uid sends, of which `most` are told apart, and the store is to be asked whether it is new.
  virtual void script_seen(const quota::Identity& uid, const std::string& script, std::size_t most) = 0;
  /// An outgoing message that no quota covers.
  virtual void uncovered(const quota::Sender& sender, const std::string& host, const UncoveredRule& rule, quota::Timestamp now) = 0;
  virtual void refused(const quota::Identity& identity, const std::string& quota, quota::Milliseconds window) = 0;
  /// `once_as`: log it once in the cluster under this name, for an hour; empty: always.
  virtual void happened(quota::Event event, std::string once_as) = 0;
};

/// Everything a session shares with the others. All of it outlives every session.
struct Services {
  quota::Store& store;
  Aftermath& aftermath;
  std::function<std::shared_ptr<const Config>()> config;
  std::function<quota::TablesPtr()> tables;
  RefusalMemory& refusals;
  ScriptRoster& scripts;
  Counters& counters;
  /// The clock by which the entries of `tables` end; `store` has its own.
  std::function<quota::Timestamp()> tables_now;
  std::function<RefusalMemory::Clock::time_point()> steady_now = RefusalMemory::Clock::now;
};

/// Which events reach us and which of our answers are heard, as agreed with the MTA for this connection.
struct Negotiated {
  bool headers = true;
  bool body = true;
  bool rcpt_is_answered = true;
  bool can_quarantine = true;
};

/// What the MTA said to a quarantine.
enum class Hold : std::uint8_t { taken, failed };

/// MAIL FROM with what came beside it.
struct MailFacts {
  std::string from{};
  std::optional<std::int64_t> declared_size{};
  std::string auth_type{};
  std::string auth_authen{};
};

class Session {
 public:
  Session(Services& services, Negotiated negotiated);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void connect(quota::ClientFacts client);
  /// HELO, RSET, a client that vanished, an MTA that broke off: the message that was under way is no more, and that is said.
  void reset();
  [[nodiscard]] Answer mail(MailFacts facts);
  [[nodiscard]] Answer recipient(std::string_view address);
  void header(std::string_view name, std::string_view value);
  void body(std::size_t bytes);
  [[nodiscard]] Answer end_of_message(std::string_view queue_id);
  /// What to tell the MTA after the quarantine that end_of_message asked for. One that failed is never an accept.
  [[nodiscard]] Answer after_hold(Hold hold);

 private:
  struct Mail;

  [[nodiscard]] std::optional<quota::Verdict> foreseen(quota::Timestamp now);
  [[nodiscard]] std::optional<quota::Verdict> foreseen_from_memory(const quota::Assessment& assessment, quota::Timestamp now);
  [[nodiscard]] Answer refuse_early(const quota::Verdict& verdict, std::string_view stage, quota::Timestamp now);
  [[nodiscard]] const quota::Message& judged_message(quota::Message::Stage stage);
  [[nodiscard]] Answer answer_to(const quota::Verdict& verdict, std::string_view queue_id, quota::Timestamp now);
  [[nodiscard]] quota::Verdict ask_whether_certain();
  [[nodiscard]] quota::Verdict check();
  [[nodiscard]] quota::Result<std::int64_t, quota::StoreError> count_held(const quota::Identity& identity, std::int64_t most);
  [[nodiscard]] Answer held(const quota::Verdict& verdict, std::string_view queue_id, quota::Timestamp now);
  [[nodiscard]] quota::Identity held_identity(const quota::Verdict& verdict) const;
  [[nodiscard]] Answer not_held(std::string_view queue_id);
  void discard(const quota::Identity& identity, std::string_view queue_id);
  void drop();
  void note_sender();
  void count_signals();
  [[nodiscard]] bool note_script(quota::Timestamp now);
  void follow_up(const quota::Verdict& verdict, quota::Timestamp now);
  void tell_script();
  void keep_header(std::string_view name, std::string_view value);
  void tell_first_hold(const quota::Verdict& verdict);
  void record(const quota::Verdict& verdict, const Answer& answer, std::string_view queue_id, quota::Timestamp now) noexcept;
  [[nodiscard]] quota::Happening happening_of(const quota::Verdict& verdict, const Answer& answer, std::string_view queue_id, quota::Timestamp now);
  void log(const quota::Verdict& verdict, const Answer& answer, std::string_view stage, std::string_view queue_id, quota::Timestamp now);

  Services& services_;
  Negotiated negotiated_;
  quota::ClientFacts client_;
  std::unique_ptr<Mail> mail_;
};

}  // namespace milter
