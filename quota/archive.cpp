#include "quota/archive.hpp"

#include <algorithm>

namespace quota {

std::string_view name(Measure measure) {
  constexpr std::array<std::string_view, 5> names{"messages", "recipients", "refused", "networks", "held"};
  return names[static_cast<std::size_t>(measure)];
}

std::optional<Measure> measure_called(std::string_view text) {
  for (const auto measure : all_measures)
    if (name(measure) == text) return measure;
  return std::nullopt;
}

std::int64_t measured(const Tally& tally, std::int64_t networks, Measure measure) {
  switch (measure) {
    case Measure::messages: return tally.messages[static_cast<std::size_t>(Fate::sent)];
    case Measure::recipients: return tally.recipients[static_cast<std::size_t>(Fate::sent)];
    case Measure::refused: return tally.messages[static_cast<std::size_t>(Fate::refused)];
    case Measure::held: return tally.messages[static_cast<std::size_t>(Fate::held)];
    case Measure::networks: break;
  }
  return networks;
}

namespace {

/// Stops at 2^53 - 1: an hour's amount is what stands in the store, whoever wrote it there.
std::int64_t with_hour(std::int64_t sum, std::int64_t amount) {
  constexpr auto most = exact_bound - 1;
  return amount > most - sum ? most : sum + std::max<std::int64_t>(amount, 0);
}

}  // namespace

std::vector<Ranked> merged(const std::vector<std::vector<Ranked>>& hours, Measure measure, std::size_t count) {
  std::map<std::string, std::int64_t> amounts;
  for (const auto& hour : hours)
    for (const auto& [identity, amount] : hour) {
      auto& sum = amounts[identity];
      sum = measure == Measure::networks ? std::max(sum, amount) : with_hour(sum, amount);
    }
  std::vector<Ranked> all;
  for (const auto& [identity, amount] : amounts)
    if (amount > 0) all.push_back({identity, amount});
  std::stable_sort(all.begin(), all.end(), [](const Ranked& one, const Ranked& other) { return one.amount > other.amount; });
  if (all.size() > count) all.resize(count);
  return all;
}

std::string_view value_in(std::string_view identity) { return identity.substr(std::min(identity.size(), identity.find(':') + 1)); }

void Search::add(Found one) {
  const bool is_known = std::any_of(found.begin(), found.end(), [&](const Found& other) {
    return other.message.queue_id == one.message.queue_id && other.message.host == one.message.host && other.message.at == one.message.at;
  });
  if (!is_known) found.push_back(std::move(one));
}

void sort_newest(std::vector<Search::Found>& found, std::size_t most) {
  std::stable_sort(found.begin(), found.end(), [](const Search::Found& one, const Search::Found& other) { return one.message.at > other.message.at; });
  if (found.size() > most) found.resize(most);
}

ShelfPage page_of_last(const std::string& host, std::vector<QueuedMail> last) {
  ShelfPage page{{}, shelf_begin};
  for (auto& mail : last)
    if (mail.host == host) page.rows.push_back({{}, std::move(mail)});
  return page;
}

void add_last_sent(std::vector<ShelfCount>& counts, const std::string& identity, std::span<const QueuedMail> last) {
  for (const auto& mail : last) {
    const Shelf shelf{identity, mail.host, Fate::sent};
    const auto known = std::find_if(counts.begin(), counts.end(), [&shelf](const ShelfCount& one) { return one.shelf == shelf; });
    if (known == counts.end()) {
      counts.push_back({shelf, 1, mail.at});
      continue;
    }
    ++known->count;
    known->oldest = std::min(known->oldest, mail.at);
  }
}

}  // namespace quota
