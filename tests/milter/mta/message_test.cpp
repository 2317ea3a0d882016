#include "milter/mta/message.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "milter/mta/negotiation.hpp"

using namespace milter::mta;
using namespace std::string_literals;

namespace {

Message from_login() {
  Message message;
  message.client_address = "192.0.2.1";
  message.auth_type = "PLAIN";
  message.auth_authen = "Alice@example.test";
  message.mail_from = "Alice@Example.test";
  message.recipients = {"B@Remote.test", "c@remote.test"};
  message.declared_size = 100;
  message.queue_id = "4Xy";
  return message;
}

Message from_script() {
  auto message = from_login();
  message.origin = Origin::local;
  message.mail_from = "www-data@example.test";
  return message;
}

}  // namespace

TEST_CASE("over SMTP a message comes as Postfix shows it") {
  const auto message = from_login();
  const auto mail = mail_event(message);
  CHECK(mail.data == "<Alice@Example.test>\0SIZE=100\0"s);
  CHECK(mail.macros == Macros{{"{auth_type}", "PLAIN"},
                              {"{auth_authen}", "Alice@example.test"},  // as the SASL library gives it
                              {"{mail_mailer}", "smtp"},
                              {"{mail_host}", "Example.test"},
                              {"{mail_addr}", "alice@example.test"}});  // folded, and without brackets
  const auto rcpt = rcpt_event(message, 0, 0);
  CHECK(rcpt.data == "<B@Remote.test>\0"s);
  CHECK(rcpt.macros ==
        Macros{{"{rcpt_mailer}", "smtp"}, {"{rcpt_host}", "Remote.test"}, {"{rcpt_addr}", "b@remote.test"}});
}

TEST_CASE("over SMTP the queue id is there once a recipient was accepted") {
  const auto message = from_login();
  const Macro queue_id{"i", "4Xy"};
  CHECK(rcpt_event(message, 1, 0).macros.front() != queue_id);
  CHECK(rcpt_event(message, 1, 1).macros.front() == queue_id);
  CHECK(bare_event(message, Command::data).macros == Macros{queue_id});
  CHECK(bare_event(message, Command::end_of_message).macros == Macros{queue_id});
}

TEST_CASE("each header and each piece of body is told with the queue id") {
  auto message = from_login();
  message.headers = {{"To", "a"}};
  message.body = "text";
  for (const auto& event : {header_event(message, 0), body_event(message, 0)}) CHECK(event.macros == Macros{{"i", "4Xy"}});
  Negotiated negotiated;
  negotiated.wanted[Stage::end_of_headers] = {};
  negotiated.wanted[Stage::end_of_message] = {"j"};
  CHECK(negotiated.macros_of(header_event(message, 0)).empty());
  CHECK(negotiated.macros_of(body_event(message, 0)) == Macros{{"j", "mail.example.test"}});
}

TEST_CASE("locally there is a queue id at once, no brackets, no login, no route and no port") {
  const auto message = from_script();
  const auto session = session_events(message);
  CHECK(session.at(0).data == "localhost\0004\0\000192.0.2.1\0"s);
  const auto mail = mail_event(message);
  CHECK(mail.data == "www-data@example.test\0"s);
  CHECK(mail.macros == Macros{{"i", "4Xy"}, {"{mail_addr}", "www-data@example.test"}});
  CHECK(rcpt_event(message, 0, 0).macros == Macros{{"i", "4Xy"}, {"{rcpt_addr}", "b@remote.test"}});
}

TEST_CASE("the null sender has brackets over SMTP and nothing at all locally") {
  auto message = from_login();
  message.mail_from.clear();
  message.declared_size.reset();
  CHECK(mail_event(message).data == "<>\0"s);
  CHECK(mail_event(message).macros.back() == Macro{"{mail_addr}", ""});
  message.origin = Origin::local;
  CHECK(mail_event(message).data == "\0"s);
}

TEST_CASE("a client's own AUTH parameter is passed on as argument and as auth_author") {
  Message message;
  message.mail_from = "evil@x.test";
  message.auth_parameter = "<admin@example.test>";
  const auto mail = mail_event(message);
  CHECK(mail.data == "<evil@x.test>\0AUTH=<admin@example.test>\0"s);
  CHECK(mail.macros.front() == Macro{"{auth_author}", "<admin@example.test>"});
}

TEST_CASE("the session opens with Postfix's default macros; the client's address only on request") {
  const auto session = session_events(from_login());
  CHECK(session.at(0).macros == Macros{{"j", "mail.example.test"},
                                       {"{daemon_name}", "mail.example.test"},
                                       {"{daemon_addr}", "127.0.0.1"},
                                       {"v", "Postfix 3.7.11"},
                                       {"_", "localhost [192.0.2.1]"}});
  CHECK(session.at(1).macros.empty());
  const Macro address{"{client_addr}", "192.0.2.1"};
  CHECK(std::ranges::find(session.at(0).on_request, address) != session.at(0).on_request.end());
}
