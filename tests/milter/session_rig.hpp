// A session's surroundings, and an MTA that plays whole messages on it. Texts of answers are `END tempfail 451 4.7.1`: the
// stage that ended the message, and what the client was told.
#pragma once

#include "milter/session.hpp"
#include "quota/store/memory_store.hpp"
#include "tests/support/counted_log.hpp"
#include "tests/support/example_config.hpp"
#include "tests/support/example_policy.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/must_own.hpp"
#include "tests/support/recording_aftermath.hpp"
#include "tests/support/watched_store.hpp"

namespace milter {

/// Everything that sessions share, under clocks that the test sets.
class Rig {
 public:
  explicit Rig(std::string_view config_text) : config(config_of(config_text)) {}

  CountedLog log{};
  quota::ManualClock clock{quota::example_now};
  std::unique_ptr<quota::MemoryStore> memory = quota::must_own(quota::MemoryStore::open(clock, {.shards = 4}));
  quota::WatchedStore store{*memory};
  RecordingAftermath aftermath{};
  std::shared_ptr<const Config> config;
  quota::Tables tables{};
  quota::Milliseconds tables_ahead{0};  ///< of the store: another server holds them
  RefusalMemory refusals{};
  ScriptRoster scripts{};
  Counters counters{};
  Services services = services_with(store);

  [[nodiscard]] Services services_with(quota::Store& other) {
    return {other,   aftermath, [this] { return config; }, [this] { return std::make_shared<const quota::Tables>(tables); }, refusals,
            scripts, counters,  [this] { return clock.now() + tables_ahead; }, [this] { return steady_; }};
  }
  void reload(std::string_view config_text) { config = config_of(config_text); }
  void wait(quota::Milliseconds by) {
    clock.advance(by);
    steady_ += by;
  }
  [[nodiscard]] quota::Record record(std::string_view identity) {
    auto found = memory->record(quota::must(quota::parse_identity(identity)));
    REQUIRE(found.has_value());
    return *found;
  }
  /// Used units of one bucket; 0 where there is none.
  [[nodiscard]] std::int64_t used(std::string_view identity, const std::string& bucket) {
    const auto buckets = record(identity).buckets;
    const auto found = buckets.find(bucket);
    return found == buckets.end() ? 0 : quota::used_units(found->second);
  }
  [[nodiscard]] std::uint64_t count(quota::Action action) const { return counters.by_action[static_cast<std::size_t>(action)]; }
  [[nodiscard]] std::uint64_t count(quota::Cause cause) const { return counters.by_cause[static_cast<std::size_t>(cause)]; }

 private:
  RefusalMemory::Clock::time_point steady_{std::chrono::hours{1}};
};

inline quota::ClientFacts client_at(std::string_view address) {
  return {"mx1.example.com", "smtpd", "unknown", quota::must(quota::IpAddress::parse(address)), 40000};
}
inline quota::ClientFacts outside() { return client_at("203.0.113.9"); }
inline quota::ClientFacts local() { return {"mx1.example.com", "", "localhost", {}, 0}; }

/// One message as an MTA hands it over.
struct Mail {
  MailFacts facts{"<alice@example.com>", {}, "PLAIN", "alice@example.com"};
  std::vector<std::string> to{"<bob@remote.example>"};
  std::vector<std::string> php{};  ///< values of X-PHP-Originating-Script
  std::size_t body = 0;
};
inline Mail without_login() { return {{"<alice@example.com>", {}, "", ""}}; }
inline Mail from_script(std::string value) { return {{"<www@mx1.example.com>", {}, "", ""}, {"<bob@remote.example>"}, {std::move(value)}}; }

inline std::string text(const Answer& answer) {
  const auto with_codes = [&](const std::string& word) {
    REQUIRE(answer.reply.has_value());
    return word + " " + answer.reply->code + " " + answer.reply->enhanced;
  };
  switch (answer.what) {
    case Answer::What::proceed: return "proceed";
    case Answer::What::accept: return "accept";
    case Answer::What::tempfail: return with_codes("tempfail");
    case Answer::What::reject: return with_codes("reject");
    case Answer::What::quarantine: return "quarantine";
    case Answer::What::discard: return "discard";
  }
  return "?";
}

/// One connection.
class Client {
 public:
  explicit Client(Services& services, quota::ClientFacts facts = outside(), Negotiated negotiated = {}) : session(services, negotiated) {
    session.connect(std::move(facts));
  }

  Session session;
  Answer last{};                              ///< the answer that ended the last message
  std::vector<std::string> refused_recipients{};

  /// Plays a message up to the point where it ends.
  std::string send(const Mail& mail) {
    refused_recipients.clear();
    last = session.mail(mail.facts);
    if (last.what != Answer::What::proceed) return "MAIL " + text(last);
    for (const auto& recipient : mail.to)
      if (const auto answer = session.recipient(recipient); answer.what != Answer::What::proceed) {
        last = answer;
        refused_recipients.push_back(recipient);
      }
    if (refused_recipients.size() == mail.to.size()) {
      session.reset();
      return "RCPT " + text(last);
    }
    for (const auto& value : mail.php) session.header("X-PHP-Originating-Script", value);
    session.body(mail.body);
    last = session.end_of_message("4XyZ");
    if (last.what == Answer::What::quarantine) CHECK(text(session.after_hold(Hold::taken)) == "accept");
    return "END " + text(last);
  }
};

}  // namespace milter
