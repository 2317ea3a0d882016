#include <doctest/doctest.h>

#include "milter/cli/render.hpp"
#include "tests/milter/cli/example_view.hpp"

using namespace milter::cli;

namespace {

std::string rendered(Render render, const std::string& json) { return render(boost::json::parse(json).as_object(), test::view); }

const std::string order = R"({"order":"7ea041457a136277","identity":"user:alice@example.com","fate":"held","act":"delete","at":"2026-11-22T13:58:00Z","by":"root",
  "over":false,"hosts":[
  {"host":"mx1.example.com","state":"done","counts":{"total":12,"done":10,"gone":1,"skipped":1,"bounces":2},"error":null,
   "skips":["4Xy1: its sender is <bob@example.com>\u001b[2J"]},
  {"host":"mx2.example.com","state":"running","counts":{"total":4,"done":1,"gone":0,"skipped":0,"bounces":0},"error":"postsuper: is away","skips":[]},
  {"host":"mx3.example.com","state":"waiting","counts":{},"error":null,"skips":[]}]})";

}  // namespace

TEST_CASE("held mail is listed by sender and host") {
  CHECK(rendered(render_held, R"({"held":[]})") == "No mail is known to be held.\n");
  CHECK(rendered(render_held, R"({"held":[{"identity":"user:alice@example.com","host":"mx1.example.com","count":12,"oldest":"2026-11-22T11:00:00Z"}]})") ==
        "IDENTITY                HOST             HELD  OLDEST\n"
        "user:alice@example.com  mx1.example.com  12    11:00 (3h ago)\n"
        "Held mail is listed under its login or script, and under whom it was held for.\n");
}

TEST_CASE("an order tells of each host, what was skipped, and who has not answered") {
  const auto text = rendered(render_order, order);
  CHECK(text.starts_with("delete mail of user:alice@example.com\n"));
  for (const auto* const part : {"mx1.example.com  done     12  10    1     1        2", "mx2.example.com  running  4   1     0     0        0", "postsuper:", "mx3.example.com  waiting",
                                 "Not ended yet on mx2.example.com, mx3.example.com.", "sendquota held 'user:alice@example.com'"}) {
    CAPTURE(std::string(part));
    CHECK(text.find(part) != std::string::npos);
  }
  CHECK(text.find('\x1b') == std::string::npos);
  CHECK(rendered(render_order, R"({"identity":"user:a","act":"send","dry_run":true,"over":true,"hosts":[]})").starts_with("Nothing was done: it is what would be.\nsend mail of user:a\n"));
}

TEST_CASE("an order that a host has not ended is a sentence of a report; one that is over is none") {
  CHECK(rendered(render_waiting_order, order) ==
        "The order of 13:58 by root to delete held mail of user:alice@example.com has not\n"
        "  ended on mx2.example.com, mx3.example.com.\n");
  CHECK(rendered(render_waiting_order, R"({"over":true,"hosts":[]})").empty());
}

TEST_CASE("one sender's mail is shown with the commands that send or remove it") {
  CHECK(rendered(render_mail, R"({"identity":"user:a","fate":"held","shelves":[],"orders":[]})") == "No mail of user:a is known to be held.\n");
  CHECK(rendered(render_mail, R"({"identity":"user:a","fate":"sent","shelves":[],"orders":[]})") == "No queue id of mail of user:a is known.\n");
  CHECK(rendered(render_mail, R"({"identity":"user:a","fate":"held","orders":[],"shelves":[{"host":"mx1","count":3,"oldest":"2026-11-22T13:00:00Z",
      "mail":[{"at":"2026-11-22T13:00:00Z","queue_id":"4Xy1","from":"a@b.test","recipients":2}]}]})") ==
        "HELD ON  MESSAGES  OLDEST\n"
        "mx1      3         13:00 (1h ago)\n"
        "\n"
        "TIME   HOST  QUEUE ID  FROM        RCPT\n"
        "13:00  mx1   4Xy1      <a@b.test>  2\n"
        "\n"
        "to let it go, or to remove it\n"
        "  sendquota held 'user:a' --send --all-hosts\n"
        "  sendquota held 'user:a' --delete --all-hosts\n");
}

TEST_CASE("an incident says what lies in the queues, and names the commands that fit") {
  struct {
    std::string identity, blocked, held, sent, want;
  } const cases[] = {
      {"user:a", "null", "", "", "  sendquota block 'user:a' --reason 'stolen, see the ticket'\n"},
      {"user:a", "{\"id\":\"1\"}", "", "", "  sendquota release 'user:a' --reason 'password changed'\n"},
      {"user:a", "{\"id\":\"1\"}", R"({"host":"mx1","count":3})", R"({"host":"mx1","count":9})",
       "  sendquota queue --of 'user:a' --delete --with-bounces --all-hosts\n"
       "  sendquota held 'user:a' --delete --all-hosts\n"
       "  sendquota release 'user:a' --held delete --reason 'password changed'\n"},
      {"user:a", "null", R"({"host":"mx1","count":3})", "",
       "  sendquota block 'user:a' --reason 'stolen, see the ticket'\n"
       "  sendquota held 'user:a' --delete --all-hosts\n"},
      // Most mail of a domain is honest: none is offered to be removed as a whole.
      {"user_domain:a", "{\"id\":\"1\"}", R"({"host":"mx1","count":3})", R"({"host":"mx1","count":9})", "  sendquota release 'user_domain:a' --reason 'password changed'\n"},
  };
  for (const auto& [identity, blocked, held, sent, want] : cases) {
    const auto text = rendered(render_incident, "{\"identity\":{\"identity\":\"" + identity + "\",\"blocked\":" + blocked + "},\"events\":[],\"mail\":{\"held\":[" + held + "],\"sent\":[" + sent + "],\"orders\":[]}}");
    CHECK(text.substr(text.find("to end it\n") + 10) == want);
    CHECK((text.find("LET THROUGH") != std::string::npos) == (!held.empty() || !sent.empty()));
  }
}

TEST_CASE("an incident says what cannot be had of it, and offers nothing about mail where nothing is recorded") {
  const auto incident = [](const std::string& history_error) {
    return rendered(render_incident, R"({"identity":{"identity":"user:a","held":[{"host":"mx1","count":3}],"blocked":null,"history":null,"history_error":)" + history_error +
                                         R"(},"events":null,"mail":null,"errors":{"events":"no store","mail":"no mail"}})");
  };
  for (const auto* const error : {"null", "\"away\""}) {
    CHECK(incident(error).find("\nWhich of its mail is in the queues cannot be shown: no mail\n") != std::string::npos);
    CHECK(incident(error).find("\nWhat happened to it cannot be shown: no store\n") != std::string::npos);
  }
  CHECK(incident("null").find("sendquota held") == std::string::npos);
  CHECK(incident("\"away\"").find("sendquota held 'user:a' --delete") != std::string::npos);
}
