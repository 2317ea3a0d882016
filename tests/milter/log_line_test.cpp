#include "milter/log_line.hpp"

#include <doctest/doctest.h>

#include <random>

#include "quota/encoding.hpp"
#include "tests/support/example_policy.hpp"

using namespace milter;
using namespace std::chrono_literals;
using namespace std::string_view_literals;
using quota::Action;
using quota::Cause;

namespace {

quota::Envelope envelope() {
  auto envelope = quota::ExampleMessage().to(3).bytes(1234).envelope;
  envelope.client.client_name = "host.example.net";
  return envelope;
}

LogFacts facts() {
  LogFacts facts;
  facts.queue_id = "4XyZ";
  facts.stage = "END-OF-MESSAGE";
  facts.is_size_known = true;
  facts.now = quota::example_now;
  return facts;
}
LogFacts early(std::string_view stage) {
  auto early = facts();
  early.queue_id.clear();
  early.stage = stage;
  early.is_size_known = false;
  return early;
}

quota::Failure over() {
  quota::Failure failure;
  failure.action = Action::tempfail;
  failure.identity = {quota::Kind::user, "alice@example.com"};
  failure.quota = "mailbox";
  failure.limit = "250 messages / 15m";
  failure.used = failure.burst = 250;
  failure.cost = 1;
  failure.retry_at = quota::example_now + 36s + 1ms;
  return failure;
}
quota::Failure too_big() {
  auto failure = over();
  failure.cause = Cause::too_big;
  failure.limit = "300 recipients / message";
  failure.used = 0;
  failure.cost = 301;
  failure.retry_at.reset();
  return failure;
}
quota::Failure blocked() {
  quota::Failure failure;
  failure.cause = Cause::blocked;
  failure.identity = {quota::Kind::user, "alice@example.com"};
  failure.reason = "password stolen, \"ticket\" 4711";
  return failure;
}

quota::Verdict verdict(Action action, Cause cause, std::optional<quota::Failure> decider = {}) {
  quota::Verdict verdict;
  verdict.action = action;
  verdict.cause = cause;
  verdict.decider = std::move(decider);
  return verdict;
}

const std::string alice = "client=host.example.net[203.0.113.9], sasl_username=alice@example.com, from=<alice@example.com>, ";

}  // namespace

TEST_CASE("one line tells all there is to know of a message") {
  struct Row {
    LogFacts facts;
    quota::Verdict verdict;
    std::string want;
  };
  auto observed = verdict(Action::accept, Cause::within);
  observed.observed = {over()};
  auto outage = verdict(Action::accept, Cause::outage);
  outage.outage = "no connection to redis1:6379, \"refused\"";
  auto discarded = facts();
  discarded.is_discarded = true;
  const Row rows[] = {
      {facts(), verdict(Action::accept, Cause::within), "4XyZ: " + alice + "nrcpt=3, size=1234, script=, verdict=accept"},
      {facts(), verdict(Action::accept, Cause::exempt), "4XyZ: " + alice + "nrcpt=3, size=1234, script=, verdict=accept, cause=exempt"},
      {facts(), verdict(Action::tempfail, Cause::over, over()),
       "4XyZ: " + alice +
           "nrcpt=3, size=1234, script=, verdict=tempfail, quota=mailbox, identity=user:alice@example.com, "
           "limit=\"250 messages / 15m\", used=250, retry=37s"},
      {early("MAIL"), verdict(Action::tempfail, Cause::over, over()),
       "NOQUEUE: " + alice +
           "nrcpt=3, size=, script=, verdict=tempfail, quota=mailbox, identity=user:alice@example.com, "
           "limit=\"250 messages / 15m\", used=250, retry=37s, stage=MAIL"},
      {facts(), verdict(Action::reject, Cause::too_big, too_big()),
       "4XyZ: " + alice +
           "nrcpt=3, size=1234, script=, verdict=reject, quota=mailbox, identity=user:alice@example.com, "
           "limit=\"300 recipients / message\", used=301, retry=, cause=too_big"},
      {early("RCPT"), verdict(Action::reject, Cause::blocked, blocked()),
       "NOQUEUE: " + alice +
           "nrcpt=3, size=, script=, verdict=reject, quota=, identity=user:alice@example.com, "
           "limit=\"\", used=0, retry=, reason=password%20stolen%2C%20%22ticket%22%204711, cause=blocked, stage=RCPT"},
      {facts(), observed,
       "4XyZ: " + alice +
           "nrcpt=3, size=1234, script=, verdict=accept, observed=tempfail, quota=mailbox, identity=user:alice@example.com, "
           "limit=\"250 messages / 15m\", used=250, retry=37s"},
      {facts(), outage,
       "4XyZ: " + alice + "nrcpt=3, size=1234, script=, verdict=accept, cause=outage, store_error=\"no connection to redis1:6379, %22refused%22\""},
      {discarded, verdict(Action::quarantine, Cause::over, over()),
       "4XyZ: " + alice +
           "nrcpt=3, size=1234, script=, verdict=discard, quota=mailbox, identity=user:alice@example.com, "
           "limit=\"250 messages / 15m\", used=250, retry=37s"},
  };
  for (const auto& row : rows) CHECK(log_line(row.facts, envelope(), row.verdict) == row.want);
}

TEST_CASE("the client, the sender and the script are written as Postfix writes them") {
  struct Row {
    std::string reason;
    void (*change)(quota::Envelope&);
    std::string part;
  } const rows[] = {
      {"no reverse name", [](quota::Envelope& one) { one.client.client_name = "[203.0.113.9]"; }, "client=unknown[203.0.113.9], "},
      {"IPv6", [](quota::Envelope& one) { one.client.address = quota::must(quota::IpAddress::parse("2001:db8::1")); },
       "client=host.example.net[2001:db8::1], "},
      {"no address at all", [](quota::Envelope& one) { one.client.address.reset(), one.client.client_name.clear(); }, "client=unknown[unknown], "},
      {"no login", [](quota::Envelope& one) { one.auth_authen.clear(); }, "sasl_username=, "},
      {"the null sender", [](quota::Envelope& one) { one.mail_from = "<>"; }, "from=<>, "},
      {"a sender without brackets", [](quota::Envelope& one) { one.mail_from = "www-data@mx1"; }, "from=<www-data@mx1>, "},
      {"half a bracket", [](quota::Envelope& one) { one.mail_from = "<"; }, "from=<%3C>, "},
      {"a script", [](quota::Envelope& one) { one.php_script = "1000:form.php"; }, "script=1000:form.php, "},
      {"a size of nothing", [](quota::Envelope& one) { one.bytes = 0; }, "size=0, "},
  };
  for (const auto& row : rows) {
    CAPTURE(row.reason);
    auto changed = envelope();
    row.change(changed);
    CHECK(log_line(facts(), changed, verdict(Action::accept, Cause::within)).find(row.part) != std::string::npos);
  }
}

TEST_CASE("a time to retry is in whole seconds, rounded up, and never negative") {
  struct Row {
    quota::Milliseconds in;
    std::string want;
  } const rows[] = {{1ms, "retry=1s"}, {1000ms, "retry=1s"}, {1001ms, "retry=2s"}, {0ms, "retry=0s"}, {-5s, "retry=0s"}};
  for (const auto& row : rows) {
    auto failure = over();
    failure.retry_at = quota::example_now + row.in;
    CHECK(log_line(facts(), envelope(), verdict(Action::tempfail, Cause::over, failure)).ends_with(row.want));
  }
}

namespace {

/// What a stranger may type, with a liking for what would break a line.
std::string anything(std::mt19937& random) {
  constexpr std::string_view nasty = "\n\r\t\0 ,=\"<>[]%:;\\{}\x1b\x7f\xff"sv;
  std::uniform_int_distribution<std::size_t> length(0, 40);
  std::uniform_int_distribution<int> any(0, 511);
  std::string out(length(random), ' ');
  for (auto& c : out) {
    const auto value = any(random);
    c = value < 256 ? static_cast<char>(value) : nasty[static_cast<std::size_t>(value) % nasty.size()];
  }
  if (any(random) % 4 == 0) out += ", verdict=accept, identity=user:bob@example.com\n4XyZ: client=evil[1.1.1.1]";
  return out;
}

using Fields = std::vector<std::pair<std::string, std::string>>;

/// A line as a program reads it: the queue id up to the first `: `, then `name=value` by `, `, except between quotes.
Fields split(std::string_view line) {
  const auto colon = line.find(": ");
  Fields fields{{"queue_id", std::string(line.substr(0, colon))}};
  line.remove_prefix(colon + 2);
  while (!line.empty()) {
    bool is_quoted = false;
    std::size_t end = 0;
    for (; end < line.size() && (is_quoted || line.substr(end, 2) != ", "); ++end)
      if (line[end] == '"') is_quoted = !is_quoted;
    const auto field = line.substr(0, end);
    const auto equals = field.find('=');
    fields.emplace_back(field.substr(0, equals), field.substr(equals + 1));
    line.remove_prefix(std::min(end + 2, line.size()));
  }
  return fields;
}

std::string between(std::string_view value, std::size_t each_side) { return quota::decoded(value.substr(each_side, value.size() - 2 * each_side)); }

}  // namespace

TEST_CASE("whatever a sender types, the line splits back into the same fields") {
  std::mt19937 random(20261122);
  for (int i = 0; i < 5000; ++i) {
    auto typed = envelope();
    auto told = facts();
    auto failure = blocked();
    typed.client.client_name = "h" + anything(random);
    typed.auth_authen = anything(random);
    typed.mail_from = "<" + anything(random) + ">";
    typed.php_script = anything(random);
    told.queue_id = "q" + anything(random);
    failure.identity = quota::must(quota::user_identity("u" + anything(random), "example.com"));
    failure.reason = "r" + anything(random);
    auto judged = verdict(Action::reject, Cause::blocked, failure);
    judged.outage = "o" + anything(random);
    const auto line = log_line(told, typed, judged);
    CAPTURE(line);
    REQUIRE(std::all_of(line.begin(), line.end(), [](char c) { return c >= ' ' && c <= '~'; }));
    const auto fields = split(line);
    std::string names;
    for (const auto& [name, value] : fields) names += name + " ";
    REQUIRE(names == "queue_id client sasl_username from nrcpt size script verdict quota identity limit used retry reason cause store_error ");
    REQUIRE(quota::decoded(fields[0].second) == told.queue_id);
    REQUIRE(quota::decoded(fields[1].second) == typed.client.client_name + "[203.0.113.9]");
    REQUIRE(quota::decoded(fields[2].second) == typed.auth_authen);
    REQUIRE(between(fields[3].second, 1) == typed.mail_from.substr(1, typed.mail_from.size() - 2));
    REQUIRE(quota::decoded(fields[6].second) == *typed.php_script);
    REQUIRE(fields[7].second == "reject");
    REQUIRE(fields[9].second == failure.identity.text());
    REQUIRE(quota::decoded(fields[13].second) == failure.reason);
    REQUIRE(fields[15].second == "\"" + readable(judged.outage) + "\"");
  }
}

TEST_CASE("a value that is too long is cut, and the rest of the line stays") {
  auto typed = envelope();
  typed.mail_from = "<" + std::string(4000, 'x') + "@example.com>";
  const auto line = log_line(facts(), typed, verdict(Action::accept, Cause::within));
  CHECK(line.find("from=<" + std::string(256, 'x') + ">, nrcpt=3") != std::string::npos);
  CHECK(line.ends_with("verdict=accept"));
}

TEST_CASE("bytes for other lines are one word, an address, or a sentence") {
  CHECK(log_safe("a b\n\"c\"") == "a%20b%0A%22c%22");
  CHECK(log_address("<alice@example.com>") == "<alice@example.com>");
  CHECK(log_address("alice@example.com>\n") == "<alice@example.com%3E%0A>");
  CHECK(readable("no answer: \"gone\", 50%\n") == "no answer: %22gone%22, 50%%0A");
  CHECK(readable(std::string(5000, 'x')).size() == 1000);
}
