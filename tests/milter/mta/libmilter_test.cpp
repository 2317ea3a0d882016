// The client against the real libmilter: every event with every answer, and whole messages.
#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "milter/mta/client.hpp"
#include "milter/mta/delivery.hpp"
#include "tests/milter/mta/echo_filter_process.hpp"

using namespace milter::mta;
using namespace std::chrono_literals;

namespace {

constexpr unsigned long no_body = 0x10, no_data = 0x200;
constexpr unsigned long no_reply_to_header = 0x80, no_reply_at_all = 0xff080;

const char* const stages[] = {"connect", "helo", "unknown", "mail", "rcpt", "data", "header", "eoh", "body", "eom"};

struct WantedAnswer {
  const char* word;
  Verdict verdict;
  SmtpReply reply = {};
};

const WantedAnswer answers[] = {
    {"continue", Verdict::proceed},
    {"accept", Verdict::accept},
    {"reject", Verdict::reject},
    {"tempfail", Verdict::tempfail},
    {"discard", Verdict::discard},
    {"r450", Verdict::reply, {450, "4.7.1 100% of the quota"}},
    {"r550", Verdict::reply, {550, "5.7.1 never"}},
    {"lines", Verdict::reply, {451, "4.7.1 first\n4.7.1 second"}},
};

Client connected_to(const EchoFilterProcess& filter) {
  auto client = Client::open(filter.address());
  REQUIRE_MESSAGE(client.has_value(), client.error().what);
  return *std::move(client);
}

/// Plays a session up to `stage`, at which the filter is told to answer `word`.
Client::Answered answer_at(Client& client, const std::string& stage, const std::string& word) {
  const auto plan = stage + "=" + word;
  const auto text_at = [&](const std::string& here) { return here == stage ? plan : "x"; };
  const std::vector<Header> headers = {{"Subject", "hello"}};
  const std::pair<std::string, std::function<Client::Answered()>> steps[] = {
      {"connect", [&] { return client.connect(text_at("connect"), client_address("192.0.2.1", 1)); }},
      {"helo", [&] { return client.helo(text_at("helo")); }},
      {"unknown", [&] { return client.unknown(text_at("unknown")); }},
      {"mail", [&] { return client.mail("<" + plan + "@b.test>"); }},
      {"rcpt", [&] { return client.rcpt("<r@b.test>"); }},
      {"data", [&] { return client.data(); }},
      {"header", [&] { return client.headers(headers); }},
      {"eoh", [&] { return client.eoh(); }},
      {"body", [&] { return client.body("text\r\n"); }},
      {"eom", [&] { return client.end_of_message(); }},
  };
  for (const auto& [name, play] : steps) {
    if (name == stage && word == "hang") client.set_step_timeout(50ms);  // only this step will not end
    auto answer = play();
    if (name == stage || !answer || answer->verdict != Verdict::proceed) return answer;
  }
  return Answer{};
}

Message small_message(const std::string& sender) {
  Message message;
  message.auth_type = "PLAIN";
  message.auth_authen = "alice@example.test";
  message.mail_from = sender;
  message.recipients = {"one@x.test", "two@x.test"};
  message.queue_id = "4Xy";
  message.headers = {{"Subject", "hello"}, {"X-Folded", "a\n\tb"}};
  message.body = "text\r\n";
  return message;
}

bool has(const std::string& line, const std::string& word) { return (line + " ").find(" " + word + " ") != line.npos; }

}  // namespace

TEST_CASE("every event brings back every answer") {
  const EchoFilterProcess filter;
  for (const char* stage : stages) {
    for (const auto& want : answers) {
      CAPTURE(stage);
      CAPTURE(want.word);
      auto client = connected_to(filter);
      const auto got = answer_at(client, stage, want.word);
      REQUIRE_MESSAGE(got.has_value(), got.error().what);
      CHECK(got->verdict == want.verdict);
      CHECK(got->reply == want.reply);
      CHECK_FALSE(got->quarantine);
    }
  }
}

TEST_CASE("a filter that dies or hangs is an error at every event") {
  for (const char* stage : stages) {
    CAPTURE(stage);
    const EchoFilterProcess filter;
    auto hanging = connected_to(filter);
    const auto late = answer_at(hanging, stage, "hang");
    REQUIRE(late.has_error());
    CHECK(late.error().kind == ClientError::Kind::timed_out);
    auto dying = connected_to(filter);
    const auto lost = answer_at(dying, stage, "die");
    REQUIRE(lost.has_error());
    CHECK(lost.error().kind == ClientError::Kind::closed);
  }
}

TEST_CASE("end of message brings a quarantine, changes and progress before its verdict") {
  const EchoFilterProcess filter;
  const struct {
    const char* word;
    Verdict verdict;
    bool quarantined;
    std::size_t changes;
  } cases[] = {
      {"quarantine", Verdict::proceed, true, 0},
      {"quarantineaccept", Verdict::accept, true, 0},
      {"quarantinetempfail", Verdict::tempfail, true, 0},
      {"progress", Verdict::proceed, false, 0},
      {"change", Verdict::proceed, false, 8},
  };
  for (const auto& row : cases) {
    CAPTURE(row.word);
    auto client = connected_to(filter);
    const auto answer = answer_at(client, "eom", row.word);
    REQUIRE_MESSAGE(answer.has_value(), answer.error().what);
    CHECK(answer->verdict == row.verdict);
    CHECK(answer->quarantine.has_value() == row.quarantined);
    if (row.quarantined) CHECK(*answer->quarantine == "quota reached: 100% of 3");
    CHECK(answer->changes.size() == row.changes);
  }
}

TEST_CASE("a filter sees an SMTP message as Postfix would show it") {
  EchoFilterProcess filter;
  auto client = connected_to(filter);
  const auto sent = send_message(client, small_message("Alice@Example.test"));
  REQUIRE_MESSAGE(sent.has_value(), sent.error().what);
  CHECK(sent->fate == Fate::passed);
  CHECK(sent->stage == Command::end_of_message);
  REQUIRE(client.quit().has_value());

  const auto lines = filter.lines_until("close");
  const std::vector<std::string> beginnings = {
      "connect localhost |", "helo localhost |", "mail <Alice@Example.test> |", "rcpt <one@x.test> |",
      "rcpt <two@x.test> |", "data  |",          "header Subject[hello] |",     "header X-Folded[a"};
  for (std::size_t i = 0; i < beginnings.size(); ++i) CHECK(lines.at(i).starts_with(beginnings[i]));
  CHECK(has(lines[0], "j=mail.example.test"));
  CHECK(has(lines[2], "{auth_authen}=alice@example.test"));
  CHECK(has(lines[2], "{mail_addr}=alice@example.test"));
  CHECK_FALSE(has(lines[2], "i=4Xy"));
  CHECK_FALSE(has(lines[3], "i=4Xy"));
  CHECK(has(lines[4], "i=4Xy"));
  CHECK(has(lines[5], "i=4Xy"));
  CHECK_FALSE(has(lines[5], "{client_addr}=127.0.0.1"));
  const std::vector<std::string> rest(lines.begin() + 9, lines.end());  // the folded header is two lines
  REQUIRE(rest.size() == 4);
  CHECK(rest[0].starts_with("eoh"));
  CHECK(rest[1].starts_with("body 6"));
  CHECK(rest[2].starts_with("eom"));
  CHECK(rest[3] == "close");
}

TEST_CASE("a filter sees a local message as Postfix's cleanup would show it") {
  EchoFilterProcess filter;
  auto client = connected_to(filter);
  auto message = small_message("www-data@example.test");
  message.origin = Origin::local;
  REQUIRE(send_message(client, message).has_value());
  const auto mail = filter.lines_until("mail").back();
  CHECK(mail.starts_with("mail www-data@example.test |"));
  CHECK(has(mail, "i=4Xy"));
  CHECK(mail.find("{auth_authen}") == std::string::npos);
}

TEST_CASE("a connection carries many messages, and each has only what is its own") {
  EchoFilterProcess filter;
  auto client = connected_to(filter);
  const struct {
    const char* sender;
    Fate fate;
    Command stage;
  } cases[] = {
      {"plain@b.test", Fate::passed, Command::end_of_message},
      {"mail=r450@b.test", Fate::deferred, Command::mail},
      {"rcpt=reject@b.test", Fate::rejected, Command::rcpt},
      {"data=tempfail@b.test", Fate::deferred, Command::data},
      {"header=discard@b.test", Fate::discarded, Command::header},
      {"body=skip@b.test", Fate::passed, Command::end_of_message},
      {"eom=quarantine@b.test", Fate::held, Command::end_of_message},
      {"mail=accept@b.test", Fate::passed, Command::mail},
      {"plain@b.test", Fate::passed, Command::end_of_message},
  };
  for (const auto& row : cases) {
    CAPTURE(row.sender);
    const auto sent = send_message(client, small_message(row.sender));
    REQUIRE_MESSAGE(sent.has_value(), sent.error().what);
    CHECK(sent->fate == row.fate);
    CHECK(sent->stage == row.stage);
    CHECK(sent->quarantine.has_value() == (row.fate == Fate::held));
    CHECK_FALSE(has(filter.lines_until("mail").back(), "i=4Xy"));
  }
}

TEST_CASE("a recipient alone may be refused") {
  const EchoFilterProcess filter;
  auto client = connected_to(filter);
  auto message = small_message("plain@b.test");
  message.recipients = {"rcpt=r450@x.test", "good@x.test"};
  const auto sent = send_message(client, message);
  REQUIRE(sent.has_value());
  CHECK(sent->fate == Fate::passed);
  REQUIRE(sent->refused.size() == 1);
  CHECK(sent->refused[0].reply == SmtpReply{450, "4.7.1 100% of the quota"});
}

TEST_CASE("a session that is refused refuses all its messages") {
  const EchoFilterProcess filter;
  for (const auto& [stage, command] : {std::pair{"connect", Command::connect}, std::pair{"helo", Command::helo}}) {
    auto client = connected_to(filter);
    auto message = small_message("plain@b.test");
    (command == Command::connect ? message.client_host : message.helo) = std::string(stage) + "=r550";
    for (int i = 0; i < 2; ++i) {
      const auto sent = send_message(client, message);
      REQUIRE(sent.has_value());
      CHECK(sent->stage == command);
      CHECK(sent->fate == Fate::rejected);
    }
  }
}

TEST_CASE("after an end of message the connection may serve a new session") {
  EchoFilterProcess filter;
  auto client = connected_to(filter);
  for (int i = 0; i < 2; ++i) {
    CHECK_FALSE(client.session_answer());
    const auto answer = answer_at(client, "eom", "continue");
    REQUIRE_MESSAGE(answer.has_value(), answer.error().what);
    CHECK(answer->verdict == Verdict::proceed);
    REQUIRE(client.quit_for_new_connection().has_value());
    filter.lines_until("close");
  }
}

TEST_CASE("421 ends the connection") {
  EchoFilterProcess filter;
  auto client = connected_to(filter);
  const auto sent = send_message(client, small_message("rcpt=r421@b.test"));
  REQUIRE(sent.has_value());
  CHECK(sent->fate == Fate::deferred);
  CHECK(sent->reply == SmtpReply{421, "4.7.0 go away"});
  filter.lines_until("close");
  CHECK(send_message(client, small_message("plain@b.test")).error().kind == ClientError::Kind::closed);
}

TEST_CASE("abort reaches the filter at once") {
  EchoFilterProcess filter;
  auto client = connected_to(filter);
  REQUIRE(answer_at(client, "rcpt", "continue").has_value());
  REQUIRE(client.abort().has_value());
  CHECK(filter.lines_until("abort").back() == "abort");
}

TEST_CASE("events that the filter switched off are not sent, replies that it will not give are not awaited") {
  const struct {
    unsigned long steps;
    std::vector<std::string> missing;
  } cases[] = {
      {no_body, {"body"}},
      {no_data | no_body, {"data", "body"}},
      {0x37f, {"connect", "helo", "mail", "rcpt", "data", "header", "eoh", "body"}},
      {no_reply_to_header, {}},
      {no_reply_at_all, {}},
      {no_reply_at_all | no_body, {"body"}},
  };
  for (const auto& row : cases) {
    CAPTURE(row.steps);
    EchoFilterProcess filter(row.steps);
    auto client = connected_to(filter);
    CHECK(client.negotiated().steps == row.steps);
    for (int i = 0; i < 2; ++i) {
      const auto sent = send_message(client, small_message("eom=quarantine@b.test"));
      REQUIRE_MESSAGE(sent.has_value(), sent.error().what);
      // With no MAIL event the filter never hears the plan.
      CHECK(sent->fate == (row.missing.size() == 8 ? Fate::passed : Fate::held));
    }
    const auto lines = filter.lines_until("eom");
    for (const auto& stage : {"connect", "helo", "mail", "rcpt", "data", "header", "eoh", "body"}) {
      CAPTURE(stage);
      const auto seen = std::ranges::any_of(lines, [&](const auto& line) { return line.starts_with(stage); });
      const auto wanted = std::ranges::find(row.missing, stage) == row.missing.end();
      CHECK(seen == wanted);
    }
  }
}

TEST_CASE("a long body comes in chunks, and no more of it after skip") {
  EchoFilterProcess filter;
  auto client = connected_to(filter);
  auto message = small_message("plain@b.test");
  message.body = std::string(2 * max_body_chunk + 1, 'x');
  REQUIRE(send_message(client, message).has_value());
  CHECK(filter.lines_until("body").back().starts_with("body 65535 "));
  CHECK(filter.lines_until("body").back().starts_with("body 65535 "));
  CHECK(filter.lines_until("body").back().starts_with("body 1 "));

  REQUIRE(client.mail("<body=skip@b.test>").has_value());
  REQUIRE(client.rcpt("<r@b.test>").has_value());
  const auto skipped = client.body(message.body);
  REQUIRE_MESSAGE(skipped.has_value(), skipped.error().what);
  CHECK(skipped->verdict == Verdict::skip);
  CHECK(client.body("more")->verdict == Verdict::proceed);
  REQUIRE(client.end_of_message().has_value());
  filter.lines_until("body");
  CHECK(filter.line().starts_with("eom"));
}

TEST_CASE("a filter that lists macros gets these and no others at that stage") {
  EchoFilterProcess filter(0, {"2={client_addr} {auth_authen} {made_up}", "5={client_port}"});
  auto client = connected_to(filter);
  REQUIRE(send_message(client, small_message("plain@b.test")).has_value());
  const auto mail = filter.lines_until("mail").back();
  CHECK(has(mail, "{client_addr}=127.0.0.1"));
  CHECK(has(mail, "{auth_authen}=alice@example.test"));
  CHECK(mail.find("{auth_type}") == std::string::npos);
  CHECK(mail.find("{made_up}") == std::string::npos);
  CHECK(has(filter.lines_until("eom").back(), "{client_port}=40000"));
}
