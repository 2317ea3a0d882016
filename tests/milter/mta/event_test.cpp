#include "milter/mta/event.hpp"

#include <doctest/doctest.h>

using namespace milter::mta;
using namespace std::string_literals;

TEST_CASE("each event carries its fields as the protocol wants them") {
  const struct {
    Event event;
    char code;
    std::string data;
  } cases[] = {
      {connect_event("h", client_address("192.0.2.1", 0x1234)), 'C',
       "h\0004\x12\x34"
       "192.0.2.1\0"s},
      {connect_event("h", client_address("2001:db8::1", 1)), 'C',
       "h\0006\0\1"
       "2001:db8::1\0"s},
      {connect_event("h", client_address("/run/s", 25)), 'C', "h\0L\0\0/run/s\0"s},
      {connect_event("h", client_address("", 25)), 'C', "h\0U"s},  // no address, no port
      {helo_event("me.test"), 'H', "me.test\0"s},
      {mail_event("<a@b.test>", {"SIZE=1", "BODY=8BITMIME"}), 'M', "<a@b.test>\0SIZE=1\0BODY=8BITMIME\0"s},
      {mail_event("", {}), 'M', "\0"s},  // Postfix's null sender in local mail
      {rcpt_event("<c@d.test>", {}), 'R', "<c@d.test>\0"s},
      {header_event({"To", "a,\n b"}), 'L', "To\0a,\n b\0"s},
      {body_event("x\0y"s), 'B', "x\0y"s},
      {unknown_event("FOO bar"), 'U', "FOO bar\0"s},
      {bare_event(Command::data), 'T', ""},
      {bare_event(Command::end_of_headers), 'N', ""},
      {bare_event(Command::end_of_message), 'E', ""},
  };
  for (const auto& row : cases) {
    CAPTURE(row.code);
    CHECK(static_cast<char>(row.event.command) == row.code);
    CHECK(row.event.data == row.data);
  }
}
