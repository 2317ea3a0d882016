#include "tests/bench/conversation.hpp"

#include <algorithm>
#include <cassert>

#include "milter/mta/delivery.hpp"

namespace bench {

namespace mta = milter::mta;

namespace {

constexpr std::string_view placeholder = "s0000000@";

mta::Message message_of(std::size_t headers, std::size_t recipients) {
  static const std::vector<mta::Header> usual = {{"From", "Somebody <somebody@bench.test>"},
                                                 {"To", "recipient0@remote.test"},
                                                 {"Subject", "A message that is never sent"},
                                                 {"Message-Id", "<20261122.4Xy1Tz0abcz1@mail.example.test>"},
                                                 {"Date", "Sun, 22 Nov 2026 12:00:00 +0000"},
                                                 {"MIME-Version", "1.0"},
                                                 {"Content-Type", "text/plain; charset=utf-8"},
                                                 {"Received", "from client.test (client.test [192.0.2.1])\n\tby mail.example.test (Postfix)"}};
  mta::Message message;
  message.client_host = "client.test";
  message.client_address = "192.0.2.1";
  message.auth_type = "PLAIN";
  message.auth_authen = login(0);
  message.mail_from = login(0);
  message.declared_size = 1234;
  for (std::size_t i = 0; i < recipients; ++i) message.recipients.push_back("recipient" + std::to_string(i) + "@remote.test");
  for (std::size_t i = 0; i < headers; ++i) message.headers.push_back(usual[i % usual.size()]);
  message.body = "A message that is never sent.\r\n";
  return message;
}

void find_numbers(Turn& turn) {
  for (auto at = turn.bytes.find(placeholder); at != std::string::npos; at = turn.bytes.find(placeholder, at + 1))
    turn.numbers.push_back(at + 1);
}

}  // namespace

std::string login(std::uint64_t sender) {
  const auto number = std::to_string(sender);
  return "s" + std::string(digits - std::min(digits, number.size()), '0') + number + "@bench.test";
}

void address(Turn& turn, std::uint64_t sender) {
  std::array<char, digits> text;
  for (auto place = text.rbegin(); place != text.rend(); ++place, sender /= 10) *place = static_cast<char>('0' + sender % 10);
  for (const auto at : turn.numbers) std::ranges::copy(text, turn.bytes.begin() + static_cast<std::ptrdiff_t>(at));
}

std::vector<Turn> session_turns(const mta::Negotiated& negotiated) {
  const auto message = message_of(1, 1);
  std::vector<Turn> turns(1);
  for (const auto& event : mta::session_events(message)) {
    negotiated.append(turns.back().bytes, event);
    if (negotiated.awaits_answer(event.command)) turns.emplace_back();
  }
  return turns;
}

std::vector<Turn> message_turns(const mta::Negotiated& negotiated, std::size_t headers, std::size_t recipients) {
  const auto message = message_of(headers, recipients);
  std::vector<Turn> turns(1);
  mta::Delivery delivery(message);
  while (const auto event = delivery.next()) {
    negotiated.append(turns.back().bytes, *event);
    turns.back().is_end_of_message = event->command == mta::Command::end_of_message;
    if (negotiated.awaits_answer(event->command)) turns.emplace_back();
    delivery.answered({});
  }
  turns.pop_back();  // an end of message is always answered
  for (auto& turn : turns) find_numbers(turn);
  return turns;
}

Turn policy_turn() {
  const auto sender = login(0);
  Turn turn{.bytes = "request=smtpd_access_policy\nprotocol_state=RCPT\nprotocol_name=ESMTP\nclient_address=192.0.2.1\nclient_name=client.test\n"
                     "client_port=40000\nreverse_client_name=client.test\nserver_address=127.0.0.1\nserver_port=587\nhelo_name=localhost\nsender=" +
                     sender + "\nrecipient=recipient0@remote.test\nrecipient_count=0\nqueue_id=4Xy1Tz0abcz1\ninstance=1.2.3\nsize=1234\n"
                              "etrn_domain=\nstress=\nsasl_method=PLAIN\nsasl_username=" + sender + "\nsasl_sender=\nccert_subject=\n\n",
            .numbers = {},
            .is_end_of_message = true};
  find_numbers(turn);
  return turn;
}

}  // namespace bench
