#include "milter/undoing.hpp"

#include <doctest/doctest.h>

using milter::commands_about_mail;
using Commands = std::vector<std::string>;

TEST_CASE("what one sender did to the queues is undone by commands that fit what is known") {
  CHECK(commands_about_mail({"user:a@b.test", true, true}) ==
        Commands{"sendquota queue --of 'user:a@b.test' --delete --with-bounces --all-hosts", "sendquota held 'user:a@b.test' --delete --all-hosts"});
  CHECK(commands_about_mail({"script:mx1/1000:x.php", true, false}) == Commands{"sendquota held 'script:mx1/1000:x.php' --delete --all-hosts"});
  CHECK(commands_about_mail({"user:a@b.test", false, false}).empty());
}

TEST_CASE("nothing is offered that removes the mail of many") {
  for (const auto* const many : {"user_domain:b.test", "sender_domain:b.test", "account:acme", "everyone:all", "client:local/mx1", "nobody"}) {
    CAPTURE(std::string(many));
    CHECK(commands_about_mail({many, true, true}).empty());
  }
  for (const auto* const one : {"uid:mx1/1000", "sender:a@b.test", "client:192.0.2.1"}) CHECK(commands_about_mail({one, true, true}).size() == 2);
}
