// The desk's lists: who is blocked, what is limited, who sends; and how much everybody sent.
#include <algorithm>
#include <limits>

#include "milter/api_json.hpp"
#include "milter/desk.hpp"
#include "milter/desk_questions.hpp"
#include "milter/history_json.hpp"
#include "quota/patience.hpp"
#include "quota/sender.hpp"
#include "quota/time_text.hpp"

namespace milter {
namespace {

namespace json = boost::json;
using quota::Measure;
using quota::Ranked;

constexpr std::string_view by_identity = "identity";
constexpr const char* usual_since = "24h";

/// How many rows there are, and which of them are asked for.
struct Page {
  std::size_t offset;
  std::size_t count;
};

template <class Row>
void cut(std::vector<Row>& rows, const Page& page) {
  rows.erase(rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(std::min(page.offset, rows.size())));
  if (rows.size() > page.count) rows.resize(page.count);
}

std::int64_t amount_of(const SenderRow& row, Measure measure) { return quota::measured(row.sum, row.networks, measure); }

SenderRow row_of(const Ranked& ranked, const quota::History& history, const quota::TopQuestion& question) {
  SenderRow row{ranked.identity};
  for (auto hour = history.hours.lower_bound(question.first_hour); hour != history.hours.end() && hour->first <= question.last_hour; ++hour) row.sum += hour->second;
  row.networks = quota::networks_since(history, question.first_hour);
  row.first = history.first;
  return row;
}

}  // namespace

bool Desk::is_of(const std::string& identity, const std::string& account) {
  const auto parsed = identity_of(identity);
  if (!parsed) return false;
  if (parsed->kind == quota::Kind::account) return parsed->value == account;
  const auto config = tools_.config();
  const auto tables = tools_.keeper.tables();
  const std::array accounts{&tables->accounts, &config->policy->parts().accounts};
  const auto* const owner = quota::account_of(accounts, *parsed);
  return owner && owner->name == account;
}

Desk::Answer Desk::blocked(const admin::BlockedQuestion& question) {
  const auto offset = offset_of(question.offset);
  const auto count = question.count.empty() ? OrProblem<std::size_t>(std::numeric_limits<std::size_t>::max()) : count_of(question.count, 1000);
  if (!offset) return offset.error();
  if (!count) return count.error();
  const auto tables = tools_.keeper.tables();
  const auto at = now();
  std::vector<std::pair<const std::string*, const quota::Block*>> found;
  tables->blocked().each([&](const std::string& identity, const quota::Block& block) {
    if (!block.holds_at(at) || !bears(identity, question.search)) return;
    if (question.account.empty() || is_of(identity, question.account)) found.emplace_back(&identity, &block);
  });
  const auto total = found.size();
  std::ranges::stable_sort(found, [](const auto& one, const auto& other) { return one.second->since > other.second->since; });
  cut(found, {*offset, *count});
  json::array rows;
  for (const auto& [identity, block] : found) rows.push_back(block_json(*identity, *block));
  auto doubt = doubt_about(quota::Table::blocked);
  if (!doubt.empty() && !question.account.empty()) doubt = admin::what_accounts_hear;
  return json::object{{"blocked", std::move(rows)}, {"total", total}, {"error", text_json(doubt)}};
}

std::string Desk::doubt_about(quota::Table table) {
  const auto health = tools_.setup.health();
  if (health.bad_since) return health.error;
  if (!health.tables_error.empty()) return health.tables_error;
  const quota::BriefPatience patience;
  const auto answer = tools_.setup.ledger().entry(table, quota::everyone_identity().text());
  return answer ? "" : answer.error().text;
}

Desk::Answer Desk::limits() {
  json::array rows;
  const auto tables = tools_.keeper.tables();
  const auto at = now();
  tables->overrides().each([&](const std::string& field, const quota::Override& entry) {
    if (const auto key = quota::parse_override_key(field); key && entry.holds_at(at)) rows.push_back(override_json(*key, entry));
  });
  for (const auto& [field, text] : tables->override_errors) rows.push_back(override_error_json(field, text));
  return json::object{{"limits", std::move(rows)}, {"error", text_json(doubt_about(quota::Table::override_))}};
}

/// Those who have any of what they are ranked by; by name, all that have been ranked.
OrProblem<std::vector<Ranked>> Desk::ranked(quota::TopQuestion question, bool by_name) {
  question.count = std::numeric_limits<std::size_t>::max();
  std::vector<Ranked> all;
  for (const auto measure : {Measure::messages, Measure::refused, Measure::held}) {
    if (by_name) question.measure = measure;
    auto some = tools_.book.top(question);
    if (!some) return nothing_recorded();
    if (!*some) return record_problem(some->error().text);
    all.insert(all.end(), (*some)->begin(), (*some)->end());
    if (!by_name) return all;
  }
  std::ranges::sort(all, {}, &Ranked::identity);
  all.erase(std::unique(all.begin(), all.end(), [](const Ranked& one, const Ranked& other) { return one.identity == other.identity; }), all.end());
  return all;
}

/// What each of `all` did, exactly, whatever its rank was taken from.
OrProblem<std::vector<SenderRow>> Desk::rows_of(const std::vector<Ranked>& all, const quota::TopQuestion& question) {
  std::vector<quota::Identity> identities;
  for (const auto& one : all)
    if (auto identity = quota::parse_identity(one.identity)) identities.push_back(std::move(*identity));
  if (identities.size() != all.size()) return record_problem("a ranking holds what is no identity");
  const auto histories = tools_.book.histories(identities);
  if (!histories) return nothing_recorded();
  if (!*histories) return record_problem(histories->error().text);
  const auto tables = tools_.keeper.tables();
  std::vector<SenderRow> rows;
  for (std::size_t i = 0; i < all.size(); ++i) {
    rows.push_back(row_of(all[i], (**histories)[i], question));
    rows.back().is_blocked = tables->find_block(identities[i], now()) != nullptr;
  }
  return rows;
}

Desk::Answer Desk::senders(const admin::SendersQuestion& typed) {
  const bool by_name = typed.by == by_identity;
  const auto since = typed.since.empty() ? std::string(usual_since) : typed.since;
  const auto question = top_question({by_name ? "" : typed.by, typed.per, since, "", ""}, now());
  const auto offset = offset_of(typed.offset);
  const auto count = count_of(typed.count, quota::Archive::read_together);
  if (!question) return question.error();
  if (!offset) return offset.error();
  if (!count) return count.error();
  auto all = ranked(*question, by_name);
  if (!all) return all.error();
  std::erase_if(*all, [&](const Ranked& one) {
    return !bears(one.identity, typed.search) || (!typed.account.empty() && !is_of(one.identity, typed.account));
  });
  const auto total = all->size();
  cut(*all, {*offset, *count});
  auto rows = rows_of(*all, *question);
  if (!rows) return rows.error();
  if (!by_name)
    std::ranges::stable_sort(*rows, [&](const auto& one, const auto& other) { return amount_of(one, question->measure) > amount_of(other, question->measure); });
  auto answer = senders_json(*question, *rows);
  answer["by"] = by_name ? by_identity : name(question->measure);
  answer["offset"] = *offset;
  answer["total"] = total;
  answer["networks_most"] = tools_.config()->record.bounds.networks;
  return answer;
}

Desk::Answer Desk::totals(const std::string& account) {
  const auto whose = account.empty() ? quota::everyone_identity() : quota::account_identity(account);
  const auto kept = tools_.book.read(whose);
  if (!kept) return nothing_recorded();
  if (!*kept) return record_problem(kept->error().text);
  const bool has_fives = tools_.config()->record.bounds.fives_for >= std::chrono::hours{quota::hours_of_day};
  return totals_json(whose, (*kept)->history, has_fives, now());
}

}  // namespace milter
