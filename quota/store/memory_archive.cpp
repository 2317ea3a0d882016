#include "quota/store/memory_archive.hpp"

#include <algorithm>

namespace quota {
std::optional<Archive::Unwritten> MemoryArchive::write(std::span<const Note> notes) {
  const auto now = clock_.now();
  const std::lock_guard lock(mutex_);
  for (const auto& note : notes) {
    auto& kept = kept_of(note.identity);
    add(kept.history, note, bounds_, now);
    for (const auto& [five, tally] : note.fives) {
      const auto hour = five / fives_of_hour;
      kept.networks_of_hour[hour] = networks_since(kept.history, hour);
    }
    std::erase_if(kept.networks_of_hour, [&](const auto& one) { return !kept.history.hours.contains(one.first); });
    for (const auto& message : note.messages) kept.messages.push_back(format(message, note.identity.value));
    while (kept.messages.size() > bounds_.messages || (!kept.messages.empty() && moment_of_message(kept.messages.front()) < now - bounds_.messages_for))
      kept.messages.pop_front();
    kept.written = now;
  }
  return std::nullopt;
}

/// Requires: mutex_.
MemoryArchive::Kept& MemoryArchive::kept_of(const Identity& identity) {
  const auto text = identity.text();
  if (const auto known = by_identity_.find(text); known != by_identity_.end()) {
    kept_.splice(kept_.begin(), kept_, known->second);
    return kept_.front();
  }
  if (kept_.size() >= most_identities_) {
    by_identity_.erase(kept_.back().identity);
    kept_.pop_back();
  }
  kept_.push_front({identity.kind, text});
  by_identity_.emplace(text, kept_.begin());
  return kept_.front();
}

Result<Chronicle, StoreError> MemoryArchive::read(const Identity& identity) {
  const auto now = clock_.now();
  const std::lock_guard lock(mutex_);
  const auto found = by_identity_.find(identity.text());
  if (found == by_identity_.end() || now - found->second->written > bounds_.hours_for) return Chronicle{};
  const auto& kept = *found->second;
  Chronicle chronicle{kept.history, {}};
  forget_passed(chronicle.history, bounds_, now);
  for (auto text = kept.messages.rbegin(); text != kept.messages.rend(); ++text)
    if (auto message = parse_past_message(*text, identity.value); message && message->at >= now - bounds_.messages_for) chronicle.messages.push_back(std::move(*message));
  return chronicle;
}

Result<std::vector<Ranked>, StoreError> MemoryArchive::top(const TopQuestion& question) {
  const std::lock_guard lock(mutex_);
  std::vector<std::vector<Ranked>> hours;
  for (auto hour = question.first_hour; hour <= question.last_hour; ++hour) hours.push_back(top_of_hour(question, hour));
  return merged(hours, question.measure, question.count);
}

std::vector<Ranked> MemoryArchive::top_of_hour(const TopQuestion& question, std::int64_t hour) const {
  std::vector<Ranked> all;
  for (const auto& kept : kept_) {
    if (kept.kind != question.kind) continue;
    const auto tally = kept.history.hours.find(hour);
    if (tally == kept.history.hours.end()) continue;
    const auto networks = kept.networks_of_hour.find(hour);
    const auto amount = measured(tally->second, networks == kept.networks_of_hour.end() ? 0 : networks->second, question.measure);
    if (amount > 0) all.push_back({kept.identity, amount});
  }
  const auto most = std::min(all.size(), ranked_of_hour);
  std::partial_sort(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(most), all.end(), [](const Ranked& one, const Ranked& other) {
    return std::pair(other.amount, one.identity) < std::pair(one.amount, other.identity);
  });
  all.resize(most);
  return all;
}

}  // namespace quota
