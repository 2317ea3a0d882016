// Whatever senders and administrators typed, what the command prints fits 80 columns.
#include <doctest/doctest.h>

#include <sstream>

#include "milter/cli/command_text.hpp"
#include "milter/cli/render.hpp"
#include "milter/cli/table.hpp"
#include "tests/milter/cli/example_view.hpp"

using namespace milter::cli;
using boost::json::object;

namespace {

std::string times(std::size_t count, std::string_view text) {
  std::string all;
  while (count-- > 0) all += text;
  return all;
}

/// Each text of `value`, whatever it is for, is replaced by `text`.
boost::json::value filled(const boost::json::value& value, const std::string& text) {
  if (value.is_string()) return value.get_string() == "2026-11-22T13:00:00Z" ? value : boost::json::value(text);
  if (value.is_array()) {
    boost::json::array all;
    for (const auto& one : value.get_array()) all.push_back(filled(one, text));
    return all;
  }
  if (!value.is_object()) return value;
  object all;
  for (const auto& [key, one] : value.get_object()) all[key] = filled(one, text);
  return all;
}

void check_width(const std::string& text) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) CHECK_MESSAGE(columns(line) <= 80, line);
}

const std::string message = R"({"at": "2026-11-22T13:00:00Z", "verdict": "", "cause": "", "quota": "", "queue_id": "", "host": "", "client": "", "from": "", "script": "",
  "recipients": 2000000, "first_recipients": [""], "subject": "", "headers": {}, "identity": ""})";
const std::string tally = R"({"at": "2026-11-22T13:00:00Z", "sent": 4711, "refused": 1, "held": 1})";
const std::string block = R"({"identity": "", "id": "", "since": "2026-11-22T13:00:00Z", "until": "2026-11-22T13:00:00Z", "action": "", "by_hand": false, "by": "", "quota": "", "step": 1,
  "reason": "", "error": ""})";
const std::string shelf = R"({"identity": "", "host": "", "fate": "", "count": 123456, "oldest": "2026-11-22T13:00:00Z",
  "mail": [{"at": "2026-11-22T13:00:00Z", "queue_id": "", "from": "", "recipients": 3}]})";
const std::string order = R"({"order": "", "identity": "", "fate": "", "act": "", "at": "2026-11-22T13:00:00Z", "by": "", "reason": "", "over": false,
  "hosts": [{"host": "", "state": "", "counts": {"total": 1000000, "done": 1000000, "gone": 1000000, "skipped": 1000000, "bounces": 1000000}, "error": "", "skips": [""]}]})";
const std::string event = R"({"id": "", "at": "2026-11-22T13:00:00Z", "event": "", "severity": "", "identity": "", "text": "", "by": "", "host": ""})";
const std::string limit = R"({"identity": "", "quota": "", "limit": "", "unit": "", "amount": 250, "period": "", "burst": 250, "used": 33, "full_at": "2026-11-22T13:00:00Z",
  "source": "", "since": "2026-11-22T13:00:00Z", "until": "2026-11-22T13:00:00Z", "by": "", "error": ""})";
const std::string identity = R"({"identity": "", "account": "", "exempt": "", "blocked": )" + block + R"(, "limits": [)" + limit +
                             R"(], "refusals": [{"quota": "", "count": 1, "of": 3, "window": "", "since": "2026-11-22T13:00:00Z"}],
  "held": [{"host": "", "count": 3, "max": 4}], "history": {"first": "2026-11-22T13:00:00Z", "last_hours": [)" + tally +
                             R"(], "networks": [{"network": "", "last": "2026-11-22T13:00:00Z", "messages": 3}], "scripts": [""], "messages": [)" + message + R"(]}})";
const std::string ranked = R"([{"identity": "", "amount": 3}])";
const std::string status = R"({"version": "", "host": "", "pid": 1, "uptime_ms": 3, "config": {"file": "", "loaded": "", "quotas": 3, "fingerprint": ""},
  "mode": {"live": "", "since": "", "until": "", "by": "", "quotas": []}, "store": {"url": "", "state": "", "since": "", "error": ""},
  "nodes": {"alive": 1, "counted": 1, "shared_by": 1, "setting": 3}, "mail": {"accepted": 100, "uncovered": 10}, "warnings": [""]})";

struct Answer {
  Render render;
  std::string text;
};

const Answer answers[] = {
    {render_status, status},
    {render_mode, R"({"live": "", "since": "", "until": "", "by": "", "quotas": [{"quota": "", "mode": "", "effective": ""}]})"},
    {render_identity, identity},
    {render_top, R"({"by": "", "per": "", "since": "", "top": )" + ranked + "}"},
    {render_events, R"({"events": [)" + event + "]}"},
    {render_who, R"({"found": [)" + message + R"(], "senders": 3, "complete": false})"},
    {render_incident, R"({"identity": )" + identity + R"(, "events": [)" + event + R"(], "mail": {"held": [)" + shelf + R"(], "sent": [)" + shelf + R"(], "orders": [)" + order + "]}}"},
    {render_report, R"({"status": )" + status + R"(, "top": {"since": "", "top": )" + ranked + R"(}, "most_in_30_days": )" + ranked + R"(, "scripts": )" + ranked + R"(, "blocked": [)" +
                        block + R"(], "limits": [)" + limit + R"(], "events": [)" + event + R"(], "held": [)" + shelf + R"(], "orders": [)" + order + "]}"},
    {render_held, R"({"held": [)" + shelf + "]}"},
    {render_mail, R"({"identity": "", "fate": "held", "shelves": [)" + shelf + R"(], "orders": [)" + order + "]}"},
    {render_mail, R"({"identity": "", "fate": "", "shelves": [], "orders": []})"},
    {render_order, order},
    {render_blocked, R"({"blocked": [)" + block + "]}"},
    {render_limits, R"({"limits": [)" + limit + "]}"},
    {render_nodes, R"({"nodes": [{"node": "", "version": "", "config": "", "seen": "", "state": "", "since": "", "alive": true}], "alive": 1, "counted": 1, "error": ""})"},
    {render_released, R"({"identity": "", "released": true, "refilled": true, "block": )" + block + "}"},
    {render_block, block},
    {render_limit, limit},
    {render_limit_removed, R"({"identity": "", "quota": "", "removed": true})"},
    {render_reloaded, R"({"file": "", "quotas": 3, "warnings": [""]})"},
    {render_error, R"({"error": "", "hint": ""})"},
};

}  // namespace

TEST_CASE("no line of any answer is wider than 80 columns, whatever is in it") {
  const std::string texts[] = {
      times(180, "x"),
      times(60, "漢"),               // wide
      times(60, "e\u0301\u0323"),    // combined
      times(60, "👩\u200d💻"),
      "user:" + times(30, "it's ") + times(90, "a.b"),
      "script:mx1.example.com/1000:" + times(150, "p") + ".php",
      times(90, "'"),
      times(20, "a\xff\xc3"),        // no UTF-8
  };
  for (const auto& text : texts)
    for (const auto& one : answers) {
      CAPTURE(one.text);
      const auto answer = filled(boost::json::parse(one.text), text);
      check_width(one.render(answer.as_object(), test::view));
    }
}

TEST_CASE("a wide character takes two columns, a combining one none, and what is no character one") {
  CHECK(columns("abc") == 3);
  CHECK(columns("äöü") == 3);
  CHECK(columns("漢字") == 4);
  CHECK(columns("e\u0301") == 1);
  CHECK(columns("▁█·") == 3);
  CHECK(columns("\xff\xc3") == 2);
  CHECK(bytes_within("漢字", 3) == 3);
  CHECK(bytes_within("e\u0301x", 1) == 3);  // what is combined stays
  CHECK(bytes_within("漢", 1) == 3);
  CHECK(bytes_within("", 1) == 0);
}

TEST_CASE("a subject of wide characters is cut at the width, and the columns stay aligned") {
  View narrow = test::view;
  narrow.width = 20;
  Table table({{"A", Column::Fit::wrap}, {"B"}});
  table.add({{times(10, "漢")}, {"漢 x"}});
  table.add({{"e\u0301"}, {"y"}});
  CHECK(table.text(narrow) ==
        "A               B\n"
        "漢漢漢漢漢漢漢  漢 x\n"
        "漢漢漢\n"
        "e\u0301               y\n");
}

TEST_CASE("a command that is too long goes on after a backslash, between words and within one") {
  View narrow = test::view;
  narrow.width = 24;
  CHECK(command_text("ls -l", narrow) == "  ls -l\n");
  CHECK(command_text("sendquota release 'a b' --reason 'x'", narrow) ==
        "  sendquota release \\\n"
        "    'a b' --reason 'x'\n");
  CHECK(command_text("ls '0123456789012345678901234567890' -l", narrow) ==
        "  ls \\\n"
        "    '01234567890123456'\\\n"
        "'78901234567890' -l\n");
  CHECK(command_text("ls 01234567890123456789\\'0123", narrow) ==
        "  ls \\\n"
        "    012345678901234567\\\n"
        "89\\'0123\n");
}
