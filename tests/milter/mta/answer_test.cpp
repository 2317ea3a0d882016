#include "milter/mta/answer.hpp"

#include <doctest/doctest.h>

#include <vector>

using namespace milter::mta;
using namespace std::string_literals;

namespace {

Answer with_verdict(Verdict verdict) {
  Answer answer;
  answer.verdict = verdict;
  return answer;
}

/// The answer to `event` that `packets` make, if they do.
std::optional<Answer> read(Command event, const std::vector<Packet>& packets) {
  AnswerReader reader(event);
  for (const auto& packet : packets) {
    auto answer = reader.take(packet);
    if (!answer) return std::nullopt;
    if (*answer) return **answer;
  }
  return std::nullopt;
}

}  // namespace

TEST_CASE("one packet decides") {
  const struct {
    char code;
    Verdict want;
  } cases[] = {{'c', Verdict::proceed},  {'a', Verdict::accept},  {'r', Verdict::reject},
               {'t', Verdict::tempfail}, {'d', Verdict::discard}, {'4', Verdict::shutdown}};
  for (const auto& row : cases) {
    CAPTURE(row.code);
    CHECK(read(Command::mail, {{row.code, ""}}) == with_verdict(row.want));
    CHECK(read(Command::mail, {{row.code, "x"}}) == std::nullopt);  // with data that has no place there
    CHECK(read(Command::mail, {{'p', ""}, {'p', ""}, {row.code, ""}}) == with_verdict(row.want));
  }
}

TEST_CASE("what makes no sense after this event is an error") {
  const struct {
    Command event;
    Packet packet;
    bool good;
  } cases[] = {
      {Command::body, {'s', ""}, true},
      {Command::header, {'s', ""}, false},
      {Command::mail, {'q', "why\0"s}, false},
      {Command::mail, {'h', "a\0b\0"s}, false},
      {Command::end_of_message, {'O', ""}, false},
      {Command::end_of_message, {'\0', ""}, false},
      {Command::end_of_message, {'q', "no end"}, false},
      {Command::end_of_message, {'y', "450 4.7.1 no end"}, false},
      {Command::end_of_message, {'h', "name\0"s}, false},
      {Command::end_of_message, {'i', "\0\0\0"s}, false},
      {Command::end_of_message, {'m', "\0\0\0\1a\0b\0c"s}, false},
      {Command::end_of_message, {'+', "no end"}, false},
  };
  for (const auto& row : cases) {
    CAPTURE(row.packet.code);
    CHECK(AnswerReader(row.event).take(row.packet).has_value() == row.good);
  }
}

TEST_CASE("at end of message changes and a quarantine come before the verdict") {
  using Kind = Change::Kind;
  const auto answer = read(Command::end_of_message, {{'h', "A\0b\0"s},
                                                     {'i', "\0\0\0\0A\0b\0"s},
                                                     {'m', "\0\0\0\2A\0\0"s},
                                                     {'e', "<n@b>\0"s},
                                                     {'+', "<r@b>\0"s},
                                                     {'2', "<r@b>\0NOTIFY=NEVER\0"s},
                                                     {'-', "<r@b>\0"s},
                                                     {'b', "x\0y"s},
                                                     {'q', "over quota\0"s},
                                                     {'a', ""}});
  REQUIRE(answer.has_value());
  CHECK(answer->verdict == Verdict::accept);
  CHECK(answer->quarantine == "over quota");
  CHECK(answer->changes == std::vector<Change>{{Kind::add_header, 0, "A", "b"},
                                               {Kind::insert_header, 0, "A", "b"},
                                               {Kind::change_header, 2, "A", ""},
                                               {Kind::change_sender, 0, "<n@b>", ""},
                                               {Kind::add_recipient, 0, "<r@b>", ""},
                                               {Kind::add_recipient_with_arguments, 0, "<r@b>", "NOTIFY=NEVER"},
                                               {Kind::remove_recipient, 0, "<r@b>", ""},
                                               {Kind::replace_body, 0, "", "x\0y"s}});
}

TEST_CASE("a reply of too many bytes is an error, not a full memory") {
  AnswerReader reader(Command::end_of_message);
  const Packet piece{'b', std::string(max_packet - 1, 'x')};
  std::size_t taken = 0;
  while (taken <= max_answer && reader.take(piece).has_value()) taken += piece.data.size();
  CHECK(taken <= max_answer);
}

TEST_CASE("an SMTP reply is read as Postfix reads it") {
  const struct {
    std::string text;
    std::optional<SmtpReply> want;
  } cases[] = {
      {"450 4.7.1 over quota", SmtpReply{450, "4.7.1 over quota"}},
      {"450 no enhanced code", SmtpReply{450, "no enhanced code"}},
      {"550 ", SmtpReply{550, ""}},
      {"450 4.7.1 100%% of 5%", SmtpReply{450, "4.7.1 100% of 5"}},
      {"450 4.7.1 50% used", SmtpReply{450, "4.7.1 50 used"}},
      {"451-4.7.1 first\r\n451 4.7.1 second", SmtpReply{451, "4.7.1 first\n4.7.1 second"}},
      {"", std::nullopt},
      {"450", std::nullopt},
      {"250 2.0.0 fine", std::nullopt},
      {"4x0 4.7.1 no number", std::nullopt},
      {"550 4.7.1 two classes", std::nullopt},
      {"451-4.7.1 first\r\n550 5.7.1 second", std::nullopt},
      {"451-4.7.1 first\r\nsecond", std::nullopt},
  };
  for (const auto& row : cases) {
    CAPTURE(row.text);
    const auto got = parse_smtp_reply(row.text);
    CHECK(got.has_value() == row.want.has_value());
    if (got && row.want) CHECK(*got == *row.want);
  }
}

TEST_CASE("the client hears of refusals only") {
  CHECK(smtp_reply(with_verdict(Verdict::reject)) == SmtpReply{550, "5.7.1 Command rejected"});
  CHECK(smtp_reply(with_verdict(Verdict::tempfail)) == SmtpReply{451, "4.7.1 Service unavailable - try again later"});
  CHECK(smtp_reply(with_verdict(Verdict::shutdown))->code == 421);
  for (const auto verdict : {Verdict::proceed, Verdict::accept, Verdict::discard, Verdict::skip})
    CHECK(smtp_reply(with_verdict(verdict)) == std::nullopt);
}
