// held, queue: one sender's mail in the queues, looked at, sent, removed, kept back; on this host, or on all of them.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <ostream>
#include <set>
#include <thread>

#include "milter/admin/target.hpp"
#include "milter/cli/commands.hpp"
#include "milter/cli/identity_argument.hpp"
#include "milter/cli/json_reading.hpp"
#include "milter/cli/queue_here.hpp"
#include "quota/text.hpp"
#include "quota/time_text.hpp"

namespace milter::cli {
namespace {

namespace json = boost::json;
using admin::percent_encode;
using namespace std::chrono_literals;
using quota::Fate;
using quota::QueueAct;

constexpr auto look_every = 500ms;

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
    const auto first = first_mail(session, text_at(shelf, "identity"), word, text_at(shelf, "host"));
    if (first.code != ExitCode::ok) return first.code;
    shelf["mail"] = array_at(first.body, "mail");
    shelves.push_back(std::move(shelf));
  }
  whole["shelves"] = std::move(shelves);
  print(session, whole, render_mail);
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

ExitCode act_on(Session& session, const Typed& typed, const std::string& identity) {
  if (typed.all_hosts) return act_everywhere(session, typed, identity);
  return act_here(session, {{identity, {}, typed.fate, typed.act(), typed.with_bounces, typed.at_once || typed.dry_run, typed.dry_run, {}}, typed.reason, typed.mta});
}

/// Queue ids of mail that was let through are kept under who lists it: of a uid, a domain or an account it is that of its members.
ExitCode act_on_members(Session& session, const Typed& typed, const std::string& identity) {
  const auto [mail, code] = ask_quietly(session, {"GET", path_of(identity, "/mail")});
  if (code != ExitCode::ok) return code;
  std::set<std::string> members;
  for (const auto& value : array_at(mail, "sent"))
    if (value.is_object()) members.insert(text_at(value.get_object(), "identity"));
  if (members.empty()) return act_on(session, typed, identity);
  auto worst = ExitCode::ok;
  for (const auto& member : members)
    if (const auto ended = act_on(session, typed, member); ended != ExitCode::ok) worst = ended;
  return worst;
}

ExitCode queue(Session& session, const Typed& typed) {
  const auto act = std::string(typed.send ? "--send" : typed.hold ? "--hold" : "--delete");
  if (typed.identity.empty() && typed.acts())
    return fail(session, ExitCode::usage, act + " is about the mail of one sender, and none is named", "sendquota held ID " + act + "; 'sendquota held' lists whose mail is held");
  if (typed.identity.empty()) return ask(session, {"GET", "/v1/held"}, render_held);
  const auto identity = identity_from(typed.identity);
  if (!identity) return fail(session, ExitCode::usage, identity.error().what, "");
  if (!typed.acts()) return look(session, *identity, typed.fate);
  if (typed.all_hosts && typed.dry_run)
    return fail(session, ExitCode::usage, "--dry-run looks into the queue of this host, and --all-hosts is about the others too", "leave --all-hosts out, on each host of which you want to know");
  return typed.fate == Fate::sent ? act_on_members(session, typed, *identity) : act_on(session, typed, *identity);
}

void add_options(CLI::App& command, Typed& typed) {
  command.add_flag("--dry-run", typed.dry_run, "Only say what would be done, on this host");
  command.add_flag("--with-bounces", typed.with_bounces, "The non-delivery notices of that mail as well");
  auto* everywhere = command.add_flag("--all-hosts", typed.all_hosts, "On every host, by its sendquota-queue");
  command.add_option("--wait", typed.wait, "How long to wait for all hosts")->needs(everywhere)->capture_default_str();
  command.add_option("--reason", typed.reason, "Why; goes into the event");
  command.add_option("--mta", typed.mta.mta, "postfix or sendmail; else the one that is here")->check(CLI::IsMember({"postfix", "sendmail"}));
  command.add_option("--mta-config", typed.mta.config, "Folder of main.cf, or path of sendmail.cf; else the MTA's own")->check(not_empty());
}

}  // namespace

ExitCode follow_order(Session& session, const json::object& order, const std::string& identity, quota::Milliseconds patience) { return follow(session, order, identity, patience); }

void add_queue_commands(CLI::App& app, Session& session) {
  const auto held = std::make_shared<Typed>();
  auto* command = app.add_subcommand("held", "Whose mail is held; send or remove it");
  command->add_option("ID", held->identity, "kind:value, or an address, which means user:")->check(not_empty());
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
