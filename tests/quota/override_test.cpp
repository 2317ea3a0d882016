#include "quota/override.hpp"

#include <doctest/doctest.h>

#include "quota/time_text.hpp"
#include "tests/support/must.hpp"

namespace quota {
namespace {

OverrideKey key(std::string_view field) { return must(parse_override_key(field)); }

TEST_CASE("a field is an identity and a quota, * for every one, and is written in one way") {
  struct {
    std::string_view field, want;
  } const rows[] = {
      {"user:alice@example.com mailbox", "user:alice@example.com mailbox"},
      {" Alice@Example.com.   Mailbox ", "user:alice@example.com mailbox"},
      {"user:alice@example.com *", "user:alice@example.com *"},
      {"* mailbox", "* mailbox"},
      {"* *", "* *"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.field);
    CHECK(key(row.field).text() == row.want);
    CHECK(key(row.want) == key(row.field));
  }
  CHECK(key("* *").is_for_all());
  CHECK(!key("* mailbox").is_for_all());
  CHECK(!key("user:alice *").is_for_all());
}

TEST_CASE("a field that is none is refused with a sentence that says what to write") {
  constexpr std::string_view how = "write the field as 'IDENTITY QUOTA', with * for every identity or every quota";
  for (const auto* field : {"", "user:alice", "user:alice mailbox more", "*"}) {
    CAPTURE(field);
    CHECK(parse_override_key(field).error() == how);
  }
  CHECK(
      parse_override_key("alice mailbox").error() ==
      "'alice' is no identity: write kind:value, as in user:alice@example.com or script:mx1.example.com/1000:form.php");
  CHECK(parse_override_key("* mail_box").error() == "'mail_box' is no quota's name");
  CHECK(parse_override_key("* held").error() == "'held' is no quota's name");
}

TEST_CASE("an entry is an allowance, perhaps with since, until and by, and is written in one way") {
  struct {
    std::string_view text, want;
  } const rows[] = {
      {"5000 messages / 1d until=2026-12-24T00:00:00Z", "5000 messages / 1d until=2026-12-24T00:00:00Z"},
      {" 5000 messages/24h  until=2026-12-24T09:00:00+09:00 ", "5000 messages / 1d until=2026-12-24T00:00:00Z"},
      {"1 messages / 1d, 2 recipients / message by=root since=2026-01-01T00:00:00Z",
       "1 messages / 1d, 2 recipients / message since=2026-01-01T00:00:00Z by=root"},
      {"unlimited", "unlimited"},
      {"none until=2026-12-24T00:00:00Z", "none until=2026-12-24T00:00:00Z"},
      {"inherit", "inherit"},
      {"unlimited by=Alice%20Smith", "unlimited by=Alice%20Smith"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    const auto entry = must(parse_override(key("user:alice mailbox"), row.text));
    CHECK(format(entry) == row.want);
    CHECK(must(parse_override(key("user:alice mailbox"), row.want)) == entry);
  }
}

TEST_CASE("whoever made an entry, it reads back") {
  for (const std::string by : {"root", "Alice Smith (uid 1000)", "a=b", "50%20"}) {
    CAPTURE(by);
    Override entry;
    entry.value = must(parse_allowance("unlimited"));
    entry.by = by;
    CHECK(must(parse_override(key("* mailbox"), format(entry))) == entry);
  }
}

TEST_CASE("the mode switch is understood for all, and for nobody else") {
  for (const auto mode : {Mode::observe, Mode::enforce}) {
    const auto entry = must(parse_override(key("* *"), name(mode)));
    CHECK(std::get<Mode>(entry.value) == mode);
    CHECK(format(entry) == name(mode));
  }
  CHECK(parse_override(key("* mailbox"), "observe").error() == "'observe' is only understood for '* *'");
  CHECK(parse_override(key("user:alice *"), "enforce").error() == "'enforce' is only understood for '* *'");
}

TEST_CASE("an entry that cannot be understood is refused with a sentence that says what to write") {
  struct {
    std::string_view text, want;
  } const rows[] = {
      {"5000 messages / 1d until=tomorrow", "until=tomorrow is no time: write it as in until=2026-12-24T00:00:00Z"},
      {"unlimited for=1h", "unknown word 'for=': after the limit only until=TIME may follow"},
      {"until=2026-12-24T00:00:00Z unlimited",
       "'until=2026-12-24T00:00:00Z unlimited' has no '/': write it as in '250 messages / 15m "
       "burst 100', '500MB / 1d' or '300 recipients / message'"},
      {"5000 mails / 1d", "unknown unit 'mails': write messages, recipients, bytes, kB, MB or GB"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    CHECK(parse_override(key("user:alice mailbox"), row.text).error() == row.want);
  }
  CHECK(!parse_override(key("* *"), "").has_value());
}

TEST_CASE("a quota's name is short, plain and not the first word of another field") {
  for (const auto* name : {"mailbox", "php-script", "a", "0"}) CHECK(is_quota_name(name));
  for (const auto& name : {std::string(), std::string("Mailbox"), std::string("a b"), std::string("a_b"),
                           std::string("*"), std::string("held"), std::string(65, 'a')}) {
    CAPTURE(name);
    CHECK(!is_quota_name(name));
  }
}

TEST_CASE("an entry with an end holds until its end, and not at it") {
  const auto entry = must(parse_override(key("* *"), "unlimited until=2026-12-24T00:00:00Z"));
  CHECK(entry.holds_at(*entry.until - Milliseconds{1}));
  CHECK(!entry.holds_at(*entry.until));
}

}  // namespace
}  // namespace quota
