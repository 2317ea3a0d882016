#include "milter/cli/render.hpp"

#include <doctest/doctest.h>

#include <sstream>

#include "tests/milter/cli/example_view.hpp"

using namespace milter::cli;

namespace {

std::string rendered(Render render, std::string_view json) {
  return render(boost::json::parse(boost::json::string_view(json.data(), json.size())).as_object(), test::view);
}

constexpr std::string_view blocked_identity =
    R"({"identity":"user:alice@example.com","account":"customer-17","exempt":null,
  "blocked":{"identity":"user:alice@example.com","id":"3f9c","since":"2026-11-22T13:17:00Z","until":"2026-11-22T14:42:00Z",
             "action":"tempfail","by_hand":false,"quota":"mailbox","step":1,"reason":"300 refusals in 10m","error":null},
  "limits":[
    {"quota":"mailbox","limit":"250 messages / 15m","unit":"messages","amount":250,"period":"15m","burst":250,"used":33,
     "full_at":"2026-11-22T14:02:00Z","observed":false,"source":"quota"},
    {"quota":"mailbox","limit":"2000 recipients / 1d burst 500","unit":"recipients","amount":2000,"period":"1d","burst":500,
     "used":0,"full_at":null,"observed":true,"source":"live override"},
    {"quota":"mailbox","limit":"300 recipients / message","unit":"recipients","amount":300,"period":"message","burst":null,
     "used":null,"full_at":null,"observed":false,"source":"quota"}],
  "refusals":[{"quota":"mailbox","count":12,"of":300,"window":"10m","since":"2026-11-22T13:55:00Z"}],
  "ladder":{"step":1,"forget_at":"2026-11-29T14:42:00Z"},
  "held":[{"host":"mx1","count":17,"max":10000}]})";

}  // namespace

TEST_CASE("show prints each limit with its use, the block and its reason, and how to end it") {
  CHECK(rendered(render_identity, blocked_identity) ==
        "user:alice@example.com\n"
        "blocked  until 14:42 (in 42m), action tempfail, quota mailbox, step 1, id 3f9c\n"
        "since    13:17 (43m ago)\n"
        "reason   300 refusals in 10m\n"
        "account  customer-17\n"
        "ladder   step 1, forgotten 2026-11-29 14:42 (in 8d)\n"
        "held     17 messages on mx1, at most 10000\n"
        "\n"
        "QUOTA    USED                             FULL AGAIN     SOURCE\n"
        "mailbox  33/250 messages per 15m          14:02 (in 2m)  quota\n"
        "mailbox  0/500 recipients, 2000 per 1d    is full        live override, observed\n"
        "mailbox  at most 300 recipients per                      quota\n"
        "         message\n"
        "\n"
        "QUOTA    REFUSALS          SINCE\n"
        "mailbox  12 of 300 in 10m  13:55 (5m ago)\n"
        "\n"
        "to release it\n"
        "  sendquota release 'user:alice@example.com'\n");
}

TEST_CASE("show of a sender whom nothing ails or covers is short") {
  CHECK(rendered(render_identity, R"({"identity":"uid:mx1/0","blocked":null,"limits":[]})") ==
        "uid:mx1/0\n"
        "blocked  no\n"
        "\n"
        "No quota covers this sender.\n");
}

TEST_CASE("blocked is a table of who, until when and why") {
  CHECK(rendered(render_blocked, R"({"blocked":[]})") == "Nobody is blocked.\n");
  CHECK(rendered(render_blocked, R"({"blocked":[
      {"identity":"user:alice@example.com","until":"2026-11-22T14:42:00Z","action":"tempfail","by_hand":false,"quota":"mailbox","reason":"300 refusals in 10m"},
      {"identity":"user:bob@example.com","until":null,"action":"reject","by_hand":true,"quota":null,"reason":"password stolen, ticket 4711"},
      {"identity":"user:eve@example.com","until":null,"action":"reject","by_hand":true,"reason":"","error":"until is no time"}]})") ==
        "IDENTITY                UNTIL           ACTION    BY       REASON\n"
        "user:alice@example.com  14:42 (in 42m)  tempfail  mailbox  300 refusals in 10m\n"
        "user:bob@example.com    released        reject    hand     password stolen,\n"
        "                                                           ticket 4711\n"
        "user:eve@example.com    released        reject    hand     ERROR: until is no\n"
        "                                                           time\n"
        "3 senders are blocked\n");
}

TEST_CASE("limits is a table of what was changed live, by whom, since and until when") {
  CHECK(rendered(render_limits, R"({"limits":[]})") == "There are no live limits.\n");
  CHECK(rendered(render_limits,
                 R"({"limits":[{"identity":"user:a@example.com","quota":"mailbox","limit":"5000 messages / 1d",
      "since":"2026-11-22T13:00:00Z","until":null,"by":"alice"}]})") ==
        "IDENTITY            QUOTA    LIMIT               SINCE           UNTIL    BY\n"
        "user:a@example.com  mailbox  5000 messages / 1d  13:00 (1h ago)  changed  alice\n"
        "1 live limit\n");
}

TEST_CASE("live limits that cannot be understood are told apart, as they stand in the table") {
  CHECK(rendered(render_limits, R"({"limits":[
      {"identity":"*","quota":"mailbox","limit":"none","since":"2026-11-22T13:00:00Z","until":null,"by":"a"},
      {"identity":"alice","quota":null,"limit":null,"since":null,"until":null,"by":null,"error":"ERROR: no: x"}]})") ==
        "IDENTITY  QUOTA    LIMIT         SINCE           UNTIL    BY\n"
        "*         mailbox  none          13:00 (1h ago)  changed  a\n"
        "alice              ERROR: no: x                  changed\n"
        "1 live limit\n"
        "1 entry not understood; what is not understood counts for nothing\n");
}

TEST_CASE("mode says what was switched live and what each quota does now") {
  CHECK(
      rendered(render_mode, R"({"live":null,"quotas":[{"quota":"mailbox","mode":"enforce","effective":"enforce"}]})") ==
      "mode: as configured\n"
      "QUOTA    CONFIGURED  NOW\n"
      "mailbox  enforce     enforce\n");
  CHECK(
      rendered(
          render_mode,
          R"({"live":"observe","since":"2026-11-22T13:00:00Z","until":"2026-11-22T16:00:00Z","by":"alice","quotas":[]})") ==
      "mode: observe everywhere, switched live 13:00 (1h ago) by alice, until 16:00 (in\n"
      "  2h)\n");
}

TEST_CASE("nodes lists the daemons, marks the odd one out, and says what each gives without the store") {
  CHECK(rendered(render_nodes, R"({"nodes":[
      {"node":"mx1","version":"0.1.0","config":"3f9c2a71b0de","seen":"2026-11-22T13:59:55Z","state":"normal","since":"2026-11-22T09:00:00Z","alive":true,"differs":false,"self":true},
      {"node":"mx2","version":"0.1.0","config":"77aa00bb11cc","seen":"2026-11-22T13:59:50Z","state":"degraded","since":"2026-11-22T13:59:00Z","alive":true,"differs":true},
      {"node":"mx3","version":"0.0.9","config":"3f9c2a71b0de","seen":"2026-11-22T11:00:00Z","state":"normal","since":"2026-11-20T09:00:00Z","alive":false},
      {"node":"mx4","version":"0.1.0","config":"3f9c2a71b0de","seen":"2026-11-22T12:00:00Z","state":"stopped","since":"2026-11-22T12:00:00Z","alive":false}],
      "alive":2,"counted":4,"shared_by":4,"setting":"auto","error":null})") ==
        "NODE  VERSION  CONFIG                SEEN             STATE\n"
        "mx1   0.1.0    3f9c2a71b0de          13:59 (5s ago)   normal since 09:00 (5h\n"
        "                                                      ago)\n"
        "mx2   0.1.0    77aa00bb11cc differs  13:59 (10s ago)  degraded since 13:59 (1m\n"
        "                                                      ago)\n"
        "mx3   0.0.9    3f9c2a71b0de          11:00 (3h ago)   silent\n"
        "mx4   0.1.0    3f9c2a71b0de          12:00 (2h ago)   stopped since 12:00 (2h\n"
        "                                                      ago)\n"
        "2 daemons run, 4 were seen within a day.\n"
        "Without the store each gives 1/4 of every limit (store.nodes = \"auto\").\n");
  CHECK(rendered(render_nodes, R"({"nodes":[],"alive":1,"counted":1,"shared_by":2,"setting":2,"error":"connection refused"})").ends_with(
        "1 daemon runs, 1 was seen within a day.\n"
        "Without the store each gives 1/2 of every limit (store.nodes = 2).\n"
        "the store has no answer, this is what was read last: connection refused\n"));
}

TEST_CASE("status names the nodes, and the last outage") {
  const auto text = rendered(render_status, R"({"nodes":{"alive":2,"counted":3,"shared_by":3,"setting":"auto","differ":true},
      "store":{"url":"unix:/run/redis","state":"ok","last_outage":{"from":"2026-11-22T13:00:00Z","to":"2026-11-22T13:10:00Z","error":"x"}}})");
  CHECK(text.find("store        unix:/run/redis, ok; had no answer from 13:00 until 13:10 (50m ago)\n") != std::string::npos);
  CHECK(text.find("nodes        2 running, 3 within a day; shares of 1/3 (auto); their\n") != std::string::npos);
}

TEST_CASE("status is the daemon in seven lines and its warnings") {
  CHECK(
      rendered(
          render_status,
          R"({"version":"0.1.0","host":"mx1.example.com","pid":123,"started":"2026-11-19T10:00:00Z","uptime_ms":273600000,
      "config":{"file":"/etc/sendquota/sendquota.toml","loaded":"2026-11-22T10:00:00Z","quotas":4},
      "mode":{"live":null},
      "store":{"url":"redis://127.0.0.1:6379/0","state":"degraded","since":"2026-11-22T13:58:00Z","error":"connection refused"},
      "mail":{"accepted":1000,"tempfailed":12,"rejected":0,"held":3,"discarded":0,"observed":0,"inbound":77,"uncovered":1},
      "blocked":3,"live_limits":2,"warnings":["no quota covers uid:mx1/33"]})") ==
      "daemon       sendquotad 0.1.0 on mx1.example.com, process 123, up 3d\n"
      "config       /etc/sendquota/sendquota.toml, loaded 10:00 (4h ago), quotas: 4\n"
      "mode         as configured\n"
      "store        redis://127.0.0.1:6379/0, degraded since 13:58 (2m ago): connection\n"
      "             refused\n"
      "blocked      3\n"
      "live limits  2\n"
      "mail         1000 accepted, 12 tempfailed, 0 rejected, 3 held, 0 discarded, 0\n"
      "             observed, 77 inbound, 1 uncovered\n"
      "warning: no quota covers uid:mx1/33\n");
}

TEST_CASE("an order is answered by a sentence") {
  struct {
    Render render;
    std::string json, want;
  } const cases[] = {
      {render_released,
       R"({"identity":"user:a","released":true,"refilled":true,"block":{"since":"2026-11-22T13:00:00Z","reason":"300 refusals in 10m"}})",
       "user:a is released; its quotas are full again\nit was blocked 13:00 (1h ago): 300 refusals in 10m\n"},
      {render_released, R"({"identity":"user:a","released":false,"refilled":true,"block":null})",
       "user:a was not blocked; its quotas are full again\n"},
      {render_block, R"({"identity":"user:a","until":"2026-11-22T15:00:00Z","action":"reject","reason":"ticket 4711"})",
       "user:a is blocked until 15:00 (in 1h), action reject: ticket 4711\n"},
      {render_block, R"({"identity":"user:a","until":null,"action":"reject","reason":""})",
       "user:a is blocked until released, action reject\n"},
      {render_limit, R"({"identity":"user:a","quota":"mailbox","limit":"unlimited","until":"2026-11-22T15:00:00Z"})",
       "user:a, quota mailbox: unlimited until 15:00 (in 1h)\n"},
      {render_limit, R"({"identity":"*","quota":"*","limit":"none"})", "*, every quota: none until it is changed\n"},
      {render_limit_removed, R"({"identity":"user:a","quota":"mailbox","removed":true})",
       "user:a, quota mailbox: the live limit is removed\n"},
      {render_limit_removed, R"({"identity":"user:a","quota":"mailbox","removed":false})",
       "user:a, quota mailbox: there was no live limit\n"},
      {render_reloaded, R"({"file":"/etc/x.toml","quotas":4,"warnings":["w"]})",
       "reloaded /etc/x.toml, quotas: 4\nwarning: w\n"},
      {render_error,
       R"({"error":"the configuration has 2 problems","hint":"the old one goes on","problems":["x.toml:1: a","x.toml:2: b"]})",
       "sendquota: the configuration has 2 problems\nx.toml:1: a\nx.toml:2: b\nhint: the old one goes on\n"},
      {render_error, R"({"error":"\u001b[2Jno"})", "sendquota: ?[2Jno\n"},
  };
  for (const auto& [render, json, want] : cases) CHECK(rendered(render, json) == want);
}

TEST_CASE("a sentence breaks at spaces, a word only where it is wider than a line, and the problems of a configuration stay on their lines") {
  const std::string path = "/" + std::string(85, 'x');
  const std::string problem = path + ":1: what is wrong with this line; what to write into it instead";
  CHECK(sentence("reloaded " + path + ", quotas: 4", Style::plain, test::view) == "reloaded\n  /" + std::string(77, 'x') + "\n  " + std::string(8, 'x') + ", quotas: 4\n");
  CHECK(sentence("", Style::plain, test::view) == "\n");
  CHECK(rendered(render_error, R"({"error":"e","problems":[")" + problem + R"("]})") == "sendquota: e\n" + problem + "\n");
  std::string words;
  for (int i = 0; i < 60; ++i) words += " word";
  std::istringstream lines(rendered(render_warnings, R"({"warnings":[")" + words + R"("]})"));
  for (std::string line; std::getline(lines, line);) CHECK(line.size() <= 80);
}

TEST_CASE("an answer of another version, with keys missing or of other types, is shown as far as it is understood") {
  const Render renders[] = {render_status,        render_mode,     render_identity, render_blocked,
                            render_limits,        render_released, render_block,    render_limit,
                            render_limit_removed, render_reloaded, render_error,    render_nodes};
  const std::string answers[] = {
      "{}",
      R"({"blocked":[1,null,{}],"limits":[[],{"used":"x","amount":-1}],"quotas":3,"identity":7,"error":{},"warnings":[1]})",
      R"({"blocked":{"step":1e99},"limits":{},"uptime_ms":1e300,"refusals":[{}],"held":[{}],"ladder":[],"pid":0.5})"};
  for (const auto& render : renders)
    for (const auto& answer : answers) CHECK_NOTHROW((void)rendered(render, answer));
}

TEST_CASE("a table of long identities still fits 80 columns") {
  const std::string id = "script:mx1.example.com/1000:" + std::string(120, 'x') + ".php";
  const auto text = rendered(
      render_blocked,
      R"({"blocked":[{"identity":")" + id +
          R"(","until":"2026-12-25T14:42:00Z","action":"quarantine","by_hand":false,"quota":"php-scripts-of-customers","reason":"300 refusals in 10m"}]})");
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) CHECK(line.size() <= 80);
}

namespace {

std::string hours_json(int at_last) {
  std::string text;
  for (int hour = 0; hour < 24; ++hour)
    text += std::string(text.empty() ? "" : ",") + R"({"at":"2026-11-21T15:00:00Z","sent":)" + (hour == 23 ? std::to_string(at_last) : hour == 20 ? "1" : "0") +
            R"(,"refused":0,"held":0})";
  return text;
}

}  // namespace

TEST_CASE("show prints what was sent: bars by hour, networks, scripts, the last messages") {
  const auto json = R"({"identity":"user:alice@example.com","blocked":null,"limits":[],"refusals":[],"ladder":null,"held":[],"history_error":null,
    "history":{"first":"2026-11-20T08:00:00Z","last_hours":[)" +
                    hours_json(40) + R"(],
    "networks":[{"network":"192.0.2.0/24","last":"2026-11-22T13:58:00Z","messages":41}],"scripts":["mx1/1000:mail.php"],
    "messages":[{"at":"2026-11-22T13:58:00Z","verdict":"tempfail","client":"192.0.2.7","from":"alice@example.com","recipients":0,
                 "first_recipients":[],"subject":""},
                {"at":"2026-11-22T13:57:00Z","verdict":"accept","client":null,"from":"\u001b[31mred","recipients":40,
                 "first_recipients":["bob@remote.example"],"subject":"Win \"big\""}]}})";
  const auto text = rendered(render_identity, json);
  CHECK(text.substr(text.find("first seen")) ==
        "first seen 2026-11-20 08:00 (2d ago)\n"
        "\n"
        "24 HOURS  FROM 2026-11-21 15:00     MESSAGES  MOST IN AN HOUR\n"
        "sent      ····················▁··█  41        40\n"
        "refused   ························  0\n"
        "held      ························  0\n"
        "\n"
        "FROM 1 NETWORK  MESSAGES  LAST\n"
        "192.0.2.0/24    41        13:58 (2m ago)\n"
        "\n"
        "script: mx1/1000:mail.php\n"
        "\n"
        "LAST MESSAGES  VERDICT   CLIENT     FROM, TO, SUBJECT\n"
        "13:58          tempfail  192.0.2.7  <alice@example.com>\n"
        "13:57          accept    local      <?[31mred> bob@remote.example +39 \"Win\n"
        "                                    \"big\"\"\n");
}

TEST_CASE("where nothing is recorded show says so, or why it cannot tell") {
  const auto ending = [](const std::string& more) {
    const auto text = rendered(render_identity, R"({"identity":"user:bob@example.com","limits":[],)" + more + "}");
    return text.substr(text.find("\n\n", text.find("No quota")) + 2);
  };
  CHECK(ending(R"("history":{"first":null},"history_error":null)") == "Nothing is recorded of it.\n");
  CHECK(ending(R"("history":null,"history_error":"10.0.0.1:6379: timed out")") ==
        "What it sent cannot be shown, the record has no answer: 10.0.0.1:6379: timed out\n");
}

TEST_CASE("top prints a ranking, or that there is none") {
  CHECK(rendered(render_top, R"({"by":"messages","per":"user","since":"2026-11-22T13:00:00Z",
    "top":[{"identity":"user:alice@example.com","amount":20000},{"identity":"user:bob@example.com","amount":3}]})") ==
        "SINCE 13:00             MESSAGES\n"
        "user:alice@example.com  20000\n"
        "user:bob@example.com    3\n");
  CHECK(rendered(render_top, R"({"by":"refused","per":"user","since":"2026-11-22T13:00:00Z","top":[]})") == "Nothing of the kind since 13:00.\n");
}
