// What a session knows of the message that it is being told of. For the parts of Session alone (session*.cpp).
#pragma once

#include "milter/session.hpp"
#include "quota/patience.hpp"

namespace milter {

struct Session::Mail {
  /// A quarantine that the MTA was asked for and has not answered.
  struct Asked {
    quota::Verdict verdict;
    std::string queue_id;
    quota::Timestamp now;
  };

  std::shared_ptr<const Config> config;
  quota::TablesPtr tables;
  quota::Envelope envelope;
  quota::Message message{};                  ///< as the policy sees it; see Session::judged_message()
  std::int64_t seen_bytes = 0;
  std::string subject{};  ///< raw; for the record, as are these
  std::string message_id{};
  std::vector<std::pair<std::string, std::string>> evidence{};
  std::optional<quota::Verdict> refused_at_rcpt{};  ///< certain already; exempt recipients may still pass
  bool is_logged = false;                    ///< that refusal, once
  std::optional<Asked> hold{};
  quota::Patience::Clock::duration waited{};  ///< for the store

  [[nodiscard]] const quota::Policy& policy() const { return *config->policy; }
};

inline Answer refusal(quota::Action action, SmtpReply reply) {
  return {action == quota::Action::reject ? Answer::What::reject : Answer::What::tempfail, std::move(reply), {}};
}

}  // namespace milter
