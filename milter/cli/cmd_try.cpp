// try: plays the MTA towards a running daemon, so that anybody can see a policy work before touching an MTA.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <memory>
#include <ostream>

#include "milter/cli/commands.hpp"
#include "milter/cli/table.hpp"
#include "milter/cli/try_run.hpp"
#include "milter/config.hpp"

namespace milter::cli {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

struct TryArguments {
  std::string milter;  // the daemon's milter socket; empty: the configuration says
  std::string user;
  std::string sender = "sender@example.com";
  std::string client = "192.0.2.1";
  std::string script;
  std::string host = "mail.example.com";
  std::uint32_t count = 1;
  std::uint32_t recipients = 1;
};

mta::Message message_of(const TryArguments& arguments) {
  mta::Message message;
  message.mta_host = arguments.host;
  message.mail_from = arguments.sender;
  message.headers = {{"Subject", "sendquota try"}};
  message.body = "A message that is never sent.\r\n";
  for (std::uint32_t i = 1; i <= arguments.recipients; ++i) message.recipients.push_back(fmt::format("recipient{}@example.org", i));
  if (!arguments.script.empty()) {
    message.origin = mta::Origin::local;
    message.headers.push_back({"X-PHP-Originating-Script", arguments.script});
    return message;
  }
  message.client_host = "[" + arguments.client + "]";
  message.client_address = arguments.client;
  if (!arguments.user.empty()) {
    message.auth_type = "PLAIN";
    message.auth_authen = arguments.user;
  }
  return message;
}

std::string_view verdict_name(mta::Fate fate) {
  switch (fate) {
    case mta::Fate::passed: return "accept";
    case mta::Fate::held: return "quarantine";
    case mta::Fate::discarded: return "discard";
    case mta::Fate::deferred: return "tempfail";
    case mta::Fate::rejected: return "reject";
  }
  return "";
}

Style style_of(mta::Fate fate) {
  if (fate == mta::Fate::passed) return Style::good;
  return fate == mta::Fate::held || fate == mta::Fate::deferred ? Style::warning : Style::bad;
}

std::string number_text(const TryRow& row) { return row.first == row.last ? fmt::format("{}", row.first) : fmt::format("{}-{}", row.first, row.last); }

std::string table_of(const TryResult& result, const View& view) {
  Table table({{"messages"}, {"verdict"}, {"at"}, {"answer", Column::Fit::wrap}});
  for (const auto& row : result.rows)
    table.add({{number_text(row)}, {std::string(verdict_name(row.fate)), style_of(row.fate)}, {row.stage}, {row.answer}});
  return table.text(view);
}

json::object json_of(const TryResult& result) {
  json::array rows;
  for (const auto& row : result.rows)
    rows.push_back(json::object{{"first", row.first}, {"last", row.last}, {"verdict", json::string(verdict_name(row.fate))}, {"stage", row.stage}, {"answer", row.answer}});
  return {{"messages", std::move(rows)}};
}

/// A bar on the terminal where it takes longer than a second.
class ProgressBar {
 public:
  explicit ProgressBar(std::size_t count) : count_(count), is_terminal_(::isatty(STDERR_FILENO) == 1) {}
  ~ProgressBar() {
    if (is_shown_) fmt::print(stderr, "\r{:60}\r", "");
  }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void show(std::size_t done) {
    const auto now = std::chrono::steady_clock::now();
    if (!is_terminal_ || now < next_) return;
    next_ = now + 100ms;
    is_shown_ = true;
    constexpr std::size_t width = 40;
    const auto filled = width * done / count_;
    fmt::print(stderr, "\r[{}{}] {}/{}", std::string(filled, '#'), std::string(width - filled, '.'), done, count_);
  }

 private:
  const std::size_t count_;
  const bool is_terminal_;
  bool is_shown_ = false;
  std::chrono::steady_clock::time_point next_ = std::chrono::steady_clock::now() + 1s;
};

ExitCode try_policy(Session& session, const TryArguments& arguments) {
  auto milter = arguments.milter;
  if (milter.empty()) {
    const auto config = load_config(session.options.config);
    if (!config)
      return fail(session, ExitCode::config, "the milter socket is not known: " + format(config.error().front()), "name it: --milter unix:/path");
    milter = config->milter.listen;
  }
  TryResult result;
  {
    ProgressBar bar(arguments.count);
    result = run_try({milter, message_of(arguments), arguments.count}, [&](std::size_t done) { bar.show(done); });
  }
  if (session.options.json)
    session.console.out << json_of(result) << '\n';
  else if (!result.rows.empty())
    session.console.out << table_of(result, session.console.view);
  if (result.error.empty()) return ExitCode::ok;
  return fail(session, ExitCode::unavailable, result.error, "is sendquotad running, and may you use " + milter + "?");
}

}  // namespace

void add_try(CLI::App& app, Session& session) {
  auto* command = app.add_subcommand("try", "Play made-up messages to the daemon and show its verdicts; they are charged as real ones");
  const auto arguments = std::make_shared<TryArguments>();
  command->add_option("--milter", arguments->milter, "The milter socket; else the one of the configuration");
  command->add_option("--user", arguments->user, "The SMTP-AUTH login");
  command->add_option("--sender", arguments->sender, "The envelope sender")->capture_default_str();
  command->add_option("--client", arguments->client, "The client's address")->capture_default_str()->check(CLI::Validator(
      [](std::string& text) { return quota::IpAddress::parse(text) ? std::string() : text + " is no address"; }, "ADDRESS"));
  command->add_option("--script", arguments->script, "A PHP script that submits locally, e.g. 1000:form.php");
  command->add_option("--host", arguments->host, "The MTA's own name")->capture_default_str();
  command->add_option("--count", arguments->count, "How many messages")->check(CLI::Range(1U, 1000000U));
  command->add_option("--recipients", arguments->recipients, "Recipients of each")->check(CLI::Range(1U, 100000U));
  command->callback([&session, arguments] { session.exit = try_policy(session, *arguments); });
}

}  // namespace milter::cli
