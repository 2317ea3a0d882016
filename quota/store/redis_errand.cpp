#include "quota/store/redis_errand.hpp"

#include <algorithm>
#include <random>
#include <thread>

#include "quota/text.hpp"

namespace quota {
namespace {

using Clock = std::chrono::steady_clock;
using Code = ServerErrorCode;

/// Redirections of one question; more than any map that is not running in circles needs.
constexpr int most_hops = 16;
const Command asking{"ASKING"};

/// What a server says that cannot serve anybody now.
bool cannot_serve(Code code) {
  return code == Code::readonly || code == Code::loading || code == Code::masterdown || code == Code::noreplicas ||
         code == Code::oom || code == Code::misconf || code == Code::busy || code == Code::max_clients || code == Code::clusterdown;
}

bool is_of_a_cluster(Code code) {
  return code == Code::moved || code == Code::ask || code == Code::tryagain || code == Code::clusterdown || code == Code::crossslot;
}

StoreError too_late(const StoreError* last) {
  StoreError error{StoreErrorKind::timed_out, Executed::no, "the deadline passed before anything was asked"};
  if (last) error.text = "the deadline passed; the last answer was: " + last->text;
  return error;
}

void pause_until(Deadline deadline) {
  thread_local std::minstd_rand random{std::random_device{}()};
  const auto pause = std::chrono::microseconds{std::uniform_int_distribution<>(2000, 5000)(random)};
  std::this_thread::sleep_until(std::min<Deadline>(deadline, Clock::now() + pause));
}

}  // namespace

std::optional<Redirection> parse_redirection(std::string_view text, const RedisServerName& said_by) {
  const auto words = split(text, ' ');
  if (words.size() < 3) return {};
  const auto slot = parse_number<std::uint16_t>(words[1]);
  const auto colon = words[2].rfind(':');
  if (!slot || *slot >= slot_count || colon == std::string_view::npos) return {};
  const auto port = parse_number<std::uint16_t>(words[2].substr(colon + 1));
  if (!port || *port == 0) return {};
  TcpServer server{std::string(words[2].substr(0, colon)), *port};
  const auto* speaker = std::get_if<TcpServer>(&said_by);
  if (server.host.empty() && !speaker) return {};
  if (server.host.empty()) server.host = speaker->host;
  return Redirection{*slot, server};
}

struct RedisErrand::Task {
  const RedisQuestion* question = nullptr;
  Pool server{};                      // empty: the map decides
  bool asks = false;                  // in the midst of a migration: the server is to answer although it is not the holder yet
  bool by_text = false;               // the server does not know the script
  int hops = 0;
  std::optional<StoreError> said{};   // why it was not answered yet
  std::optional<Answer> answer{};

  [[nodiscard]] std::size_t replies() const { return asks ? 2 : 1; }
  void append_to(std::string& bytes) const {
    const auto& [key, words, script] = *question;
    if (!script) return append_command(bytes, {}, words);
    const std::string_view run[] = {by_text ? "EVAL" : "EVALSHA", by_text ? script->source() : script->sha()};
    append_command(bytes, run, words);
  }
};

struct RedisErrand::Batch {
  Pool server;
  Few<Task*> tasks;
  RedisPool::Loan loan{};

  void end(const StoreError& error) {
    for (auto* task : tasks)
      if (!task->answer) task->answer = error;
  }
};

std::vector<RedisErrand::Answer> RedisErrand::run(std::span<const RedisQuestion> questions, Deadline deadline, const ReplyLimits& limits) {
  Few<Task> tasks(questions.size());
  for (std::size_t i = 0; i < tasks.size(); ++i) tasks[i].question = &questions[i];
  for (;;) {
    find_servers(tasks);
    auto batches = by_server(tasks);
    if (batches.empty()) break;
    should_pause_ = false;
    for (auto& batch : batches) send(batch, deadline, limits, batches.size() == 1);
    for (auto& batch : batches) receive(batch, deadline);
    if (should_pause_) pause_until(deadline);
  }
  std::vector<Answer> answers;
  answers.reserve(tasks.size());
  for (auto& task : tasks) answers.push_back(std::move(*task.answer));
  return answers;
}

void RedisErrand::find_servers(Few<Task>& tasks) const {
  for (auto& task : tasks) {
    if (task.answer || task.server) continue;
    auto holder = servers_.holder_of(task.question->key);
    if (holder)
      task.server = std::move(*holder);
    else
      task.answer = holder.error();
  }
}

RedisErrand::Few<RedisErrand::Batch> RedisErrand::by_server(Few<Task>& tasks) {
  Few<Batch> batches;
  for (auto& task : tasks) {
    if (task.answer) continue;
    auto batch = std::find_if(batches.begin(), batches.end(), [&](const Batch& one) { return one.server == task.server; });
    if (batch == batches.end()) batch = batches.insert(batches.end(), Batch{task.server, {}});
    batch->tasks.push_back(&task);
  }
  return batches;
}

void RedisErrand::send(Batch& batch, Deadline deadline, const ReplyLimits& limits, bool is_alone) const {
  if (Clock::now() >= deadline) {
    for (auto* task : batch.tasks) task->answer = too_late(task->said ? &*task->said : nullptr);
    return;
  }
  std::string bytes;
  std::size_t replies = 0;
  for (const auto* task : batch.tasks) {
    if (task->asks) append_command(bytes, asking);
    task->append_to(bytes);
    replies += task->replies();
  }
  for (;;) {
    // One server that cannot be reached must not use up the time of the others.
    const auto connect_by = is_alone ? deadline : Clock::now() + (deadline - Clock::now()) / 2;
    auto loan = batch.server->borrow(connect_by);
    if (!loan) return batch.end(loan.error());
    batch.loan = std::move(*loan);
    const auto sent = batch.loan->send_bytes(bytes, replies, deadline, limits);
    if (sent) return;
    if (RedisPool::may_borrow_again(batch.loan, sent.error())) continue;
    batch.server->fail(batch.loan, sent.error());
    return batch.end(sent.error());
  }
}

void RedisErrand::receive(Batch& batch, Deadline deadline) {
  for (auto* task : batch.tasks) {
    if (task->answer) continue;
    for (std::size_t left = task->replies(); left > 0; --left) {
      auto reply = batch.loan->receive(deadline);
      if (!reply) {
        batch.server->fail(batch.loan, reply.error());
        return batch.end(reply.error());
      }
      if (left == 1) take_reply(*task, batch.loan, std::move(*reply));
    }
  }
}

void RedisErrand::take_reply(Task& task, const RedisPool::Loan& loan, RedisReply reply) {
  if (const auto error = reply.error())
    take_error(task, loan, *error);
  else
    task.answer = std::move(reply);
}

void RedisErrand::take_error(Task& task, const RedisPool::Loan& loan, const ServerError& error) {
  auto told = to_store_error(error);
  told.text = printable(task.server->server()) + ": " + told.text;
  if (error.code == Code::noscript && task.question->script && !task.by_text) {
    task.by_text = true;
  } else if (is_of_a_cluster(error.code) && redirections_ == Redirections::misplaced) {
    task.server->suspect();
    told.kind = StoreErrorKind::misconfigured;
    task.answer = told;
  } else if (cannot_serve(error.code)) {
    task.server->fail(loan, told);
    task.answer = told;
  } else if (error.code == Code::moved || error.code == Code::ask) {
    task.said = told;
    redirect(task, error);
  } else if (error.code == Code::tryagain) {
    task.said = told;
    should_pause_ = true;
  } else {
    // One record may be what it should not be; anything else may be wrong with the server as a whole.
    if (error.code != Code::wrongtype) task.server->suspect();
    task.answer = told;
  }
}

void RedisErrand::redirect(Task& task, const ServerError& error) {
  const auto to = parse_redirection(error.text, task.server->server());
  if (!to || ++task.hops > most_hops) {
    task.answer = StoreError{StoreErrorKind::refused, Executed::no, "redirected too often: " + task.said->text};
    return;
  }
  task.asks = error.code == Code::ask;
  task.by_text = false;
  if (task.asks) {
    task.server = servers_.at(to->server);
    return;
  }
  task.server = servers_.moved(to->slot, to->server);
  map_is_old_();
}

}  // namespace quota
