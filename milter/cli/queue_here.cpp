#include "milter/cli/queue_here.hpp"

#include <unistd.h>

#include <algorithm>
#include <iostream>

#include "milter/admin/api.hpp"
#include "milter/admin/target.hpp"
#include "milter/cli/interruption.hpp"
#include "milter/cli/progress_bar.hpp"
#include "quota/text.hpp"

namespace milter::cli {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;
using quota::Fate;
using quota::OrderReport;

constexpr quota::Milliseconds longest_pause = 5000ms;

json::object counts_json(const OrderReport& report) {
  return {{"total", report.total}, {"done", report.done}, {"gone", report.gone}, {"skipped", report.skipped}, {"bounces", report.bounces}};
}

json::object host_json(const OrderReport& report, const std::string& host) {
  json::array skips;
  for (const auto& skip : report.skips) skips.emplace_back(quota::valid_utf8(skip));
  return {{"host", host}, {"state", json::string(name(report.state))}, {"counts", counts_json(report)}, {"error", nullptr}, {"skips", std::move(skips)}};
}

/// Running: it was interrupted, or ended by `report.error`.
OrderReport run_all(Session& session, const QueueTask& task, mail_queue::MailQueue& queue, const Interruption& interruption) {
  const auto daemon = session.console.connect(session.options.socket);
  std::optional<ProgressBar> bar;
  OrderReport sum;
  const auto progress = [&](const OrderReport& now) {
    if (!bar && ::isatty(STDERR_FILENO) == 1 && now.total > 0)
      bar.emplace(static_cast<std::size_t>(sum.done + now.total), [](const std::string& text) { std::cerr << text << std::flush; });
    if (bar) bar->set_done(static_cast<std::size_t>(sum.done + now.done + now.gone + now.skipped));
    return interruption.is_there() ? GoOn::later : GoOn::yes;
  };
  const auto clock = [] { return std::chrono::time_point_cast<quota::Milliseconds>(std::chrono::system_clock::now()); };
  for (;;) {
    QueueRun run(task, {*daemon, queue, clock, progress});
    const auto outcome = run.run();
    sum = sum_of(sum, run.so_far(), task.act);
    if (!outcome) {
      sum.state = OrderReport::State::running;
      sum.error = outcome.error();
      return sum;
    }
    if (sum.state == OrderReport::State::running && !interruption.is_there()) interruption.pause(std::min(outcome->retry, longest_pause));
    if (sum.state != OrderReport::State::running || interruption.is_there()) return sum;
  }
}

ExitCode cannot(Session& session, const std::string& why) {
  if (::geteuid() == 0) return fail(session, ExitCode::unavailable, why, "");
  return fail(session, ExitCode::no_permission, why, "run it as root, or order it from sendquota-queue: --all-hosts");
}

const char* fate_word(Fate fate) { return fate == Fate::held ? "held" : "sent"; }

ExitCode nothing_known(Session& session, const QueueTask& task) {
  const auto what = task.fate == Fate::held ? "no mail of " + task.identity + " is known to be held on " : "no queue id of mail of " + task.identity + " is known of ";
  return fail(session, ExitCode::no, what + task.host, "--all-hosts is about the other hosts too");
}

ExitCode tell(Session& session, const DoneHere& wanted, const QueueTask& task, const OrderReport& report) {
  auto reason = wanted.reason;
  if (report.state == OrderReport::State::running) {
    const std::string ended = report.error.empty() ? "interrupted" : "ended by an error";
    reason = ended + (reason.empty() ? "" : ": ") + std::string(quota::head_of(reason, admin::max_reason_bytes - ended.size() - 2));
  }
  const Call call{"POST", "/v1/identities/" + admin::percent_encode(task.identity) + "/told",
                  {{"fate", fate_word(task.fate)}, {"act", json::string(name(task.act))}, {"host", task.host}, {"counts", counts_json(report)}, {"reason", reason}}};
  return ask_quietly(session, call).code;
}

}  // namespace

ExitCode act_here(Session& session, const DoneHere& wanted) {
  if (::geteuid() != 0) return cannot(session, "the queue of the mail server is root's");
  const auto queue = mail_queue::open(wanted.mta);
  if (!queue) return cannot(session, queue.error());
  const auto host = (*queue)->host();
  if (!host) return cannot(session, host.error());
  auto task = wanted.task;
  task.host = *host;
  Interruption interruption;
  const auto report = run_all(session, task, **queue, interruption);
  if (!report.error.empty()) {
    if (report.done + report.gone + report.bounces > 0 && !task.is_dry) (void)tell(session, wanted, task, report);
    return fail(session, ExitCode::unavailable, report.error, "what was done until then is done; run it again to go on");
  }
  if (report.total == 0 && report.bounces == 0) return nothing_known(session, task);
  const bool is_over = report.state != OrderReport::State::running;
  if (is_over) interruption.forget();
  const auto told = task.is_dry ? ExitCode::ok : tell(session, wanted, task, report);
  if (told == ExitCode::ok || !session.options.json)
    print(session, {{"identity", task.identity}, {"act", json::string(name(task.act))}, {"dry_run", task.is_dry}, {"over", is_over}, {"hosts", json::array{host_json(report, task.host)}}}, render_order);
  return told;
}

}  // namespace milter::cli
