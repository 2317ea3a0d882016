#include "milter/mta/delivery.hpp"

#include <doctest/doctest.h>

#include <map>
#include <vector>

using namespace milter::mta;

namespace {

Message small_message() {
  Message message;
  message.mail_from = "a@b.test";
  message.recipients = {"one@x.test", "two@x.test"};
  message.headers = {{"Subject", "hello"}};
  message.body = "text\r\n";
  return message;
}

Answer with_verdict(Verdict verdict) {
  Answer answer;
  answer.verdict = verdict;
  return answer;
}

Answer with_reply(int code) {
  auto answer = with_verdict(Verdict::reply);
  answer.reply = {code, "text"};
  return answer;
}

struct Played {
  std::string commands;  // as codes, in the order in which they came
  Sent sent;
};

/// Plays `message`; the nth event (from 0) is answered as `answers` say, the others `proceed`.
Played play(const Message& message, const std::map<std::size_t, Answer>& answers) {
  Delivery delivery(message);
  Played played;
  while (const auto event = delivery.next()) {
    const auto answer = answers.find(played.commands.size());
    played.commands += static_cast<char>(event->command);
    delivery.answered(answer == answers.end() ? Answer{} : answer->second);
  }
  played.sent = delivery.sent();
  return played;
}

}  // namespace

TEST_CASE("a message that nobody stops goes through all its events") {
  auto message = small_message();
  CHECK(play(message, {}).commands == "MRRTLNBE");
  CHECK(play(message, {}).sent.fate == Fate::passed);
  message.body = std::string(max_body_chunk + 1, 'x');
  CHECK(play(message, {}).commands == "MRRTLNBBE");
  message.headers.clear();
  message.body.clear();
  CHECK(play(message, {}).commands == "MRRTNE");
}

TEST_CASE("the first verdict that ends the message is the last event") {
  const struct {
    std::size_t event;
    Answer answer;
    std::string commands;
    Command stage;
    Fate fate;
  } cases[] = {
      {0, with_verdict(Verdict::tempfail), "M", Command::mail, Fate::deferred},
      {0, with_verdict(Verdict::accept), "M", Command::mail, Fate::passed},
      {0, with_verdict(Verdict::discard), "M", Command::mail, Fate::discarded},
      {0, with_reply(451), "M", Command::mail, Fate::deferred},
      {0, with_reply(550), "M", Command::mail, Fate::rejected},
      {0, with_verdict(Verdict::shutdown), "M", Command::mail, Fate::deferred},
      {1, with_verdict(Verdict::accept), "MR", Command::rcpt, Fate::passed},
      {1, with_verdict(Verdict::discard), "MR", Command::rcpt, Fate::discarded},
      {1, with_reply(421), "MR", Command::rcpt, Fate::deferred},  // ends the client's connection
      {3, with_verdict(Verdict::reject), "MRRT", Command::data, Fate::rejected},
      {4, with_verdict(Verdict::tempfail), "MRRTL", Command::header, Fate::deferred},
      {5, with_verdict(Verdict::reject), "MRRTLN", Command::end_of_headers, Fate::rejected},
      {6, with_verdict(Verdict::discard), "MRRTLNB", Command::body, Fate::discarded},
      {7, with_reply(451), "MRRTLNBE", Command::end_of_message, Fate::deferred},
      {7, with_verdict(Verdict::accept), "MRRTLNBE", Command::end_of_message, Fate::passed},
  };
  for (const auto& row : cases) {
    CAPTURE(row.commands);
    const auto played = play(small_message(), {{row.event, row.answer}});
    CHECK(played.commands == row.commands);
    CHECK(played.sent.stage == row.stage);
    CHECK(played.sent.fate == row.fate);
    CHECK(played.sent.verdict == row.answer.verdict);
    CHECK(played.sent.reply == smtp_reply(row.answer));
  }
}

TEST_CASE("over SMTP a refused recipient does not stop the others") {
  const auto one = play(small_message(), {{1, with_reply(450)}});
  CHECK(one.commands == "MRRTLNBE");
  CHECK(one.sent.fate == Fate::passed);
  REQUIRE(one.sent.refused.size() == 1);
  CHECK(one.sent.refused[0].address == "one@x.test");
  CHECK(one.sent.refused[0].reply == SmtpReply{450, "text"});

  const auto all = play(small_message(), {{1, with_reply(450)}, {2, with_reply(550)}});
  CHECK(all.commands == "MRR");
  CHECK(all.sent.stage == Command::rcpt);
  CHECK(all.sent.fate == Fate::rejected);
  CHECK(all.sent.refused.size() == 2);
}

TEST_CASE("the queue id waits for a recipient that is accepted") {
  const auto message = small_message();
  Delivery delivery(message);
  delivery.answered({});
  delivery.answered(with_reply(450));
  CHECK(delivery.next()->macros.front().name != "i");
}

TEST_CASE("locally one refused recipient keeps the whole message in maildrop, whatever the code") {
  auto message = small_message();
  message.origin = Origin::local;
  const auto played = play(message, {{1, with_reply(550)}});
  CHECK(played.commands == "MR");
  CHECK(played.sent.fate == Fate::deferred);
}

TEST_CASE("skip ends the body, not the message") {
  auto message = small_message();
  message.body = std::string(3 * max_body_chunk, 'x');
  CHECK(play(message, {{6, with_verdict(Verdict::skip)}}).commands == "MRRTLNBE");
}

TEST_CASE("a quarantine holds the message unless the verdict ends it otherwise") {
  const struct {
    Verdict verdict;
    Fate fate;
  } cases[] = {{Verdict::proceed, Fate::held},
               {Verdict::accept, Fate::held},
               {Verdict::tempfail, Fate::deferred},
               {Verdict::discard, Fate::discarded}};
  for (const auto& row : cases) {
    CAPTURE(name_of(row.verdict));
    auto answer = with_verdict(row.verdict);
    answer.quarantine = "why";
    const auto sent = play(small_message(), {{7, answer}}).sent;
    CHECK(sent.fate == row.fate);
    CHECK(sent.quarantine.has_value() == (row.fate == Fate::held));
  }
}
