#include "milter/config_report.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <sstream>

#include "quota/token_bucket.hpp"

namespace {

using milter::most_within;
using quota::Limit;
using quota::Milliseconds;
using namespace std::chrono_literals;

milter::Config config_of(std::string_view text) {
  const auto config = milter::parse_config(text, "test.toml");
  REQUIRE_MESSAGE(config.has_value(), milter::format(config.error()));
  return *config;
}

Limit limit_of(std::string_view text) {
  const auto allowance = quota::parse_allowance(text);
  REQUIRE(allowance.has_value());
  return allowance->limits.at(0);
}

/// How many of cost 1 get through in [0, span), where `wants_at` says when somebody tries (until he is refused).
template <class WantsAt>
std::int64_t let_through(const Limit& limit, Milliseconds span, WantsAt wants_at) {
  std::int64_t count = 0;
  std::optional<quota::Bucket> bucket;
  for (Milliseconds at{0}; at < span; ++at) {
    if (!wants_at(at)) continue;
    auto now = quota::refilled(limit, bucket, quota::Timestamp{at});
    for (; quota::holds(limit, now, 1); ++count) now = quota::spent(now, 1);
    bucket = now;
  }
  return count;
}

bool warns(std::string_view text, std::string_view about) {
  const auto warnings = milter::warnings_about(config_of(text));
  return std::any_of(warnings.begin(), warnings.end(),
                     [&](const std::string& one) { return one.find(about) != std::string::npos; });
}

constexpr std::string_view one_quota = "[[quota]]\nname = 'a'\nper = 'user'\nlimits = '10 messages / 1h'\n";

}  // namespace

TEST_CASE("250 / 15m lets 499 through in the worst 15 minutes") {
  struct {
    std::string_view limit;
    Milliseconds span;
    std::int64_t want;
  } const rows[] = {
      {"250 messages / 15m", 15min, 499},
      {"250 messages / 15m", 1ms, 250},
      {"250 messages / 15m", 1h, 1249},
      {"1 message / 1h", 1h, 1},  // the next comes with the end of the hour
      {"1 message / 1h", 1h + 1ms, 2},
      {"1000 messages / 1d burst 500", std::chrono::days{1}, 1499},
      {"500MB / 1d", std::chrono::days{30},
       500'000'000 + 15'000'000'000 - 6},  // 5.8 bytes come back in the last millisecond
      {"9007199254740991 bytes / 1ms burst 1", std::chrono::days{30}, 9223372036854775807},  // more than 63 bits hold
  };
  for (const auto& row : rows) {
    CAPTURE(row.limit);
    CHECK(most_within(limit_of(row.limit), row.span) == row.want);
  }
}

TEST_CASE("the worst interval is what the bucket's own arithmetic lets an insatiable sender have") {
  const std::string_view limits[] = {"7 messages / 50ms", "7 messages / 50ms burst 3", "1 message / 9ms burst 4",
                                     "3 messages / 100ms burst 20", "50 messages / 50ms burst 2"};
  for (const auto text : limits) {
    const auto limit = limit_of(text);
    for (Milliseconds span{1}; span <= 220ms; ++span) {
      CAPTURE(text);
      CAPTURE(span.count());
      CHECK(let_through(limit, span, [](Milliseconds) { return true; }) == most_within(limit, span));
    }
  }
}

TEST_CASE("no pattern of sending gets more through than the worst interval") {
  std::minstd_rand random(7);
  for (int round = 0; round < 300; ++round) {
    const auto limit = *Limit::make(quota::Unit::messages, 1 + static_cast<int>(random() % 40),
                                    Milliseconds{1 + random() % 60}, 1 + static_cast<int>(random() % 20));
    const Milliseconds span{1 + random() % 200};
    const auto one_in = 1 + random() % 6;
    CHECK(let_through(limit, span, [&](Milliseconds) { return random() % one_in == 0; }) <= most_within(limit, span));
  }
}

TEST_CASE("the report shows each limit, several together, bounds, blocks and overrides") {
  const auto text = milter::to_text(milter::report_on(config_of(R"(
    [[quota]]
    name   = "mailbox"
    per    = "user"
    limits = ["250 messages / 15m", "1000 messages / 1d burst 500", "300 recipients / message", "5GB / 1d burst 500MB"]
    [quota.block]
    after = "300 refusals / 10m"
    for   = ["1h", "released"]
    [[quota.override]]
    match  = ["a@example.com", "b@example.com", "@c.example", "plan:gold", "account:acme"]
    limits = "20000 messages / 1h"
    [[quota.override]]
    match  = "user:d@example.com"
    limits = "unlimited"

    [[quota]]
    name   = "local"
    per    = ["script", "client"]
    when   = "local"
    action = "quarantine"
    mode   = "observe"
    limits = "123456789 recipients / 3600001ms burst 12345678"
  )")));
  const auto tables = text.substr(0, text.find("warning: "));
  CHECK(tables == R"(quota mailbox: per user, all outgoing mail, tempfail
  at most                           at once in period    in 1h    in 1d   in 30d
  250 messages / 15m                    250      499     1249    24249   720249
  1000 messages / 1d burst 500          500     1499      541     1499    30499
  5GB / 1d burst 500MB                500MB    5.5GB  708.4MB    5.5GB  150.5GB
  all limits on messages                250               541     1499    30499
  300 recipients / message
  blocked after 300 refusals / 10m: 1h, then until released; forgotten 7d after
    the end

quota mailbox, override for a@example.com, b@example.com, @c.example, and 2 more
  at most                           at once in period    in 1h    in 1d   in 30d
  5GB / 1d burst 500MB                500MB    5.5GB  708.4MB    5.5GB  150.5GB
  20000 messages / 1h                 20000    39999    39999   499999 14419999
  300 recipients / message

quota mailbox, override for user:d@example.com
  unlimited

quota local: per script, else client, local mail, quarantine, only observed
  at most                           at once in period    in 1h    in 1d   in 30d
  123456789 recipients / 3600001ms burst 12345678
                                   12345678     136M     136M    2976M   88902M

)");
}

TEST_CASE("the report fits 80 columns") {
  const auto text = milter::to_text(milter::report_on(
      config_of(std::string(one_quota) + "[milter]\nlisten = 'inet:8894@192.0.2.7'\n[notify]\ncommand = '/bin/x'\n")));
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    CAPTURE(line);
    CHECK(line.size() <= 80);
  }
}

TEST_CASE("what is allowed and seldom meant is warned of") {
  const std::string quota(one_quota);
  const std::string script =
      "[[quota]]\nname = 'b'\nper = ['script', 'sender']\nwhen = 'local'\naction = 'quarantine'\nlimits = '10 messages "
      "/ 1h'\n";
  struct {
    std::string text;
    std::string_view about;
    bool want;
  } const rows[] = {
      {"mode = 'observe'\n" + quota, "mode is \"observe\"", true},
      {quota, "mode is \"observe\"", false},
      {"", "there is no [[quota]]", true},
      {quota, "there is no [[quota]]", false},
      {"[milter]\nlisten = 'inet:8894@192.0.2.7'\n", "can pose as the MTA", true},
      {"[milter]\nlisten = 'inet6:8894@::1'\n", "can pose as the MTA", false},
      {"[milter]\nlisten = 'inet:8894@127.0.0.1'\nsocket_mode = '0666'\n", "can pose as the MTA",
       false},  // has no mode
      {"[milter]\nsocket_mode = '0666'\n", "can pose as the MTA", true},
      {"[milter]\nsocket_mode = '0664'\n", "can pose as the MTA", false},  // connecting needs the right to write
      {quota, "no quota covers all local mail", true},
      {quota + "[[quota]]\nname = 'b'\nper = 'everyone'\nlimits = '10 messages / 1h'\n",
       "no quota covers all local mail", false},
      {script, "no quota covers every login", true},
      {quota, "no quota covers every login", false},
      {script, "no quota per uid", true},
      {script, "no quota per client", true},
      {script + "[[quota]]\nname = 'c'\nper = 'uid'\nlimits = '10 messages / 1h'\n", "no quota per uid", false},
      {script + "[[quota]]\nname = 'c'\nper = ['user', 'client']\nlimits = '10 messages / 1h'\n", "no quota per client",
       true},  // only a fallback
      {script + "[[quota]]\nname = 'c'\nper = 'client'\nlimits = '10 messages / 1h'\n", "no quota per client", false},
      {script + "[[quota]]\nname = 'c'\nper = 'client'\nwhen = 'smtp'\nlimits = '10 messages / 1h'\n",
       "no quota per client", true},
      {"[[quota]]\nname = 'a'\nper = 'user'\nlimits = ['10 messages / 1h', '300 messages / 1d']\n",
       "'300 messages / 1d' never decides", true},
      {"[[quota]]\nname = 'a'\nper = 'user'\nlimits = ['10 messages / 1h', '200 messages / 1d']\n", "never decides",
       false},
      {"[[quota]]\nname = 'a'\nper = 'user'\nlimits = ['10 messages / 1h', '300 recipients / 1d']\n", "never decides",
       false},
      {"[[quota]]\nname = 'a'\nper = 'user'\nlimits = 'unlimited'\n", "it limits nobody", true},
      {"[[quota]]\nname = 'a'\nper = 'user'\nwhen = 'local'\naction = 'reject'\nlimits = '10 messages / 1h'\n",
       "local mail has no login", true},
      {"[identity]\nour_networks = ['0.0.0.0/0']\n", "makes all mail outgoing", true},
      {"[hold]\nthen = 'hold'\n", "has no bottom", true},
      {"[notify]\ncommand = '/usr/local/bin/page'\n", "/usr/local/bin/page cannot be executed: No such file", true},
      {"[notify]\ncommand = '/bin/cat -n'\n", "cannot be executed", false},
      {"", "notify", false},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    CAPTURE(row.about);
    CHECK(warns(row.text, row.about) == row.want);
  }
}
