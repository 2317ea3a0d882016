#include "milter/reply.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <ctime>

#include "tests/support/example_config.hpp"
#include "tests/support/example_policy.hpp"

using namespace milter;
using namespace std::chrono_literals;
using quota::Action;
using quota::Cause;
using quota::Kind;

namespace {

/// The process's time zone for one test, in POSIX' own notation: no list of zones is needed.
class TimeZone {
 public:
  explicit TimeZone(const std::string& zone) {
    if (const char* before = std::getenv("TZ")) before_ = before;
    set(zone.c_str());
  }
  ~TimeZone() { set(before_ ? before_->c_str() : nullptr); }
  TimeZone(const TimeZone&) = delete;
  TimeZone& operator=(const TimeZone&) = delete;

 private:
  static void set(const char* zone) {
    if (zone) ::setenv("TZ", zone, 1);
    else ::unsetenv("TZ");
    ::tzset();
  }
  std::optional<std::string> before_{};
};

const quota::Timestamp now = quota::example_now;  // 14:00 in Tokyo
constexpr const char* tokyo = "JST-9";

constexpr std::string_view plain = "[[quota]]\nname = \"mailbox\"\nper = \"user\"\nlimits = \"250 messages / 15m\"\n";
constexpr std::string_view with_contact =
    "reply.contact = \"https://example.com/limits\"\n"
    "[[quota]]\nname = \"mailbox\"\nper = \"user\"\nlimits = \"250 messages / 15m\"\n";

quota::Failure over() {
  quota::Failure failure;
  failure.cause = Cause::over;
  failure.action = Action::tempfail;
  failure.identity = {Kind::user, "alice@example.com"};
  failure.quota = "mailbox";
  failure.limit = "250 messages / 15m";
  failure.used = failure.burst = 250;
  failure.cost = 1;
  failure.retry_at = now + 31min + 10s;
  return failure;
}
quota::Failure too_big(quota::Unit unit, std::int64_t cost, std::int64_t burst) {
  auto failure = over();
  failure.cause = Cause::too_big;
  failure.action = Action::reject;
  failure.unit = unit;
  failure.cost = cost;
  failure.burst = burst;
  failure.retry_at.reset();
  return failure;
}
quota::Failure nothing_allowed() {
  auto failure = over();
  failure.cause = Cause::nothing_allowed;
  failure.action = Action::reject;
  failure.limit = "none";
  failure.used = failure.burst = 0;
  failure.retry_at.reset();
  return failure;
}
quota::Failure blocked(std::string reason) {
  quota::Failure failure;
  failure.cause = Cause::blocked;
  failure.action = Action::reject;
  failure.identity = {Kind::user, "alice@example.com"};
  failure.reason = std::move(reason);
  return failure;
}
/// A copy that differs in what the row is about.
template <class Change>
quota::Failure changed(quota::Failure failure, Change change) {
  change(failure);
  return failure;
}

SmtpReply reply_to(const quota::Failure& failure, std::string_view config_text) {
  const auto config = config_of(config_text);
  quota::Verdict verdict;
  verdict.action = failure.action;
  verdict.cause = failure.cause;
  verdict.decider = failure;
  return reply_for(verdict, *config->policy, config->reply, now);
}

std::string text(const SmtpReply& reply) { return reply.code + " " + reply.enhanced + " " + reply.text; }

}  // namespace

TEST_CASE("every refusal tells its code, what was reached, whose it is, when to try again and whom to ask") {
  const TimeZone zone(tokyo);
  struct Row {
    quota::Failure failure;
    std::string want;
  } const rows[] = {
      {over(),
       "451 4.7.1 Sending limit reached: 250 of 250 messages (quota mailbox, user:alice@example.com); try again at 14:32 +0900; contact "
       "https://example.com/limits"},
      {changed(over(), [](auto& failure) { failure.action = Action::reject; }),
       "550 5.7.1 Sending limit reached: 250 of 250 messages (quota mailbox, user:alice@example.com); try again at 14:32 +0900; contact "
       "https://example.com/limits"},
      {changed(over(), [](auto& failure) { failure.unit = quota::Unit::bytes, failure.used = 1'234'567, failure.burst = 20'000'000; }),
       "451 4.7.1 Sending limit reached: 1234567 bytes of 20MB (quota mailbox, user:alice@example.com); try again at 14:32 +0900; contact "
       "https://example.com/limits"},
      {too_big(quota::Unit::recipients, 301, 300),
       "550 5.5.3 Message exceeds its sending limit: 301 recipients in one message, at most 300 (quota mailbox, user:alice@example.com); "
       "split it into smaller messages; contact https://example.com/limits"},
      {too_big(quota::Unit::bytes, 30'000'000, 20'000'000),
       "552 5.3.4 Message exceeds its sending limit: 30MB in one message, at most 20MB (quota mailbox, user:alice@example.com); "
       "split it into smaller messages; contact https://example.com/limits"},
      {nothing_allowed(), "550 5.7.1 Sending is not allowed (quota mailbox, user:alice@example.com); contact https://example.com/limits"},
      {blocked(""), "550 5.7.1 Sending is blocked (user:alice@example.com); contact https://example.com/limits"},
      {changed(blocked(""), [](auto& failure) { failure.action = Action::tempfail, failure.retry_at = now + 1h; }),
       "451 4.7.1 Sending is blocked (user:alice@example.com); try again at 15:00 +0900; contact https://example.com/limits"},
  };
  for (const auto& row : rows) CHECK(text(reply_to(row.failure, with_contact)) == row.want);
}

TEST_CASE("parts that have nothing to say are left out") {
  const TimeZone zone(tokyo);
  CHECK(reply_to(over(), plain).text == "Sending limit reached: 250 of 250 messages (quota mailbox, user:alice@example.com); try again at 14:32 +0900");
  CHECK(reply_to(blocked(""), plain).text == "Sending is blocked (user:alice@example.com)");
  const auto no_time = changed(over(), [](auto& failure) { failure.retry_at.reset(); });
  CHECK(reply_to(no_time, plain).text == "Sending limit reached: 250 of 250 messages (quota mailbox, user:alice@example.com)");
}

TEST_CASE("what cannot be checked is told with a code that fits the answer") {
  const auto config = config_of(with_contact);
  quota::Verdict verdict;
  verdict.cause = Cause::outage;
  verdict.action = Action::tempfail;
  CHECK(text(reply_for(verdict, *config->policy, config->reply, now)) == "451 4.3.0 Sending limits cannot be checked at the moment; try again later");
  verdict.action = Action::reject;  // at the bottom of the hold queue
  CHECK(text(reply_for(verdict, *config->policy, config->reply, now)) == "550 5.3.0 Sending limits cannot be checked at the moment; try again later");
}

TEST_CASE("identities of many people and of scripts are not shown to the sender") {
  const TimeZone zone(tokyo);
  struct Row {
    quota::Identity identity;
    bool is_shown;
  } const rows[] = {
      {{Kind::user, "alice@example.com"}, true},    {{Kind::sender, "alice@example.com"}, true}, {{Kind::client, "192.0.2.1"}, true},
      {{Kind::user_domain, "example.com"}, false},  {{Kind::sender_domain, "example.com"}, false},
      {{Kind::script, "mx1/1000:form.php"}, false}, {{Kind::uid, "mx1/1000"}, false},
      {{Kind::account, "acme"}, false},             {{Kind::everyone, "all"}, false},
  };
  for (const auto& row : rows) {
    CAPTURE(row.identity.text());
    auto failure = over();
    failure.identity = row.identity;
    const std::string shown = row.is_shown ? ", " + row.identity.text() : "";
    CHECK(reply_to(failure, plain).text == "Sending limit reached: 250 of 250 messages (quota mailbox" + shown + "); try again at 14:32 +0900");
    auto block = blocked("");
    block.identity = row.identity;
    CHECK(reply_to(block, plain).text == "Sending is blocked" + (row.is_shown ? " (" + row.identity.text() + ")" : ""));
  }
}

TEST_CASE("a block's reason is shown only where it begins with public:") {
  CHECK(reply_to(blocked("password stolen"), plain).text == "Sending is blocked (user:alice@example.com)");
  CHECK(reply_to(blocked("not public: password stolen"), plain).text == "Sending is blocked (user:alice@example.com)");
  CHECK(reply_to(blocked("public: change your password"), plain).text == "Sending is blocked (user:alice@example.com): change your password");
  CHECK(reply_to(blocked("public: {identity} {contact}"), with_contact).text ==
        "Sending is blocked (user:alice@example.com): {identity} {contact}; contact https://example.com/limits");
}

TEST_CASE("texts come from the quota first, then from [reply], then are built in") {
  const TimeZone zone(tokyo);
  constexpr std::string_view both = R"(
[reply]
over    = "general: {used}"
blocked = "general block of {identity}; until {retry}; limit {limit}; used {used}; ask {contact}"
too_big = "general: {used}, limit {limit}"
contact = "general@example.com"
[[quota]]
name   = "mailbox"
per    = "user"
limits = "250 messages / 15m"
[quota.reply]
over    = "{quota}: {identity} has {used} of {limit}; {retry}; {contact}"
contact = "https://example.com/?{identity}"
[[quota]]
name   = "other"
per    = "user"
limits = "250 messages / 15m"
)";
  CHECK(reply_to(over(), both).text ==
        "mailbox: user:alice@example.com has 250 of 250 messages of 250 messages / 15m; 14:32 +0900; https://example.com/?user:alice@example.com");
  const auto other = [](auto& failure) { failure.quota = "other"; };
  CHECK(reply_to(changed(over(), other), both).text == "general: 250 of 250 messages");
  CHECK(reply_to(too_big(quota::Unit::recipients, 301, 300), both).text == "general: 301 recipients in one message, at most 300, limit 250 messages / 15m");
  // A block made by hand names no quota, has no limit, and this one no end.
  CHECK(reply_to(blocked("public: secret"), both).text == "general block of user:alice@example.com; ask general@example.com");
  CHECK(reply_to(changed(nothing_allowed(), other), both).text == "Sending is not allowed (quota other, user:alice@example.com); contact general@example.com");
  // The quota may be gone by a reload while its block goes on.
  const auto gone = changed(blocked(""), [](auto& failure) { failure.quota = "gone"; });
  CHECK(reply_to(gone, both).text == "general block of user:alice@example.com; ask general@example.com");
}

TEST_CASE("a text of which nothing is left gives way to the next") {
  const TimeZone zone(tokyo);
  constexpr std::string_view texts = R"(
[reply]
over    = "{identity} sends too much"
blocked = "{identity} is blocked"
[[quota]]
name   = "mailbox"
per    = "script"
limits = "250 messages / 15m"
)";
  const auto script = [](auto& failure) { failure.identity = {Kind::script, "mx1/1000:form.php"}; };
  CHECK(reply_to(changed(over(), script), texts).text == "Sending limit reached: 250 of 250 messages (quota mailbox); try again at 14:32 +0900");
  CHECK(reply_to(changed(blocked(""), script), texts).text == "Sending is blocked");
  CHECK(reply_to(over(), texts).text == "user:alice@example.com sends too much");
}

TEST_CASE("the time to retry is rounded up to the minute, and shows the date where it is another day") {
  struct Row {
    std::string zone;
    std::string retry_at;
    std::string want;
  } const rows[] = {
      {tokyo, "2026-11-22T05:31:00Z", "14:31 +0900"},
      {tokyo, "2026-11-22T05:31:00.001Z", "14:32 +0900"},
      {tokyo, "2026-11-22T14:59:00Z", "23:59 +0900"},
      {tokyo, "2026-11-22T14:59:00.001Z", "2026-11-23 00:00 +0900"},  // rounding goes into the next day
      {tokyo, "2027-11-22T05:00:00Z", "2027-11-22 14:00 +0900"},      // the same day of another year
      {"UTC0", "2026-11-22T23:30:00Z", "23:30 +0000"},
      {"EST5", "2026-11-22T05:30:00Z", "00:30 -0500"},                // it is midnight there
      {"EST5EDT,M3.2.0,M11.1.0", "2026-07-01T12:00:00Z", "2026-07-01 08:00 -0400"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.retry_at);
    const TimeZone zone(row.zone);
    const auto failure = changed(over(), [&](auto& one) { one.retry_at = quota::parse_moment(row.retry_at); });
    CHECK(reply_to(failure, plain).text ==
          "Sending limit reached: 250 of 250 messages (quota mailbox, user:alice@example.com); try again at " + std::string(row.want));
  }
}

TEST_CASE("whatever the text, smfi_setreply takes it: one line of ASCII, % doubled, short") {
  constexpr std::size_t most_of_libmilter = 980;
  struct Row {
    std::string raw;
    std::string want;
  } const rows[] = {
      {"100% of %s", "100%% of %%s"},
      {"one\r\ntwo\tthree", "one  two three"},
      {"\xC3\xBC \x01\x7F", "?? ??"},
      {std::string("a\0b", 3), "a?b"},
      {std::string(489, 'x') + "%", std::string(489, 'x') + "%%"},
      {std::string(490, 'x') + "%", std::string(490, 'x')},
  };
  for (const auto& row : rows) CHECK(safe_reply_text(row.raw) == row.want);
  CHECK(safe_reply_text(std::string(5000, 'x')).size() == longest_reply_text);
  CHECK(safe_reply_text(std::string(5000, '%')) == std::string(most_of_libmilter, '%'));

  const auto reply = reply_to(blocked("public: " + std::string(5000, '%') + "\r\n250 OK"), plain);
  CHECK(reply.text.size() <= most_of_libmilter);
  CHECK(reply.text.find_first_of("\r\n") == std::string::npos);
  CHECK(reply.text.ends_with("%%"));
  auto failure = over();
  failure.identity = quota::must(quota::user_identity("100%@example.com", ""));
  CHECK(reply_to(failure, plain).text.find("user:100%%25@example.com") != std::string::npos);
}

TEST_CASE("the reason of a hold is safe in the same way, and shows % once") {
  CHECK(safe_hold_reason("100%\r\nof it") == "100%  of it");
  CHECK(safe_hold_reason(std::string(5000, '%')).size() == longest_reply_text);
}
