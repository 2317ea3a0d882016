#include "quota/message_name.hpp"

#include <doctest/doctest.h>

using namespace quota;

TEST_CASE("the mark of a Message-ID is the same however it is typed") {
  CHECK(message_mark("abc@x") == "t0kSp9lC");  // printf abc@x | openssl dgst -sha256 -binary | head -c 6 | base64
  for (const auto* same : {"<abc@x>", " <abc@x>", "abc@x ", "(comment) <abc@x> more", "< abc@x>", "abc@x>"}) {
    CAPTURE(same);
    CHECK(message_mark(same) == "t0kSp9lC");
  }
  for (const auto* other : {"ABC@x", "abc@x.", "<<abc@x>>"}) {
    CAPTURE(other);
    CHECK(message_mark(other) != "t0kSp9lC");
  }
  for (const auto* none : {"", " ", "<>", "< >", "<"}) {
    CAPTURE(none);
    CHECK(message_mark(none) == "");
  }
  CHECK(message_mark("<" + std::string(899, 'a') + "b>") != message_mark("<" + std::string(900, 'a') + ">"));
  CHECK(message_mark("<" + std::string(900, 'a') + "cut off") == message_mark("<" + std::string(900, 'a') + ">"));
}

TEST_CASE("a name is that of a message by its queue id, its client, its Message-ID, or a header") {
  const PastMessage message{.queue_id = "4Xy1Tz0abcz1", .client = "192.0.2.7", .mark = message_mark("abc@x"), .subject = "abc",
                            .headers = {{"user-agent", "Tool 7"}}};
  const std::pair<const char*, bool> table[] = {
      {"4Xy1Tz0abcz1", true}, {"4Xy1Tz0", false}, {"192.0.2.7", true}, {"192.0.2.", false}, {"<abc@x>", true}, {"abc@x", true}, {"abc@y", false},
      {"t0kSp9lC", false}, {"ool", true}, {"abc", false},
      {"<20251122174406.4Xy1Tz0abcz1@mx1.example.com>", true},  // Postfix made it
      {"202511221744.4Xy1Tz0abcz1@mx1.example.com", true},      // Sendmail
      {"<2025.4Xy1Tz0abcz1@mx1.example.com>", false}, {"<2025112217440x.4Xy1Tz0abcz1@mx1.example.com>", false}, {"<20251122174406.4Xy1Tz0@mx1.example.com>", false},
      {"<20251122174406.@mx1.example.com>", false}, {"20251122174406@4Xy1Tz0abcz1.example", false}};
  for (const auto& [typed, fits] : table) {
    const std::string text(typed);
    CAPTURE(text);
    const MessageName name(text);
    CHECK(name.fits(message) == fits);
    const auto line = format(message, "");
    const bool has_a_text = std::any_of(name.texts().begin(), name.texts().end(), [&](const auto& one) { return line.find(one) != std::string::npos; });
    CHECK((!fits || has_a_text));
  }
}

TEST_CASE("a name is understood as it is copied: with blanks, a log's colon, an address in any spelling") {
  const PastMessage message{.queue_id = "4QQ00399", .client = "2001:db8:1:2::5", .mark = message_mark("abc@x")};
  for (const auto* const text : {"4QQ00399:", " 4QQ00399 ", "4QQ00399: ", "\t4QQ00399,", "2001:DB8:1:2:0:0:0:5", "2001:db8:1:2::5", " 2001:db8:1:2::5: ", " <abc@x>, "}) {
    CAPTURE(text);
    CHECK(MessageName(text).fits(message));
  }
  for (const auto* const text : {":", " ", "4QQ0039:", "2001:db8:1:2::", "::"}) {
    CAPTURE(text);
    CHECK_FALSE(MessageName(text).fits(message));
  }
  CHECK(MessageName("2001:db8::").fits(PastMessage{.client = "2001:db8::"}));
}

TEST_CASE("a message without a Message-ID is not found by a name that has no mark") {
  CHECK_FALSE(MessageName("<>").fits(PastMessage{.queue_id = "4Xy1Tz0abcz1"}));
  CHECK_FALSE(MessageName("<>").fits(PastMessage{}));
}
