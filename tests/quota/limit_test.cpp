#include "quota/limit.hpp"

#include <doctest/doctest.h>

#include <numeric>
#include <random>

#include "quota/time_text.hpp"
#include "tests/support/must.hpp"

namespace quota {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view grammar =
    "write it as in '250 messages / 15m burst 100', '500MB / 1d' or '300 recipients / message'";

Allowance allowance(std::string_view text) { return must(parse_allowance(text)); }

TEST_CASE("a limit is read in every form people write and written in one") {
  struct {
    std::string_view text;
    std::string_view canonical;
  } const rows[] = {
      {"250 messages / 15m", "250 messages / 15m"},
      {"250messages/15m", "250 messages / 15m"},
      {"  250   messages  /  15m  ", "250 messages / 15m"},
      {"250 messages / 900s", "250 messages / 15m"},
      {"1 message / 1s", "1 messages / 1s"},
      {"250 messages / 15m burst 100", "250 messages / 15m burst 100"},
      {"250 messages / 15m burst 100 messages", "250 messages / 15m burst 100"},
      {"250 messages / 15m burst 250", "250 messages / 15m"},  // the default is not written
      {"2000 recipients / 1d burst 500", "2000 recipients / 1d burst 500"},
      {"1 recipient / 1w", "1 recipients / 7d"},
      {"500MB / 1d", "500MB / 1d"},
      {"500 MB / 1d", "500MB / 1d"},
      {"1000000 bytes / 1d", "1MB / 1d"},
      {"1 byte / 1d", "1 bytes / 1d"},
      {"12B / 1d", "12 bytes / 1d"},
      {"3KB / 1d", "3kB / 1d"},
      {"1024 bytes / 1d", "1KiB / 1d"},
      {"2MiB / 1d burst 1GiB", "2MiB / 1d burst 1GiB"},
      {"1TB / 30d burst 10GB", "1TB / 30d burst 10GB"},
      {"300 recipients / message", "300 recipients / message"},
      {"1 recipient/message", "1 recipients / message"},
      {"250 messages / 15m, 1000 messages / 1d burst 500,300 recipients / message",
       "250 messages / 15m, 1000 messages / 1d burst 500, 300 recipients / message"},
      {"300 recipients / message, 250 messages / 15m", "250 messages / 15m, 300 recipients / message"},
      {"unlimited", "unlimited"},
      {" none ", "none"},
      {"inherit", "inherit"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    const auto read = allowance(row.text);
    CHECK(format(read) == row.canonical);
    CHECK(allowance(row.canonical) == read);
  }
}

TEST_CASE("what is no limit is refused with the sentence that says what to write") {
  const std::string how(grammar);
  struct {
    std::string_view text;
    std::string want;
  } const rows[] = {
      {"", "'' has no '/': " + how},
      {"250 messages", "'250 messages' has no '/': " + how},
      {"lots / 1d", "'lots' does not begin with a whole number; " + how},
      {"-5 messages / 1d", "'-5 messages' does not begin with a whole number; " + how},
      {"99999999999999999999 messages / 1d",
       "'99999999999999999999 messages' begins with a number that is too large: at most 2^53"},
      {"250 / 15m", "unknown unit '': write messages, recipients, bytes, kB, MB or GB"},
      {"250 mails / 15m", "unknown unit 'mails': write messages, recipients, bytes, kB, MB or GB"},
      {"1.5GB / 1d", "unknown unit '.5GB': write messages, recipients, bytes, kB, MB or GB"},
      {"500mb / 1d", "unknown unit 'mb': write messages, recipients, bytes, kB, MB or GB"},
      {"10000TB / 1d", "'10000TB' is too large: at most 2^53 bytes"},
      {"250 messages / fortnight",
       "unknown period: 'fortnight' is no duration: write a whole number and ms, s, m, h, d or w, as in 15m"},
      {"250 messages /", "unknown period: '' is no duration: write a whole number and ms, s, m, h, d or w, as in 15m"},
      {"250 messages / 1d / 2", "after the period only 'burst NUMBER' may follow; " + how},
      {"250 messages / 15m 100", "after the period only 'burst NUMBER' may follow; " + how},
      {"250 messages / 15m burst", "the burst '' is no number of messages"},
      {"250 messages / 15m burst 5MB", "the burst '5MB' is no number of messages"},
      {"250 messages / 15m burst 100 recipients", "the burst '100 recipients' is no number of messages"},
      {"250 messages / 15m burst 0", "a burst must be at least 1"},
      {"0 messages / 15m", "a limit must allow at least 1; to allow nothing write none"},
      {"250 messages / 3661d", "unknown period: '3661d' is too long: at most 3660d"},
      {"5 messages / message",
       "'5 messages / message': only recipients can be bounded per message; the MTA bounds a message's size"},
      {"10MB / message",
       "'10MB / message': only recipients can be bounded per message; the MTA bounds a message's size"},
      {"0 recipients / message", "'0 recipients / message': a bound must be at least 1; to allow nothing write none"},
      {"1000000001 recipients / message",
       "'1000000001 recipients / message': the bound is too large: at most 1000000000"},
      {"250 messages / 15m, 100 messages / 900s",
       "two limits on messages/15m: '250 messages / 15m' and '100 messages / 15m'; keep one"},
      {"5 recipients / message, 6 recipients / message", "two bounds on recipients / message; keep one"},
      {"none, 5 messages / 1d", "'none' stands alone: it cannot be joined with other limits"},
      {"5 messages / 1d, unlimited", "'unlimited' stands alone: it cannot be joined with other limits"},
      {"5 messages / 1d,", "'' has no '/': " + how},
      {"9007199254740992 messages / 1ms",
       "'9007199254740992 messages / 1ms' is too fine to be counted exactly: burst times period (1 ms after reduction) "
       "must stay "
       "below 2^53; use a rounder amount or a smaller burst"},
      {"104249993 messages / 86400001ms",
       "'104249993 messages / 86400001ms' is too fine to be counted exactly: burst times period (86400001 ms after "
       "reduction) "
       "must stay below 2^53; use a rounder amount or a smaller burst"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    const auto read = parse_allowance(row.text);
    REQUIRE(!read.has_value());
    CHECK(read.error() == row.want);
  }
}

TEST_CASE("a rate is in lowest terms") {
  struct {
    std::int64_t amount;
    Milliseconds period;
    std::int64_t tokens, interval;
  } const rows[] = {
      {250, 15min, 1, 3600}, {7, 1s, 7, 1000}, {1000, 1s, 1, 1}, {1, 1ms, 1, 1}, {3'000'000, 1s, 3000, 1}};
  for (const auto& row : rows) {
    const auto rate = rate_of(row.amount, row.period);
    CHECK(rate.tokens == row.tokens);
    CHECK(rate.interval == row.interval);
  }
}

TEST_CASE("a limit is accepted exactly up to burst times interval below 2^53") {
  for (const auto period :
       {Milliseconds{1}, Milliseconds{3}, Milliseconds{1000}, Milliseconds{86'400'000}, longest_duration}) {
    const auto most = (exact_bound - 1) / period.count();
    CAPTURE(period.count());
    CHECK(Limit::make(Unit::messages, 1, period, most).has_value());
    CHECK(!Limit::make(Unit::messages, 1, period, most + 1).has_value());
    CHECK(!Limit::make(Unit::messages, 1, period, std::numeric_limits<std::int64_t>::max()).has_value());
  }
  CHECK(Limit::make(Unit::bytes, exact_bound - 1, 1ms, 1).has_value());
  CHECK(!Limit::make(Unit::bytes, exact_bound, 1ms, 1).has_value());
  CHECK(!Limit::make(Unit::bytes, 1, 0ms, 1).has_value());
  CHECK(!Limit::make(Unit::bytes, 1, longest_duration + 1ms, 1).has_value());
  CHECK(!Limit::make(Unit::bytes, std::numeric_limits<std::int64_t>::min(), 1s, {}).has_value());
}

TEST_CASE("every limit survives being written and read") {
  std::mt19937_64 random(3);
  const auto upto = [&](std::int64_t most) { return std::uniform_int_distribution<std::int64_t>(1, most)(random); };
  for (int i = 0; i < 3000; ++i) {
    const auto unit = std::array{Unit::messages, Unit::recipients, Unit::bytes}[static_cast<std::size_t>(i % 3)];
    const auto scale = std::array<std::int64_t, 4>{1, 1000, 1024, 1'000'000}[static_cast<std::size_t>(upto(4) - 1)];
    const auto limit = Limit::make(unit, upto(5000) * scale, Milliseconds{upto(1'000'000)}, upto(3000) * scale);
    if (!limit) continue;
    CAPTURE(format(*limit));
    CHECK(allowance(format(*limit)) == Allowance{Allowance::Kind::limited, {*limit}, {}});
  }
}

TEST_CASE("an override replaces the limits of the same unit and leaves the others") {
  struct {
    std::string_view base, replacement, want;
  } const rows[] = {
      {"250 messages / 15m, 1000 messages / 1d", "5000 messages / 1d", "5000 messages / 1d"},
      {"250 messages / 15m, 2000 recipients / 1d", "5000 messages / 1d", "2000 recipients / 1d, 5000 messages / 1d"},
      {"250 messages / 15m, 300 recipients / message", "5000 messages / 1d",
       "5000 messages / 1d, 300 recipients / message"},
      // `/ message` is a unit of its own: it is no limit on recipients, and none replaces it.
      {"2000 recipients / 1d, 300 recipients / message", "9 recipients / message",
       "2000 recipients / 1d, 9 recipients / message"},
      {"2000 recipients / 1d, 300 recipients / message", "9 recipients / 1d",
       "9 recipients / 1d, 300 recipients / message"},
      {"250 messages / 15m", "unlimited", "unlimited"},
      {"250 messages / 15m", "none", "none"},
      {"250 messages / 15m", "inherit", "250 messages / 15m"},
      {"none", "5 messages / 1d", "5 messages / 1d"},
      {"unlimited", "5 messages / 1d", "5 messages / 1d"},
      {"unlimited", "inherit", "unlimited"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.base);
    CAPTURE(row.replacement);
    CHECK(format(overridden(allowance(row.base), allowance(row.replacement))) == row.want);
  }
}

TEST_CASE("limits of several texts are joined like those of one") {
  const auto both = joined(allowance("250 messages / 15m"), allowance("500MB / 1d, 300 recipients / message"));
  REQUIRE(both.has_value());
  CHECK(format(*both) == "250 messages / 15m, 500MB / 1d, 300 recipients / message");
  CHECK(joined(*both, allowance("1 bytes / 24h")).error() ==
        "two limits on bytes/1d: '500MB / 1d' and '1 bytes / 1d'; keep one");
  CHECK(joined(*both, allowance("none")).error() == "'none' stands alone: it cannot be joined with other limits");
}

TEST_CASE("a bucket's name is its unit and its period, whatever amount and burst") {
  for (const auto* text : {"250 messages / 15m", "9 messages / 900s burst 3"})
    CHECK(bucket_name(allowance(text).limits.at(0)) == "messages/15m");
}

}  // namespace
}  // namespace quota
