// sendquota-queue: carries out on this host what was ordered about mail in its queue (quota/queue_order.hpp), and sends held mail as quotas
// refill where the configuration says so. The only part that runs as root: it knows the daemon's admin socket and the MTA's own programs,
// nothing else. It ends between two pieces of work, of a thousand messages at most; what was interrupted goes on where it was.
#include <signal.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <iostream>
#include <map>
#include <optional>

#include "milter/admin/api.hpp"
#include "milter/admin/target.hpp"
#include "milter/cli/http_client.hpp"
#include "milter/cli/json_reading.hpp"
#include "milter/cli/queue_run.hpp"
#include "milter/cli/terminal.hpp"
#include "quota/text.hpp"
#include "quota/time_text.hpp"

namespace {

namespace json = boost::json;
using namespace std::chrono_literals;
using namespace milter::cli;
using quota::OrderReport;

constexpr int wrong_usage = 64, cannot_run = 69;
constexpr auto look_every = 2s;
constexpr auto longest_pause = 60s;

struct Settings {
  std::string socket = milter::admin::default_socket_path;
  milter::mail_queue::Settings mta{};
  bool once = false;
};

quota::Timestamp host_clock() { return std::chrono::time_point_cast<quota::Milliseconds>(std::chrono::system_clock::now()); }

/// What a sender typed is in it: it must be UTF-8 and, a hundred of them, no longer than a request may be.
constexpr std::size_t longest_skip = 200, longest_error = 400;
std::string shown(const std::string& text, std::size_t most) { return quota::valid_utf8(printable(text).substr(0, most)); }

/// They are blocked, and looked at between two pieces of work.
constexpr std::array ending_signals{SIGTERM, SIGINT, SIGHUP};
bool is_to_end() {
  sigset_t pending;
  sigemptyset(&pending);
  sigpending(&pending);
  return std::any_of(ending_signals.begin(), ending_signals.end(), [&](int one) { return sigismember(&pending, one) == 1; });
}

void say(const std::string& text) { std::cerr << printable(text) << "\n" << std::flush; }

class Service {
 public:
  Service(Daemon& daemon, milter::mail_queue::MailQueue& queue, std::string host) : daemon_(daemon), queue_(queue), host_(std::move(host)) {}

  void look_once() {
    const auto answer = daemon_.ask({"GET", "/v1/orders?host=" + milter::admin::percent_encode(host_)});
    if (!answer || exit_code_of(answer->status) != ExitCode::ok) {
      const auto why = answer ? text_at(answer->body, "error") : answer.error().what;
      if (!std::exchange(is_away_, true)) say("no orders can be had: " + why);
      return;
    }
    if (std::exchange(is_away_, false)) say("orders can be had again");
    std::map<std::string, Tried> before;
    tried_.swap(before);  // of what is not wanted any longer nothing is kept
    const auto keep = [&](const std::string& what) { tried_.emplace(what, std::move(before[what])); };
    for (const auto& value : array_at(answer->body, "orders"))
      if (value.is_object()) keep(text_at(value.get_object(), "order"));
    for (const auto& value : array_at(answer->body, "auto"))
      if (value.is_string()) keep(std::string(value.get_string()));
    for (const auto& value : array_at(answer->body, "orders"))
      if (value.is_object() && !is_to_end()) carry_out(value.get_object());
    for (const auto& value : array_at(answer->body, "auto"))
      if (value.is_string() && !is_to_end()) send_some(std::string(value.get_string()));
  }

 private:
  using Clock = std::chrono::steady_clock;

  /// An order, or an identity whose held mail goes by itself.
  struct Tried {
    Clock::time_point not_before{};
    int errors = 0;                       ///< one after the other
    std::optional<OrderReport> ended{};   ///< how it has ended, though nobody may have heard of it
    std::string said{};  ///< last, so that a mail system that stays down is told of once
  };

  [[nodiscard]] QueueWorld world(std::function<GoOn(const OrderReport&)> progress) { return {daemon_, queue_, host_clock, std::move(progress)}; }

  /// What this host has said of an order before.
  [[nodiscard]] OrderReport before(const json::object& order) const {
    OrderReport report;
    for (const auto& value : array_at(order, "hosts")) {
      if (!value.is_object() || text_at(value.get_object(), "host") != host_) continue;
      const auto& counts = object_at(value.get_object(), "counts");
      report.total = number_at(counts, "total").value_or(0);
      report.done = number_at(counts, "done").value_or(0);
      report.gone = number_at(counts, "gone").value_or(0);
      report.bounces = number_at(counts, "bounces").value_or(0);
    }
    return report;
  }

  enum class Told : std::uint8_t { yes, not_wanted, unheard };

  Told report(const std::string& order, const OrderReport& report) {
    json::array skips;
    for (const auto& skip : report.skips) skips.emplace_back(shown(skip, longest_skip));
    const json::object counts{{"total", report.total}, {"done", report.done}, {"gone", report.gone}, {"skipped", report.skipped}, {"bounces", report.bounces}};
    const auto told = daemon_.ask({"PUT", "/v1/orders/" + milter::admin::percent_encode(order) + "/hosts/" + milter::admin::percent_encode(host_),
                                   {{"state", json::string(name(report.state))}, {"counts", counts}, {"error", shown(report.error, longest_error)}, {"skips", std::move(skips)}}});
    const auto code = told ? exit_code_of(told->status) : ExitCode::unavailable;
    if (code == ExitCode::ok) return Told::yes;
    say_once(order, "order " + order + ": what was done could not be told: " + (told ? text_at(told->body, "error") : told.error().what));
    return code == ExitCode::no ? Told::not_wanted : Told::unheard;
  }

  void carry_out(const json::object& order) {
    const auto id = text_at(order, "order");
    const auto act = quota::queue_act_called(text_at(order, "act"));
    const auto until = quota::parse_moment(text_at(order, "at"));
    if (id.empty() || !act || !until) return;
    auto& tried = tried_[id];
    if (Clock::now() < tried.not_before) return;
    if (tried.ended) return tell_end(id);
    const QueueTask task{text_at(order, "identity"), host_, text_at(order, "fate") == "held" ? quota::Fate::held : quota::Fate::sent, *act, flag_at(order, "with_bounces"),
                         flag_at(order, "at_once"), false, *until + 999ms};
    const auto known = before(order);
    QueueRun run(task, world([&](const OrderReport& now) {
                   if (is_to_end()) return GoOn::later;
                   auto running = sum_of(known, now, *act);
                   running.state = OrderReport::State::running;
                   return report(id, running) == Told::not_wanted ? GoOn::no : GoOn::yes;
                 }));
    const auto outcome = run.run();
    auto done = sum_of(known, run.so_far(), *act);
    if (!outcome) {
      done.state = OrderReport::State::running;
      done.error = outcome.error();
    }
    end(id, task, done, outcome ? std::chrono::duration_cast<Clock::duration>(outcome->retry) : pause_after_error(tried));
  }

  /// An error is tried again: a mail system that is down comes back.
  static Clock::duration pause_after_error(Tried& tried) { return std::min<Clock::duration>(longest_pause, 2s * (1 << std::min(tried.errors++, 5))); }

  void end(const std::string& id, const QueueTask& task, const OrderReport& done, Clock::duration pause) {
    auto& tried = tried_[id];
    tried.not_before = Clock::now() + std::clamp<Clock::duration>(pause, 1s, longest_pause);  // the limit may be another one by then
    if (done.error.empty()) tried.errors = 0;
    say_once(id, "order " + id + ": " + std::string(name(task.act)) + " mail of " + task.identity + ": " + std::string(name(done.state)) + ", " + std::to_string(done.done) + " of " +
                     std::to_string(done.total) + ", " + std::to_string(done.gone) + " gone, " + std::to_string(done.skipped) + " skipped" + (done.error.empty() ? "" : ": " + done.error));
    if (done.state == OrderReport::State::running) return void(report(id, done));
    tried.ended = done;
    tell_end(id);
  }

  /// Until it is heard: run again, it would find nothing and say so.
  void tell_end(const std::string& id) {
    auto& tried = tried_[id];
    if (report(id, *tried.ended) == Told::unheard)
      tried.not_before = Clock::now() + look_every;
    else
      tried.not_before = Clock::time_point::max();
  }

  /// Held mail that goes by itself: what the quotas let go now.
  void send_some(const std::string& identity) {
    if (Clock::now() < tried_[identity].not_before) return;
    auto& tried = tried_[identity];
    const auto goes_on = [](const OrderReport&) { return is_to_end() ? GoOn::later : GoOn::yes; };
    const auto outcome = QueueRun({identity, host_, quota::Fate::held, quota::QueueAct::send, false, false, false, {}, true}, world(goes_on)).run();
    const auto pause = outcome ? std::chrono::duration_cast<Clock::duration>(outcome->retry) : pause_after_error(tried);
    tried.not_before = Clock::now() + std::clamp<Clock::duration>(pause, 2s, longest_pause);
    if (!outcome)
      say_once(identity, "held mail of " + identity + " could not be sent: " + outcome.error());
    else if (outcome->report.done > 0)
      say("held mail of " + identity + ": " + std::to_string(outcome->report.done) + " sent as its quota refilled");
  }

  void say_once(const std::string& what, std::string text) {
    auto& said = tried_[what].said;
    if (said == text) return;
    say(text);
    said = std::move(text);
  }

  Daemon& daemon_;
  milter::mail_queue::MailQueue& queue_;
  const std::string host_;
  bool is_away_ = false;
  std::map<std::string, Tried> tried_{};
};

/// True: it is to end.
bool wait_for_end(const sigset_t& signals) {
  const timespec pause{std::chrono::seconds(look_every).count(), 0};
  return ::sigtimedwait(&signals, nullptr, &pause) > 0;
}

int serve(const Settings& settings) {
  if (::geteuid() != 0) {
    say("sendquota-queue must run as root: the queue of the mail server is root's");
    return cannot_run;
  }
  const auto queue = milter::mail_queue::open(settings.mta);
  if (!queue) {
    say(queue.error());
    return cannot_run;
  }
  const auto host = (*queue)->host();
  if (!host) {
    say(host.error());
    return cannot_run;
  }
  sigset_t signals;
  sigemptyset(&signals);
  for (const int one : ending_signals) sigaddset(&signals, one);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  HttpClient daemon(settings.socket, milter::admin::command_patience);
  Service service(daemon, **queue, *host);
  sd_notify(0, "READY=1");
  say("sendquota-queue carries out orders for " + *host);
  do service.look_once();
  while (!settings.once && !wait_for_end(signals));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  CLI::App app("Carries out on this host what sendquota orders about mail in its queue; runs as root.", "sendquota-queue");
  app.set_version_flag("--version", "sendquota-queue " SENDQUOTA_VERSION);
  app.add_option("--socket", settings.socket, "The daemon's admin socket")->capture_default_str();
  app.add_option("--mta", settings.mta.mta, "postfix or sendmail; else the one that is here")->check(CLI::IsMember({"postfix", "sendmail"}));
  app.add_option("--mta-config", settings.mta.config, "Folder of main.cf, or path of sendmail.cf; else the MTA's own");
  app.add_flag("--once", settings.once, "Look for orders once, carry them out, and end");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : wrong_usage;
  }
  return serve(settings);
}
