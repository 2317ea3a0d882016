#include "milter/mta/negotiation.hpp"

#include <doctest/doctest.h>

using namespace milter::mta;
using namespace std::string_literals;

namespace {

std::string numbers(std::initializer_list<std::uint32_t> list) {
  std::string bytes;
  for (const auto number : list) append_u32(bytes, number);
  return bytes;
}

Negotiated with_steps(std::uint32_t steps) {
  Negotiated negotiated;
  negotiated.steps = steps;
  return negotiated;
}

std::string bytes_of(const Negotiated& negotiated, const Event& event) {
  std::string bytes;
  negotiated.append(bytes, event);
  return bytes;
}

}  // namespace

TEST_CASE("the offer is version, actions and steps") {
  CHECK(offer_packet({}) == "\0\0\0\x0dO\0\0\0\6\0\0\1\xff\0\x1f\xff\xff"s);
}

TEST_CASE("a milter may take less than was offered, and ask for macros") {
  const Packet reply{'O', numbers({6, 0x21, 0x82}) + numbers({2}) + "i {auth_authen}\0"s + numbers({5}) + "\0"s};
  const auto negotiated = read_negotiation({}, reply);
  REQUIRE(negotiated.has_value());
  CHECK(negotiated->version == 6);
  CHECK(negotiated->actions == 0x21);
  CHECK(negotiated->steps == 0x82);
  CHECK(negotiated->wanted.at(Stage::mail) == std::vector<std::string>{"i", "{auth_authen}"});
  CHECK(negotiated->wanted.at(Stage::end_of_message).empty());
}

TEST_CASE("a negotiation that cannot be meant is an error") {
  const struct {
    const char* why;
    Packet reply;
  } cases[] = {
      {"not a negotiation", {'c', ""}},
      {"empty", {'O', ""}},
      {"cut short", {'O', numbers({6, 0})}},
      {"an older protocol than there is", {'O', numbers({1, 0, 0})}},
      {"newer than offered", {'O', numbers({7, 0, 0})}},
      {"an action that was not offered", {'O', numbers({6, 0x200, 0})}},
      {"a step that was not offered", {'O', numbers({6, 0, 0x200000})}},
      {"a macro list without its end", {'O', numbers({6, 0, 0, 2}) + "i"}},
      {"a macro list without names", {'O', numbers({6, 0, 0, 2})}},
      {"half a stage", {'O', numbers({6, 0, 0}) + "\0\0"s}},
      {"an unknown stage", {'O', numbers({6, 0, 0, 7}) + "i\0"s}},
  };
  for (const auto& row : cases) {
    CAPTURE(row.why);
    CHECK(read_negotiation({}, row.reply).has_error());
  }
}

TEST_CASE("each step bit switches off one event or one reply, and nothing else") {
  const struct {
    Command command;
    std::uint32_t not_sent, not_answered;
  } cases[] = {
      {Command::connect, 0x1, 0x1000},    {Command::helo, 0x2, 0x2000},
      {Command::mail, 0x4, 0x4000},       {Command::rcpt, 0x8, 0x8000},
      {Command::body, 0x10, 0x80000},     {Command::header, 0x20, 0x80},
      {Command::data, 0x200, 0x10000},    {Command::end_of_headers, 0x40, 0x40000},
      {Command::unknown, 0x100, 0x20000},
  };
  for (const auto& row : cases) {
    CAPTURE(name_of(row.command));
    CHECK_FALSE(with_steps(row.not_sent).sends(row.command));
    CHECK_FALSE(with_steps(row.not_sent).awaits_answer(row.command));
    CHECK(with_steps(row.not_answered).sends(row.command));
    CHECK_FALSE(with_steps(row.not_answered).awaits_answer(row.command));
    const auto others = with_steps(0x1fffff & ~(row.not_sent | row.not_answered));
    CHECK(others.sends(row.command));
    CHECK(others.awaits_answer(row.command));
  }
}

TEST_CASE("end of message is always sent and answered, abort and quit are always sent and never answered") {
  const auto silent = with_steps(0x1fffff);
  CHECK(silent.sends(Command::end_of_message));
  CHECK(silent.awaits_answer(Command::end_of_message));
  for (const auto command : {Command::abort, Command::quit, Command::quit_for_new_connection}) {
    CHECK(silent.sends(command));
    CHECK_FALSE(with_steps(0).awaits_answer(command));
  }
}

TEST_CASE("macros come before their command, and even without it") {
  auto event = helo_event("x");
  event.macros = {{"i", "Q1"}, {"{a}", ""}};
  CHECK(bytes_of(with_steps(0), event) ==
        "\0\0\0\x0c"
        "DHi\0Q1\0{a}\0\0\0\0\0\3Hx\0"s);
  CHECK(bytes_of(with_steps(0x2), event) ==
        "\0\0\0\x0c"
        "DHi\0Q1\0{a}\0\0"s);
  event.macros.clear();
  CHECK(bytes_of(with_steps(0), event) == "\0\0\0\3Hx\0"s);
}

TEST_CASE("a milter that lists macros gets these, in its order, from all that is known") {
  auto event = mail_event("<a@b>", {});
  event.macros = {{"i", "Q1"}, {"{auth_type}", "PLAIN"}};
  event.on_request = {{"j", "mta"}, {"{client_addr}", "192.0.2.1"}};
  Negotiated negotiated;
  CHECK(negotiated.macros_of(event) == event.macros);
  negotiated.wanted[Stage::rcpt] = {"j"};
  CHECK(negotiated.macros_of(event) == event.macros);  // another stage's list
  negotiated.wanted[Stage::mail] = {"client_addr", "{i}", "{nrcpts}"};
  CHECK(negotiated.macros_of(event) == Macros{{"{client_addr}", "192.0.2.1"}, {"i", "Q1"}});
  negotiated.wanted[Stage::mail] = {};
  CHECK(negotiated.macros_of(event).empty());
}

TEST_CASE("a milter that wants the header's space gets it back") {
  CHECK(bytes_of(with_steps(0), header_event({"A", "b"})) == "\0\0\0\5LA\0b\0"s);
  CHECK(bytes_of(with_steps(0x100000), header_event({"A", "b"})) == "\0\0\0\6LA\0 b\0"s);
}
