#include "milter/cli/app.hpp"

#include <doctest/doctest.h>

#include <sstream>

#include "tests/milter/cli/example_view.hpp"

using namespace milter::cli;

namespace {

using Told = quota::Result<Answer, Failure>;

Told answer(unsigned status, const std::string& text) {
  return Answer{status, text, boost::json::parse(text).as_object()};
}

/// One run of the command against a daemon that answers `next`.
struct Run {
  std::string out, err, socket;
  std::vector<std::string> asked;
  int exit = -1;

  Run(std::vector<const char*> arguments, const Told& next = answer(200, "{}")) {
    arguments.insert(arguments.begin(), "sendquota");
    std::ostringstream out_stream, err_stream;
    Console console{out_stream, err_stream, test::view, [&](const std::string& path) {
                      socket = path;
                      return std::make_unique<Scripted>(asked, next);
                    }};
    exit = static_cast<int>(run(static_cast<int>(arguments.size()), arguments.data(), console));
    out = out_stream.str();
    err = err_stream.str();
  }

 private:
  struct Scripted final : Daemon {
    std::vector<std::string>& asked;
    Told next;
    Scripted(std::vector<std::string>& told, Told answered) : asked(told), next(std::move(answered)) {}
    Told ask(const Call& call) override {
      asked.push_back(call.method + " " + call.target +
                      (call.body.empty() ? "" : " " + boost::json::serialize(call.body)));
      return next;
    }
  };
};

/// The one JSON document that `out` is, on a line of its own.
boost::json::object document(const std::string& out) {
  REQUIRE(out.find('\n') == out.size() - 1);
  boost::json::error_code error;
  auto value = boost::json::parse(out, error);
  REQUIRE_MESSAGE(!error, out);
  return value.as_object();
}

}  // namespace

TEST_CASE("each command asks the daemon one thing") {
  struct {
    std::vector<const char*> arguments;
    std::string want;
  } const cases[] = {
      {{"status"}, "GET /v1/status"},
      {{"show", "alice@example.com"}, "GET /v1/identities/user%3Aalice%40example.com"},
      {{"show", "script:mx1/1000:form.php"}, "GET /v1/identities/script%3Amx1%2F1000%3Aform.php"},
      {{"blocked"}, "GET /v1/blocked"},
      {{"limits"}, "GET /v1/limits"},
      {{"nodes"}, "GET /v1/nodes"},
      {{"mode"}, "GET /v1/mode"},
      {{"mode", "observe"}, R"(PUT /v1/mode {"mode":"observe"})"},
      {{"mode", "enforce", "--for", "2h"}, R"(PUT /v1/mode {"mode":"enforce","for":"2h"})"},
      {{"mode", "config"}, "DELETE /v1/mode"},
      {{"release", "alice@example.com"}, "POST /v1/identities/user%3Aalice%40example.com/release"},
      {{"release", "alice", "--reason", "it's fine"},
       R"(POST /v1/identities/user%3Aalice/release {"reason":"it's fine"})"},
      {{"block", "uid:mx1/33", "--for", "1h", "--reason", "ticket 4711"},
       R"(POST /v1/identities/uid%3Amx1%2F33/block {"for":"1h","reason":"ticket 4711"})"},
      {{"limit", "alice", "mailbox", "5000 messages / 1d", "--for", "1d"},
       R"(PUT /v1/identities/user%3Aalice/limits/mailbox {"for":"1d","limit":"5000 messages / 1d"})"},
      {{"limit", "alice", "mailbox", "5000", "messages", "/", "1d"},
       R"(PUT /v1/identities/user%3Aalice/limits/mailbox {"limit":"5000 messages / 1d"})"},
      {{"limit", "*", "*", "unlimited"}, R"(PUT /v1/identities/%2A/limits/%2A {"limit":"unlimited"})"},
      {{"limit", "alice", "mailbox", "remove"}, "DELETE /v1/identities/user%3Aalice/limits/mailbox"},
      {{"reload"}, "POST /v1/reload"},
  };
  for (const auto& [arguments, want] : cases) {
    const Run run(arguments);
    CHECK(run.exit == 0);
    CHECK(run.asked == std::vector<std::string>{want});
    CHECK(run.socket == "/run/sendquota/admin.sock");
    CHECK(run.err == "");
  }
}

TEST_CASE("global options may stand before or after the command") {
  for (const auto& arguments : {std::vector<const char*>{"--json", "--socket", "/tmp/x.sock", "status"},
                                std::vector<const char*>{"status", "--socket", "/tmp/x.sock", "--json"}}) {
    const Run run(arguments, answer(200, R"({ "as": "it is" })"));
    CHECK(run.socket == "/tmp/x.sock");
    CHECK(run.out == "{ \"as\": \"it is\" }\n");
  }
}

TEST_CASE("a command line without meaning asks nothing and is exit 64") {
  const std::vector<const char*> cases[] = {{},
                                            {"frobnicate"},
                                            {"show"},
                                            {"show", "a", "b"},
                                            {"show", "192.0.2.1"},
                                            {"block", "@example.com"},
                                            {"block", "*"},
                                            {"mode", "off"},
                                            {"mode", "--for", "1h"},
                                            {"mode", "config", "--for", "1h"},
                                            {"limit", "alice", "mailbox"},
                                            {"status", "--colour"},
                                            {"status", "--json=false"},
                                            {"show", "user:caf\xE9"},
                                            {"block", "alice", "--reason", "\xE9"},
                                            {"block", "alice", "--for", ""},
                                            {"block", "alice", "--for="},
                                            {"limit", "alice", "mailbox", "none", "--for", ""},
                                            {"mode", "observe", "--for", ""},
                                            {"status", "--socket", ""},
                                            {"check-config", ""},
                                            {"try", "--user", ""},
                                            {"try", "--script", ""},
                                            {"try", "--milter", ""},
                                            {"try", "--milter", "nonsense"},
                                            {"try", "--milter", "inet:port@localhost"},
                                            {"try", "--script", "1000:form.php", "--user", "alice"},
                                            {"try", "--script", "1000:form.php", "--client", "192.0.2.7"},
                                            {"try", "--count", "0"},
                                            {"held", "--delete"},
                                            {"held", "--send", "--all-hosts"},
                                            {"held", ""},
                                            {"held", "", "--delete", "--all-hosts"},
                                            {"held", "alice", "--delete", "--dry-run", "--all-hosts"},
                                            {"queue", "--of", "alice", "--hold", "--dry-run", "--all-hosts"},
                                            {"queue", "--of", "alice", "--delete", "--mta", "exim"}};
  for (auto arguments : cases) {
    CAPTURE(arguments.size());
    CAPTURE((arguments.empty() ? "" : arguments.front()));
    const Run run(arguments);
    CHECK(run.exit == 64);
    CHECK(run.asked.empty());
    CHECK(run.out == "");
    CHECK(run.err.starts_with("sendquota: "));

    arguments.insert(arguments.begin(), "--json");
    const Run json(arguments);
    CHECK(json.exit == 64);
    CHECK(json.err == "");
    CHECK(document(json.out).contains("error"));
  }
}

TEST_CASE("an act without a sender says what to type, and one that is only looked at that it is of this host") {
  CHECK(Run({"held", "--delete"}).err == "sendquota: --delete is about the mail of one sender, and none is named\nhint: sendquota held ID --delete; 'sendquota held' lists whose mail is held\n");
  CHECK(Run({"held", "alice", "--send", "--dry-run", "--all-hosts"}).err ==
        "sendquota: --dry-run looks into the queue of this host, and --all-hosts is about\n  the others too\nhint: leave --all-hosts out, on each host of which you want to know\n");
}

TEST_CASE("an argument that is no UTF-8 is named, with what to write instead") {
  const Run run({"show", "user:caf\xE9"});
  CHECK(run.err == "sendquota: \"user:caf\uFFFD\" is not UTF-8\nhint: in an identity write such a byte as %XX, for example user:caf%E9\n");
}

TEST_CASE("--json is one document, whatever is asked") {
  const Run version({"--version", "--json"}), help({"show", "--help", "--json"});
  CHECK(document(version.out) == boost::json::object{{"version", SENDQUOTA_VERSION}});
  CHECK(std::string_view(document(help.out).at("help").as_string()).find("kind:value") != std::string_view::npos);
  // What follows `--` is no option.
  CHECK(Run({"show", "--", "--json"}).out == Run({"show", "alice"}).out);
}

TEST_CASE("a try that nobody answers is one document too, and says why") {
  const Run plain({"try", "--milter", "unix:/no/such/socket"});
  CHECK(plain.exit == 69);
  CHECK(plain.out == "");
  CHECK(plain.err.starts_with("sendquota: unix:/no/such/socket: No such file or directory\nhint: is sendquotad running"));
  const Run json({"--json", "try", "--milter", "unix:/no/such/socket"});
  CHECK(json.exit == 69);
  CHECK(json.err == "");
  const auto told = document(json.out);
  CHECK(told.at("messages").as_array().empty());
  CHECK(told.at("error") == "unix:/no/such/socket: No such file or directory");
}

TEST_CASE("help and version are answers, not errors") {
  CHECK(Run({"--help"}).exit == 0);
  CHECK(Run({"show", "--help"}).exit == 0);
  CHECK(Run({"--version"}).out == "sendquota " SENDQUOTA_VERSION "\n");
  CHECK(Run({"--help"}).out.find("Exit codes:") != std::string::npos);
}

TEST_CASE("the help of every command fits 80 columns") {
  for (const char* command : {"", "status", "show", "blocked", "limits", "nodes", "mode", "release", "block", "limit", "reload",
                              "check-config", "try"}) {
    std::istringstream lines(*command ? Run({command, "--help"}).out : Run({"--help"}).out);
    for (std::string line; std::getline(lines, line);) CHECK_MESSAGE(line.size() <= 80, line);
  }
}

TEST_CASE("the exit code says what kind of no it is, and --json says it in JSON on the standard output") {
  using Kind = Failure::Kind;
  struct {
    Told told;
    int want;
  } const cases[] = {
      {answer(400, R"({"error":"e","hint":"h"})"), 64},
      {answer(404, R"({"error":"e","hint":"h"})"), 1},
      {answer(405, R"({"error":"e","hint":"h"})"), 1},
      {answer(409, R"({"error":"e","hint":"h"})"), 1},
      {answer(422, R"({"error":"e","hint":"h"})"), 78},
      {answer(500, R"({"error":"e","hint":"h"})"), 70},
      {answer(503, R"({"error":"e","hint":"h"})"), 69},
      {Failure{Kind::unreachable, "e", "h"}, 69},
      {Failure{Kind::denied, "e", "h"}, 77},
      {Failure{Kind::late, "e", "h"}, 69},
      {Failure{Kind::garbled, "e", "h"}, 70},
  };
  for (const auto& [told, want] : cases) {
    const Run plain({"status"}, told);
    CHECK(plain.exit == want);
    CHECK(plain.out == "");
    CHECK(plain.err == "sendquota: e\nhint: h\n");
    const Run json({"status", "--json"}, told);
    CHECK(json.exit == want);
    CHECK(json.out == "{\"error\":\"e\",\"hint\":\"h\"}\n");
    CHECK(json.err == "");
  }
}
