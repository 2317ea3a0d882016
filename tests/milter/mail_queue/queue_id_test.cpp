#include "milter/mail_queue/queue_id.hpp"

#include <doctest/doctest.h>

#include <vector>

using namespace milter::mail_queue;

TEST_CASE("a queue id is what Postfix and Sendmail write, and nothing that a program or a path could take for something else") {
  for (const auto* id : {"95EE8ADE042", "4jXGMZ02LLz1bY0d", "6ANEbMF4000104", "6ANEbMF40001041", "ABCDEF"}) {
    CAPTURE(id);
    CHECK(is_queue_id(id));
  }
  for (const std::string id : {"", "ALL", "-", "-d", "A", "ABCDE", "../../etc", "95EE8ADE042\n", "95EE8 DE042", "95EE8ADE042*", "!95EE8ADE042",
                               "95EE8ADE04\xc3\xa9", "deferred/A"}) {
    CAPTURE(id);
    CHECK_FALSE(is_queue_id(id));
  }
  CHECK(is_queue_id(std::string(40, 'A')));
  CHECK_FALSE(is_queue_id(std::string(41, 'A')));
  CHECK_FALSE(is_queue_id(std::string("95EE8A\0E042", 11)));
}

TEST_CASE("the first id that is none is named, and cannot forge a line") {
  const std::vector<std::string> good{"95EE8ADE042", "4jXGMZ02LLz1bY0d"}, bad{"95EE8ADE042", "x\nroot: done", "also bad"};
  CHECK(check_queue_ids(good).has_value());
  CHECK(check_queue_ids({}).has_value());
  CHECK(check_queue_ids(bad).error() == "\"x?root: done\" is no queue id; write it as the mail log does: letters and digits");
  CHECK(printable(std::string(500, 'x') + "\033[2J").size() == 200);
}
