#include "quota/history.hpp"

#include <doctest/doctest.h>

#include "tests/support/must.hpp"

using namespace quota;
using namespace std::chrono_literals;

namespace {

constexpr Timestamp noon{1'763'812'800'000ms};  // 2025-11-22T12:00:00Z, hour 489948 since 1970

Tally tally(std::array<std::int64_t, fates> messages, std::array<std::int64_t, fates> recipients) { return {messages, recipients}; }

Note note_at(Timestamp at, Fate fate, std::int64_t recipients) {
  Note note{{Kind::user, "alice@example.com"}};
  note.fives[five_of(at)].add(fate, recipients);
  return note;
}

}  // namespace

TEST_CASE("a tally is written short, and read as it was written") {
  constexpr std::int64_t most = exact_bound - 1;
  const struct {
    Tally tally;
    std::string_view text;
  } rows[] = {
      {tally({0, 0, 0}, {0, 0, 0}), ""},
      {tally({3, 0, 0}, {3, 0, 0}), "3"},
      {tally({3, 1, 2}, {3, 1, 2}), "3,1,2"},
      {tally({3, 1, 0}, {4, 2, 0}), "3,1,,4,2"},
      {tally({0, 3, 0}, {0, 0, 0}), ",3,,0"},
      {tally({3, 0, 0}, {0, 0, 0}), "3,,,0"},
      {tally({1, 1, 1}, {0, 0, 0}), "1,1,1,0"},
      {tally({1, 1, 1}, {0, 2, 0}), "1,1,1,,2"},
      {tally({0, 0, 0}, {0, 0, 7}), ",,,,,7"},
      {tally({most, 0, 0}, {most, 0, 0}), "9007199254740991"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    CHECK(format(row.tally) == row.text);
    CHECK(parse_tally(row.text) == row.tally);
  }
  for (const auto* wrong : {"x", "1,2,3,4,5,6,7", "-1", "9007199254740992", "1 2"}) {
    CAPTURE(wrong);
    CHECK_FALSE(parse_tally(wrong).has_value());
  }
}

TEST_CASE("a count stops where a number is not exact any more") {
  auto full = tally({exact_bound - 1, 0, 0}, {exact_bound - 2, 0, 0});
  full.add(Fate::sent, 5);
  CHECK(full == tally({exact_bound - 1, 0, 0}, {exact_bound - 1, 0, 0}));
}

TEST_CASE("a history is counted by hour and by five minutes, and read as it was written") {
  History history;
  const HistoryBounds bounds;
  add(history, note_at(noon, Fate::sent, 2), bounds, noon);
  add(history, note_at(noon + 4min, Fate::sent, 1), bounds, noon + 4min);
  add(history, note_at(noon + 5min, Fate::refused, 1), bounds, noon + 5min);
  add(history, note_at(noon + 61min, Fate::held, 3), bounds, noon + 61min);
  add(history, note_at(noon + 24h, Fate::sent, 1), bounds, noon + 24h);
  const HistoryText want{{"first", "1763812800"},
                         {"hours", "20414 m2,1,,3,1n,,1,,,3 20415 m"},
                         {"fives", "489948 a2,,,3b,1 489949 a,,1,,,3 489972 a"}};
  CHECK(format(history) == want);
  CHECK(parse_history(want) == history);
}

TEST_CASE("what cannot be understood in a history is left out") {
  const auto history = parse_history({{"hours", "a1 x b1 5 y1=1c7-3 99999999999999999999 c1 9007199254 c"}, {"first", "soon"}, {"networks", "a b= c=1 192.0.2.0/24=1,2"}, {"zzz", "1"}});
  CHECK_FALSE(history.first.has_value());
  CHECK(history.hours == std::map<std::int64_t, Tally>{{5 * 24 + 2, tally({7, 0, 0}, {7, 0, 0})}});
  CHECK(history.networks == std::vector<NetworkSeen>{{"192.0.2.0/24", Timestamp{1s}, 2}});
}

TEST_CASE("what has passed is forgotten") {
  History history;
  const HistoryBounds bounds{.hours_for = std::chrono::days{2}, .fives_for = 3h};
  add(history, note_at(noon, Fate::sent, 1), bounds, noon);
  add(history, note_at(noon + 3h, Fate::sent, 1), bounds, noon + 3h);
  CHECK(history.fives.size() == 2);
  forget_passed(history, bounds, noon + 4h);
  CHECK(history.fives.size() == 1);
  CHECK(history.hours.size() == 2);
  forget_passed(history, bounds, noon + 61h);
  CHECK(history.hours.empty());
}

TEST_CASE("the network that was seen last comes first, and there is room for the newest only") {
  History history;
  const HistoryBounds bounds{.networks = 2};
  const auto seen = [&](std::vector<NetworkSeen> networks) {
    auto note = note_at(noon, Fate::sent, 1);
    note.networks = std::move(networks);
    add(history, note, bounds, noon);
  };
  seen({{"b/24", noon + 1s, 1}, {"a/24", noon, 3}});
  seen({{"a/24", noon + 2s, 1}});
  CHECK(history.networks == std::vector<NetworkSeen>{{"a/24", noon + 2s, 4}, {"b/24", noon + 1s, 1}});
  seen({{"c/24", noon + 3s, 1}});
  CHECK(history.networks == std::vector<NetworkSeen>{{"c/24", noon + 3s, 1}, {"a/24", noon + 2s, 4}});
  CHECK(networks_since(history, five_of(noon) / 12) == 2);
  CHECK(networks_since(history, five_of(noon) / 12 + 1) == 0);
}

TEST_CASE("a network is what one customer of a provider usually has") {
  CHECK(network_of(must(IpAddress::parse("192.0.2.77"))) == "192.0.2.0/24");
  CHECK(network_of(must(IpAddress::parse("2001:db8:1:2::3"))) == "2001:db8:1::/48");
}

TEST_CASE("a message is read as it was written, whatever stands in it") {
  PastMessage message{noon, Action::reject, false, Cause::blocked, "mailbox", "4XyZ", "mx1", "192.0.2.7", "a\tb\n@x", "mx1/1000:mail.php", 40,
                      {"bob@\\remote.example", ""}, "aB3+/x90", "tabs\tand \x01 others", {{"user-agent", "x\r\ny"}}};
  CHECK(parse_past_message(format(message, "alice@example.com"), "alice@example.com") == message);
  CHECK(format(message, "").find('\n') == std::string::npos);
  message = {.at = noon + 999ms};
  CHECK(parse_past_message(format(message, ""), "") == PastMessage{.at = noon});
}

TEST_CASE("a message that was thrown away, and a sender that looks like a sign, are read as they were written") {
  for (const auto* const from : {"=", "==", "=alice@example.com", ""}) {
    CAPTURE(from);
    const PastMessage message{.at = noon, .action = Action::reject, .is_discarded = true, .cause = Cause::over, .mail_from = from};
    CHECK(parse_past_message(format(message, "alice@example.com"), "alice@example.com") == message);
    CHECK(parse_past_message(format(message, ""), "") == message);
  }
}

TEST_CASE("what is usual of a message is written short") {
  const PastMessage message{.at = noon, .queue_id = "4XyZ", .mail_from = "alice@example.com", .recipients = 1};
  CHECK(format(message, "alice@example.com") == "1763812800\t\t\t\t4XyZ\t\t\t=\t\t\t\t0\t");
  CHECK(parse_past_message(format(message, "alice@example.com"), "alice@example.com") == message);
  CHECK(format(message, "bob@example.com").find("\talice@example.com\t") != std::string::npos);
}

TEST_CASE("the recipients of a message are read as they were written, all of them or the first") {
  for (const auto& row : {std::pair(0, 0), {0, 1}, {1, 0}, {1, 1}, {2, 0}, {2, 1}, {2, 2}, {3, 1}}) {
    const auto recipients = row.first, listed = row.second;
    CAPTURE(recipients);
    CAPTURE(listed);
    PastMessage message{.at = noon, .recipients = recipients, .subject = "7"};
    message.first_recipients.assign(static_cast<std::size_t>(listed), "3");
    CHECK(parse_past_message(format(message, ""), "") == message);
  }
}

TEST_CASE("what is no message is none") {
  for (const auto* wrong : {"", "1", "x\taccept\twithin\t\t\t\t\t\t\t\t1\t0\t", "1\taccept\twithin\t\t\t\t\t\t\t\t1\t5\t", "5\tmaybe\twithin\t\t\t\t\t\t\t\t1\t0\t",
                            "1\taccept\twithin\t\t\t\t\t\t\t\t1\t0\tsubject\tlonely", "1\taccept\twithin\t\t\t\t\t\t\t\tx\t0\t", "1\taccept\twithin\t\t\t\t\t\t\t\t1\tx\t",
                            "1\taccept\twithin\t\t\t\t\t\t\t\t2\t\tone@remote.example\t"}) {
    CAPTURE(wrong);
    CHECK_FALSE(parse_past_message(wrong, "").has_value());
  }
}
