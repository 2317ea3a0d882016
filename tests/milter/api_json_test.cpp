// The shapes that scripts rely on: milter/admin/api.hpp.
#include "milter/api_json.hpp"

#include <doctest/doctest.h>

#include "tests/support/example_config.hpp"
#include "tests/support/example_policy.hpp"

using namespace milter;
using namespace std::chrono_literals;
namespace json = boost::json;

namespace {

json::value parsed(std::string_view text) { return json::parse(json::string_view(text.data(), text.size())); }
quota::Identity identity(std::string_view text) { return quota::must(quota::parse_identity(text)); }

constexpr std::string_view mailbox_and_host = R"(
[exempt]
users   = ["boss@example.com"]
senders = ["@news.example.com"]
clients = ["198.51.100.0/24"]
[[quota]]
name   = "mailbox"
per    = ["user", "client"]
when   = "smtp"
limits = ["250 messages / 15m", "300 recipients / message"]
[quota.block]
after = "300 refusals / 10m"
for   = "1h"
[[quota.override]]
match  = "vip@example.com"
limits = "unlimited"
[[quota]]
name   = "senders"
per    = "sender"
mode   = "observe"
limits = "10 messages / 1h"
)";

json::value shown(std::string_view who, const quota::Record& record = {}, const quota::Tables& tables = {}) {
  const auto config = config_of(mailbox_and_host);
  return identity_json(identity(who), {*config->policy, tables, record, 10'000, quota::example_now});
}

}  // namespace

TEST_CASE("a block tells who, since when, until when, what happens and why") {
  struct Row {
    std::string written;
    std::string want;
  } const rows[] = {
      {"password stolen", R"({"identity":"user:alice@example.com","id":"","since":null,"until":null,"action":"reject","by_hand":true,
        "by":null,"quota":null,"step":null,"reason":"password stolen","error":null})"},
      {"id=3f9c since=2026-11-22T05:00:00Z until=2026-11-22T06:00:00Z action=tempfail quota=mailbox step=1 300 refusals in 10m",
       R"({"identity":"user:alice@example.com","id":"3f9c","since":"2026-11-22T05:00:00Z","until":"2026-11-22T06:00:00Z","action":"tempfail",
        "by_hand":false,"by":null,"quota":"mailbox","step":1,"reason":"300 refusals in 10m","error":null})"},
      {"id=1 by=root public: change it", R"({"identity":"user:alice@example.com","id":"1","since":null,"until":null,"action":"reject",
        "by_hand":true,"by":"root","quota":null,"step":null,"reason":"public: change it","error":null})"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.written);
    CHECK(json::value(block_json("user:alice@example.com", quota::must(quota::parse_block(row.written)))) == parsed(row.want));
  }
  const auto broken = block_json("user:a@b.example", quota::must(quota::parse_block("ERROR: no such time (until=tomorrow)")));
  CHECK(broken.at("reason") == "");
  CHECK(broken.at("error").is_string());
}

TEST_CASE("a live limit tells whom it is for, what is allowed and until when") {
  struct Row {
    std::string field;
    std::string written;
    std::string want;
  } const rows[] = {
      {"user:alice@example.com mailbox", "5000 messages / 1d until=2026-12-24T00:00:00Z by=root",
       R"({"identity":"user:alice@example.com","quota":"mailbox","limit":"5000 messages / 1d","since":null,"until":"2026-12-24T00:00:00Z",
        "by":"root","error":null})"},
      {"user:alice@example.com *", "unlimited",
       R"({"identity":"user:alice@example.com","quota":"*","limit":"unlimited","since":null,"until":null,"by":null,"error":null})"},
      {"* *", "observe", R"({"identity":"*","quota":"*","limit":"observe","since":null,"until":null,"by":null,"error":null})"},
  };
  for (const auto& row : rows) {
    const auto key = quota::must(quota::parse_override_key(row.field));
    CHECK(json::value(override_json(key, quota::must(quota::parse_override(key, row.written)))) == parsed(row.want));
  }
}

TEST_CASE("a live limit that cannot be understood is told as it stands, where its field says so by its parts") {
  struct Row {
    std::string field;
    std::string want;
  } const rows[] = {
      {"user:alice@example.com mailbox", R"({"identity":"user:alice@example.com","quota":"mailbox")"},
      {"* *", R"({"identity":"*","quota":"*")"},
      {"alice", R"({"identity":"alice","quota":null)"},
  };
  for (const auto& row : rows)
    CHECK(json::value(override_error_json(row.field, "ERROR: no: x")) ==
          parsed(row.want + R"(,"limit":null,"since":null,"until":null,"by":null,"error":"ERROR: no: x"})"));
}

TEST_CASE("the mode of each quota is told as configured and as it is applied") {
  struct Row {
    const char* live;  // null: none
    std::string want;
  } const rows[] = {
      {nullptr, R"({"live":null,"since":null,"until":null,"by":null,"quotas":[
        {"quota":"mailbox","mode":"enforce","effective":"enforce"},{"quota":"senders","mode":"observe","effective":"observe"}]})"},
      {"observe since=2026-11-22T04:00:00Z by=root", R"({"live":"observe","since":"2026-11-22T04:00:00Z","until":null,"by":"root","quotas":[
        {"quota":"mailbox","mode":"enforce","effective":"observe"},{"quota":"senders","mode":"observe","effective":"observe"}]})"},
      {"observe until=2026-11-22T05:00:00Z", R"({"live":null,"since":null,"until":null,"by":null,"quotas":[
        {"quota":"mailbox","mode":"enforce","effective":"enforce"},{"quota":"senders","mode":"observe","effective":"observe"}]})"},
  };
  for (const auto& row : rows) {
    quota::Tables tables;
    if (row.live) quota::override_live(tables, "* *", row.live);
    CHECK(json::value(mode_json(*config_of(mailbox_and_host)->policy, tables, quota::example_now)) == parsed(row.want));
  }
}

TEST_CASE("one who never sent has every limit in full") {
  CHECK(shown("user:alice@example.com") == parsed(R"({"identity":"user:alice@example.com","account":null,"exempt":null,"blocked":null,"limits":[
    {"quota":"mailbox","limit":"250 messages / 15m","unit":"messages","amount":250,"period":"15m","burst":250,"used":0,"full_at":null,
     "observed":false,"source":"quota"},
    {"quota":"mailbox","limit":"300 recipients / message","unit":"recipients","amount":300,"period":"message","burst":null,"used":null,
     "full_at":null,"observed":false,"source":"quota"}],"refusals":[],"ladder":null,"held":[]})"));
  CHECK(shown("sender:alice@example.com").at("limits") ==
        parsed(R"([{"quota":"senders","limit":"10 messages / 1h","unit":"messages","amount":10,"period":"1h","burst":10,"used":0,"full_at":null,
    "observed":true,"source":"quota"}])"));
  CHECK(shown("user_domain:example.com").at("limits") == parsed("[]"));
}

TEST_CASE("what one has used is told as of now, with the time at which all of it is back") {
  quota::Record record;
  // 250 in 15 minutes is one in 3.6 s: of 100 used ten minutes ago none is left, of 250 used a minute ago 234.
  record.buckets["mailbox messages/15m"] = {250, 0, 250, 250, quota::example_now - 1min};
  record.refusals["mailbox"] = {12, quota::example_now - 5min};
  record.ladder = quota::Ladder{2, quota::example_now + 24h};
  record.held["mx1.example.com"] = 118;
  const auto json = shown("user:alice@example.com", record);
  const auto& bucket = json.at("limits").at(0);
  CHECK(bucket.at("used") == 234);
  CHECK(bucket.at("full_at") == "2026-11-22T05:14:00Z");
  CHECK(json.at("refusals") == parsed(R"([{"quota":"mailbox","count":12,"of":300,"window":"10m","since":"2026-11-22T04:55:00Z"}])"));
  CHECK(json.at("ladder") == parsed(R"({"step":2,"forget_at":"2026-11-23T05:00:00Z"})"));
  CHECK(json.at("held") == parsed(R"([{"host":"mx1.example.com","count":118,"max":10000}])"));
}

TEST_CASE("what is over is not shown") {
  quota::Record record;
  record.refusals["mailbox"] = {12, quota::example_now - 10min};
  record.refusals["gone"] = {12, quota::example_now};
  record.ladder = quota::Ladder{2, quota::example_now};
  quota::Tables tables;
  quota::block(tables, "user:alice@example.com", "until=2026-11-22T05:00:00Z over");
  const auto json = shown("user:alice@example.com", record, tables);
  CHECK(json.at("refusals") == parsed("[]"));
  CHECK(json.at("ladder").is_null());
  CHECK(json.at("blocked").is_null());
}

TEST_CASE("a limit is told with where it comes from") {
  quota::Tables tables;
  quota::override_live(tables, "user:bob@example.com mailbox", "5000 messages / 15m");
  quota::override_live(tables, "user:eve@example.com *", "none");
  struct Row {
    std::string who;
    json::value limit;
    json::value source;
  } const rows[] = {
      {"user:alice@example.com", "250 messages / 15m", "quota"},
      {"user:vip@example.com", "unlimited", "config override"},
      {"user:bob@example.com", "5000 messages / 15m", "live override"},
      {"user:eve@example.com", "none", "live override"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.who);
    const auto json = shown(row.who, {}, tables);
    const auto& limit = json.at("limits").at(0);
    CHECK(limit.at("limit") == row.limit);
    CHECK(limit.at("source") == row.source);
    const bool is_word = limit.at("limit") == "none" || limit.at("limit") == "unlimited";
    for (const auto* key : {"amount", "period", "burst", "used"}) CHECK(limit.at(key).is_null() == is_word);
  }
}

TEST_CASE("an exemption, a block and an account are told of whom they cover") {
  quota::Tables tables;
  quota::block(tables, "user:alice@example.com", "id=1 password stolen");
  tables.accounts.set(identity("user:alice@example.com"), {"acme", "gold"});
  struct Row {
    std::string who;
    json::value want;
  } const rows[] = {
      {"user:boss@example.com", "exempt.users"},     {"user:alice@example.com", nullptr},     {"sender:boss@example.com", nullptr},
      {"sender:x@news.example.com", "exempt.senders"}, {"client:198.51.100.7", "exempt.clients"}, {"client:192.0.2.1", nullptr},
      {"client:local/mx1", nullptr},
  };
  for (const auto& row : rows) {
    CAPTURE(row.who);
    CHECK(shown(row.who).at("exempt") == row.want);
  }
  const auto alice = shown("user:alice@example.com", {}, tables);
  CHECK(alice.at("blocked").at("reason") == "password stolen");
  CHECK(alice.at("account") == "acme");
}
