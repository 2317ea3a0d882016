// held, queue: one sender's mail in the queues, looked at, sent, removed, kept back; on this host, or on all of them.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <ostream>
#include <thread>

#include "milter/admin/json_line.hpp"
#include "milter/admin/target.hpp"
#include "milter/cli/commands.hpp"
#include "milter/cli/identity_argument.hpp"
#include "milter/cli/json_reading.hpp"
#include "milter/cli/progress_bar.hpp"
#include "milter/cli/queue_run.hpp"
#include "quota/text.hpp"
#include "quota/time_text.hpp"

namespace milter::cli {
namespace {

namespace json = boost::json;
using admin::percent_encode;
using namespace std::chrono_literals;
using quota::Fate;
using quota::OrderReport;
using quota::QueueAct;

constexpr auto look_every = 500ms;
constexpr auto longest_pause = 5000ms;

struct Typed {
  std::string identity, reason, wait = "30s";
  Fate fate = Fate::held;
  bool send = false, remove = false, hold = false;
  bool dry_run = false, with_bounces = false, all_hosts = false, at_once = false;
  mail_queue::Settings mta{};

  [[nodiscard]] bool acts() const { return send || remove || hold; }
  [[nodiscard]] QueueAct act() const { return send ? QueueAct::send : remove ? QueueAct::remove : QueueAct::hold; }
};

std::string path_of(const std::string& identity, const char* rest) { return "/v1/identities/" + percent_encode(identity) + rest; }

/// One question; the answer's body, or what it was not, already printed.
struct Asked {
  boost::json::object body{};
  ExitCode code = ExitCode::ok;
};
Asked ask_quietly(Session& session, const Call& call) {
  const auto answer = session.console.connect(session.options.socket)->ask(call);
  if (!answer) return {{}, fail(session, exit_code_of(answer.error().kind), answer.error().what, answer.error().hint)};
  const auto code = exit_code_of(answer->status);
  if (code != ExitCode::ok) return {{}, fail(session, code, text_at(answer->body, "error"), text_at(answer->body, "hint"))};
  return {answer->body, code};
}

void print(Session& session, const json::object& whole, Render render) {
  auto view = session.console.view;
  if (session.console.clock) view.now = session.console.clock();
  session.console.out << (session.options.json ? admin::json_line(json::object(whole)) : render(whole, view)) << std::flush;
}

constexpr std::size_t most_shown = 20;

/// The first messages of a shelf.
Asked first_mail(Session& session, const std::string& identity, const char* fate, const std::string& host) {
  json::array mail;
  std::string from;
  do {
    const auto page = ask_quietly(session, {"GET", "/v1/shelf?identity=" + percent_encode(identity) + "&fate=" + fate + "&host=" + percent_encode(host) +
                                                       "&from=" + percent_encode(from) + "&count=" + std::to_string(most_shown)});
    if (page.code != ExitCode::ok) return page;
    for (const auto& row : array_at(page.body, "mail"))
      if (mail.size() < most_shown) mail.push_back(row);
    from = text_at(page.body, "next");
  } while (!from.empty() && mail.size() < most_shown);
  return {{{"mail", std::move(mail)}}, ExitCode::ok};
}

/// The first messages of each shelf are shown with it.
ExitCode look(Session& session, const std::string& identity, Fate fate) {
  auto [mail, code] = ask_quietly(session, {"GET", path_of(identity, "/mail")});
  if (code != ExitCode::ok) return code;
  const char* const word = fate == Fate::held ? "held" : "sent";
  json::object whole{{"identity", text_at(mail, "identity")}, {"fate", word}, {"orders", array_at(mail, "orders")}};
  json::array shelves;
  for (const auto& value : array_at(mail, word)) {
    if (!value.is_object()) continue;
    auto shelf = value.get_object();
    const auto first = first_mail(session, identity, word, text_at(shelf, "host"));
    if (first.code != ExitCode::ok) return first.code;
    shelf["mail"] = array_at(first.body, "mail");
    shelves.push_back(std::move(shelf));
  }
  whole["shelves"] = std::move(shelves);
  print(session, whole, render_mail);
  return ExitCode::ok;
}

json::object counts_json(const OrderReport& report) {
  return {{"total", report.total}, {"done", report.done}, {"gone", report.gone}, {"skipped", report.skipped}, {"bounces", report.bounces}};
}

json::object json_of(const OrderReport& report, const std::string& host) {
  json::array skips;
  for (const auto& skip : report.skips) skips.emplace_back(quota::valid_utf8(skip));
  return {{"host", host}, {"state", json::string(name(report.state))}, {"counts", counts_json(report)}, {"error", nullptr}, {"skips", std::move(skips)}};
}

/// Until all is done, however long the sender's own rate takes.
quota::Result<OrderReport, std::string> run_here(Session& session, const Typed& typed, const std::string& identity, mail_queue::MailQueue& queue, const std::string& host) {
  const auto daemon = session.console.connect(session.options.socket);
  std::optional<ProgressBar> bar;
  OrderReport sum;
  const auto progress = [&](const OrderReport& now) {
    if (!bar && ::isatty(STDERR_FILENO) == 1 && now.total > 0)
      bar.emplace(static_cast<std::size_t>(sum.done + now.total), [](const std::string& text) { std::cerr << text << std::flush; });
    if (bar) bar->set_done(static_cast<std::size_t>(sum.done + now.done + now.gone + now.skipped));
    return GoOn::yes;
  };
  const auto clock = [] { return std::chrono::time_point_cast<quota::Milliseconds>(std::chrono::system_clock::now()); };
  for (;;) {
    QueueRun run({identity, host, typed.fate, typed.act(), typed.with_bounces, typed.at_once || typed.dry_run, typed.dry_run, {}}, {*daemon, queue, clock, progress});
    auto outcome = run.run();
    if (!outcome) return outcome.error();
    auto& report = outcome->report;
    report.total = std::max(sum.total, sum.done + sum.gone + report.total);
    report.done += sum.done;
    report.gone += sum.gone;
    report.bounces += sum.bounces;
    sum = std::move(report);
    if (sum.state != OrderReport::State::running) return sum;
    std::this_thread::sleep_for(std::min<quota::Milliseconds>(outcome->retry, longest_pause));
  }
}

ExitCode act_here(Session& session, const Typed& typed, const std::string& identity) {
  const auto give_up = [&](const std::string& why) {
    return fail(session, ::geteuid() == 0 ? ExitCode::unavailable : ExitCode::no_permission, why, ::geteuid() == 0 ? "" : "run it as root, or order it from sendquota-queue: --all-hosts");
  };
  if (::geteuid() != 0) return give_up("the queue of the mail server is root's");
  const auto queue = mail_queue::open(typed.mta);
  if (!queue) return give_up(queue.error());
  const auto host = (*queue)->host();
  if (!host) return give_up(host.error());
  const auto report = run_here(session, typed, identity, **queue, *host);
  if (!report) return fail(session, ExitCode::unavailable, report.error(), "what was done until then is done; run it again to go on");
  if (!typed.dry_run) {
    auto told = ask_quietly(session, {"POST", path_of(identity, "/told"),
                                      {{"fate", typed.fate == Fate::held ? "held" : "sent"}, {"act", json::string(name(typed.act()))}, {"host", *host}, {"counts", counts_json(*report)}, {"reason", typed.reason}}});
    if (told.code != ExitCode::ok) return told.code;
  }
  print(session, {{"identity", identity}, {"act", json::string(name(typed.act()))}, {"dry_run", typed.dry_run}, {"over", true}, {"hosts", json::array{json_of(*report, *host)}}}, render_order);
  return ExitCode::ok;
}

std::int64_t done_of(const json::object& order, std::int64_t& total) {
  std::int64_t done = 0;
  for (const auto& value : array_at(order, "hosts")) {
    if (!value.is_object()) continue;
    const auto& counts = object_at(value.get_object(), "counts");
    for (const auto* const what : {"done", "gone", "skipped"}) done += number_at(counts, what).value_or(0);
    total += number_at(counts, "total").value_or(0);
  }
  return done;
}

/// As the hosts report, until all have ended or the patience has.
ExitCode follow(Session& session, json::object order, const std::string& identity, quota::Milliseconds patience) {
  const auto until = std::chrono::steady_clock::now() + patience;
  const bool is_watched = ::isatty(STDERR_FILENO) == 1 && !session.options.json;
  const auto id = text_at(order, "order");
  while (!flag_at(order, "over") && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(look_every);
    auto [mail, code] = ask_quietly(session, {"GET", path_of(identity, "/mail")});
    if (code != ExitCode::ok) return code;
    for (const auto& value : array_at(mail, "orders"))
      if (value.is_object() && text_at(value.get_object(), "order") == id) order = value.get_object();
    std::int64_t total = 0;
    const auto done = done_of(order, total);
    if (is_watched) std::cerr << "\r" << done << " of " << total << " messages " << std::flush;
  }
  if (is_watched) std::cerr << "\r\x1b[K" << std::flush;
  print(session, order, render_order);
  return flag_at(order, "over") ? ExitCode::ok : ExitCode::no;
}

ExitCode act_everywhere(Session& session, const Typed& typed, const std::string& identity) {
  const auto patience = quota::parse_duration(typed.wait);
  if (!patience) return fail(session, ExitCode::usage, patience.error(), "");
  const auto order = ask_quietly(session, {"POST", path_of(identity, "/orders"),
                                           {{"fate", typed.fate == Fate::held ? "held" : "sent"}, {"act", json::string(name(typed.act()))}, {"with_bounces", typed.with_bounces}, {"at_once", typed.at_once}, {"reason", typed.reason}}});
  if (order.code != ExitCode::ok) return order.code;
  return follow(session, order.body, identity, *patience);
}

ExitCode queue(Session& session, const Typed& typed) {
  if (typed.identity.empty()) return ask(session, {"GET", "/v1/held"}, render_held);
  const auto identity = identity_from(typed.identity);
  if (!identity) return fail(session, ExitCode::usage, identity.error().what, "");
  if (!typed.acts()) return look(session, *identity, typed.fate);
  if (typed.all_hosts && !typed.dry_run) return act_everywhere(session, typed, *identity);
  return act_here(session, typed, *identity);
}

void add_options(CLI::App& command, Typed& typed) {
  command.add_flag("--dry-run", typed.dry_run, "Only say what would be done, on this host");
  command.add_flag("--with-bounces", typed.with_bounces, "The non-delivery notices of that mail as well");
  auto* everywhere = command.add_flag("--all-hosts", typed.all_hosts, "On every host, by its sendquota-queue");
  command.add_option("--wait", typed.wait, "How long to wait for all hosts")->needs(everywhere)->capture_default_str();
  command.add_option("--reason", typed.reason, "Why; goes into the event");
  command.add_option("--mta", typed.mta.mta, "postfix or sendmail; else the one that is here")->check(not_empty());
  command.add_option("--mta-config", typed.mta.config, "Folder of main.cf, or path of sendmail.cf; else the MTA's own")->check(not_empty());
}

}  // namespace

ExitCode follow_order(Session& session, const json::object& order, const std::string& identity, quota::Milliseconds patience) { return follow(session, order, identity, patience); }

void add_queue_commands(CLI::App& app, Session& session) {
  const auto held = std::make_shared<Typed>();
  auto* command = app.add_subcommand("held", "Whose mail is held; send or remove it");
  command->add_option("ID", held->identity, "kind:value, or an address, which means user:");
  auto* send = command->add_flag("--send", held->send, "Let it go, at the sender's own rate");
  auto* remove = command->add_flag("--delete", held->remove, "Remove it")->excludes(send);
  command->add_flag("--at-once", held->at_once, "All of it now, charged to nobody")->needs(send);
  add_options(*command, *held);
  (void)remove;
  command->callback([&session, held] { session.exit = queue(session, *held); });

  const auto queued = std::make_shared<Typed>();
  queued->fate = Fate::sent;
  command = app.add_subcommand("queue", "A sender's mail that was let through: keep it back, or remove it");
  command->add_option("--of", queued->identity, "kind:value, or an address, which means user:")->required()->check(not_empty());
  auto* hold = command->add_flag("--hold", queued->hold, "Keep back what is still in the queue");
  auto* let_go = command->add_flag("--send", queued->send, "Let go what was kept back")->excludes(hold);
  command->add_flag("--delete", queued->remove, "Remove what is still in the queue")->excludes(hold)->excludes(let_go);
  add_options(*command, *queued);
  command->callback([&session, queued] { session.exit = queue(session, *queued); });
}

}  // namespace milter::cli
