#include "milter/cli/try_run.hpp"

#include <fmt/format.h>

namespace milter::cli {
namespace {

std::string_view stage_name(mta::Command stage) {
  switch (stage) {
    case mta::Command::connect: return "CONNECT";
    case mta::Command::helo: return "HELO";
    case mta::Command::mail: return "MAIL";
    case mta::Command::rcpt: return "RCPT";
    case mta::Command::data: return "DATA";
    case mta::Command::header: return "HEADER";
    default: return "END-OF-MESSAGE";
  }
}

std::string answer_text(const mta::Sent& sent) {
  if (sent.quarantine) return *sent.quarantine;
  if (!sent.reply && !sent.refused.empty()) {
    const auto& first = sent.refused.front();
    return fmt::format("{} of the recipients refused: {} {}", sent.refused.size(), first.reply.code, first.reply.text);
  }
  if (!sent.reply) return "";
  return fmt::format("{} {}", sent.reply->code, sent.reply->text);
}

void add(std::vector<TryRow>& rows, std::size_t number, const mta::Sent& sent) {
  TryRow row{number, number, sent.fate, std::string(stage_name(sent.stage)), answer_text(sent)};
  if (!rows.empty()) {
    auto& last = rows.back();
    if (last.fate == row.fate && last.stage == row.stage && last.answer == row.answer) {
      last.last = number;
      return;
    }
  }
  rows.push_back(std::move(row));
}

}  // namespace

TryResult run_try(const TryPlan& plan, const std::function<void(std::size_t)>& progress) {
  TryResult result;
  std::optional<mta::Client> client;
  for (std::size_t number = 1; number <= plan.count; ++number) {
    if (!client || plan.message.origin == mta::Origin::local) {
      auto opened = mta::Client::open(plan.milter);
      if (!opened) {
        result.error = opened.error();
        return result;
      }
      client.emplace(std::move(*opened));
    }
    auto message = plan.message;
    message.queue_id = fmt::format("TRY{:08X}", number);
    const auto sent = mta::send_message(*client, message);
    if (!sent) {
      result.error = sent.error();
      return result;
    }
    add(result.rows, number, *sent);
    progress(number);
  }
  (void)client->quit();
  return result;
}

}  // namespace milter::cli
