#include "quota/store/memory_archive.hpp"

#include <algorithm>

#include "quota/tab_text.hpp"

namespace quota {
namespace {

constexpr std::size_t bytes_of_identity = 300;  // lists, pointers, and what the allocator adds

std::size_t bytes_of_text(const std::string& text) { return sizeof text + text.capacity(); }

}  // namespace

std::optional<Archive::Unwritten> MemoryArchive::write(std::span<const Note> notes, SteadyMoment) {
  const auto now = clock_.now();
  const std::lock_guard lock(mutex_);
  for (const auto& note : notes) add_to(kept_of(note.identity), note, now);
  make_room(now);
  return std::nullopt;
}

/// Requires: mutex_.
void MemoryArchive::add_to(Kept& kept, const Note& note, Timestamp now) {
  auto history = parse_history(kept.history);
  add(history, note, bounds_, now);
  kept.history = format(history);
  for (const auto& [five, tally] : note.fives) {
    const auto hour = static_cast<std::int32_t>(five / fives_of_hour);
    auto place = std::lower_bound(kept.networks.begin(), kept.networks.end(), hour, [](const auto& one, std::int32_t at) { return one.hour < at; });
    if (place == kept.networks.end() || place->hour != hour) place = kept.networks.insert(place, {hour, 0});
    place->networks = static_cast<std::uint32_t>(networks_since(history, hour));
  }
  std::erase_if(kept.networks, [oldest = first_hour_kept(bounds_, now)](const auto& one) { return one.hour < oldest; });
  keep_messages(kept, note, now);
  kept.written = note.fives.empty() ? now : std::max(now, Timestamp{std::chrono::minutes{5} * note.fives.rbegin()->first});

  auto bytes = bytes_of_identity + 2 * bytes_of_text(kept.identity) + kept.networks.capacity() * sizeof(NetworksOfHour);
  for (const auto& message : kept.messages) bytes += bytes_of_text(message);
  for (const auto& [field, text] : kept.history) bytes += bytes_of_text(field) + bytes_of_text(text);
  bytes_ = bytes_ - kept.bytes + bytes;
  kept.bytes = bytes;
}

/// What no longer is among the last messages may still be in a queue, and so may what never was. Requires: mutex_.
void MemoryArchive::keep_messages(Kept& kept, const Note& note, Timestamp now) {
  const auto shelve = [&](const QueuedMail& mail, Fate fate) {
    if (bounds_.queue_ids > 0) shelves_.add({kept.identity, mail.host, fate}, note.identity, mail, now);
  };
  auto& texts = kept.messages;
  for (const auto& message : note.messages) texts.push_back(format(message, note.identity.value));
  drop_refusals(texts, bounds_.refusals(), is_of_refusal);
  for (; texts.size() > bounds_.messages; texts.pop_front())
    if (const auto message = parse_past_message(texts.front(), note.identity.value))
      if (const auto mail = queued_mail_of(*message, note.identity)) shelve(*mail, Fate::sent);
  const auto oldest = now - (bounds_.queue_ids > 0 && texts.size() >= bounds_.messages ? std::max(bounds_.messages_for, bounds_.queued_for) : bounds_.messages_for);
  while (!texts.empty() && moment_of_message(texts.front()) < oldest) texts.pop_front();
  for (const auto& mail : note.sent) shelve(mail, Fate::sent);
  for (const auto& mail : note.held) shelve(mail, Fate::held);
}

/// Requires: mutex_.
MemoryArchive::Kept& MemoryArchive::kept_of(const Identity& identity) {
  auto text = identity.text();
  if (const auto known = by_identity_.find(text); known != by_identity_.end()) {
    kept_.splice(kept_.begin(), kept_, known->second);
    return kept_.front();
  }
  kept_.push_front({identity.kind, text});
  by_identity_.emplace(std::move(text), kept_.begin());
  return kept_.front();
}

/// Forgets who was not seen for as long as anything is kept, and then as many more as needed. Requires: mutex_.
void MemoryArchive::make_room(Timestamp now) {
  const auto oldest = now - std::max(bounds_.hours_for, bounds_.messages_for);
  while (!kept_.empty() && (kept_.size() > room_.identities || bytes_ > room_.bytes || kept_.back().written < oldest)) {
    bytes_ -= kept_.back().bytes;
    by_identity_.erase(kept_.back().identity);
    kept_.pop_back();
  }
}

const MemoryArchive::Kept* MemoryArchive::find_kept(const Identity& identity, Timestamp now) const {
  const auto found = by_identity_.find(identity.text());
  if (found == by_identity_.end() || now - found->second->written > std::max(bounds_.hours_for, bounds_.messages_for)) return nullptr;
  return &*found->second;
}

Result<std::vector<History>, StoreError> MemoryArchive::histories(std::span<const Identity> identities) {
  const auto now = clock_.now();
  const std::lock_guard lock(mutex_);
  std::vector<History> all;
  for (const auto& identity : identities) {
    const auto* const kept = find_kept(identity, now);
    forget_passed(all.emplace_back(kept ? parse_history(kept->history) : History{}), bounds_, now);
  }
  return all;
}

Result<Chronicle, StoreError> MemoryArchive::read(const Identity& identity) {
  const auto now = clock_.now();
  const std::lock_guard lock(mutex_);
  const auto* const kept = find_kept(identity, now);
  if (!kept) return Chronicle{};
  Chronicle chronicle{parse_history(kept->history), {}};
  forget_passed(chronicle.history, bounds_, now);
  for (auto text = kept->messages.rbegin(); text != kept->messages.rend(); ++text)
    if (auto message = parse_past_message(*text, identity.value); message && message->at >= now - bounds_.messages_for) chronicle.messages.push_back(std::move(*message));
  return chronicle;
}

Result<std::vector<Ranked>, StoreError> MemoryArchive::top(const TopQuestion& question) {
  const std::lock_guard lock(mutex_);
  const auto first = std::max(question.first_hour, first_hour_kept(bounds_, clock_.now()));
  std::vector<Ranked> all;
  for (const auto& kept : kept_) {
    if (kept.kind != question.kind || kept.written < Timestamp{std::chrono::hours{first}}) continue;
    const auto history = parse_history(kept.history);
    Tally sum;
    for (auto hour = history.hours.lower_bound(first); hour != history.hours.end() && hour->first <= question.last_hour; ++hour) sum += hour->second;
    std::int64_t networks = 0;
    for (const auto& one : kept.networks)
      if (one.hour >= first && one.hour <= question.last_hour) networks = std::max<std::int64_t>(networks, one.networks);
    all.push_back({kept.identity, measured(sum, networks, question.measure)});
  }
  return merged({std::move(all)}, question.measure, question.count);
}

Result<Search, StoreError> MemoryArchive::find(const MessageName& name, std::size_t most, SteadyMoment until) {
  const auto oldest = clock_.now() - bounds_.messages_for;
  const std::lock_guard lock(mutex_);
  Search search;
  for (const auto& kept : kept_) {
    search.is_complete = std::chrono::steady_clock::now() < until;
    if (!search.is_complete) break;
    ++search.senders;
    for (const auto& line : kept.messages) {
      const auto has = [&line](const std::string& text) { return line.find(text) != std::string::npos; };
      if (std::none_of(name.texts().begin(), name.texts().end(), has)) continue;
      auto message = parse_past_message(line, value_in(kept.identity));
      if (message && message->at >= oldest && name.fits(*message)) search.found.push_back({kept.identity, std::move(*message)});
    }
    if (search.found.size() > 2 * most) sort_newest(search.found, most);
  }
  if (search.found.empty() && is_queue_id(name.queue_id())) shelves_.find(name.queue_id(), clock_.now(), search);
  sort_newest(search.found, most);
  return search;
}

/// Requires: mutex_.
std::vector<QueuedMail> MemoryArchive::last_sent(const Identity& identity) const {
  std::vector<QueuedMail> sent;
  const auto found = by_identity_.find(identity.text());
  if (found == by_identity_.end()) return sent;
  for (const auto& text : found->second->messages) {
    const auto message = parse_past_message(text, identity.value);
    auto mail = message && message->at >= clock_.now() - bounds_.queued_for ? queued_mail_of(*message, identity) : std::nullopt;
    if (mail) sent.push_back(std::move(*mail));
  }
  return sent;
}

Result<std::vector<ShelfCount>, StoreError> MemoryArchive::shelves(const std::optional<Identity>& identity) {
  const std::lock_guard lock(mutex_);
  auto counts = shelves_.shelves(identity, clock_.now());
  if (identity) add_last_sent(counts, identity->text(), last_sent(*identity));
  return counts;
}

Result<ShelfPage, StoreError> MemoryArchive::page(const Shelf& shelf, const std::string& from, std::size_t count) {
  const std::lock_guard lock(mutex_);
  const auto identity = parse_identity(shelf.identity);
  if (identity && shelf.fate == Fate::sent && from.empty()) return page_of_last(shelf.host, last_sent(*identity));
  return shelves_.page(shelf, from, count, clock_.now());
}

Result<std::vector<QueuedMail>, StoreError> MemoryArchive::mail_at(const Shelf& shelf, std::span<const std::string> places) {
  const std::lock_guard lock(mutex_);
  return shelves_.mail_at(shelf, places);
}

Result<void, StoreError> MemoryArchive::take_away(const Shelf& shelf, std::span<const std::string> places) {
  const std::lock_guard lock(mutex_);
  shelves_.take_away(shelf, places);
  return {};
}

Result<void, StoreError> MemoryArchive::see_host(const std::string& host) {
  const std::lock_guard lock(mutex_);
  shelves_.see_host(host, clock_.now());
  return {};
}

Result<std::vector<std::string>, StoreError> MemoryArchive::hosts_seen() {
  const std::lock_guard lock(mutex_);
  return shelves_.hosts_seen(clock_.now());
}

Result<bool, StoreError> MemoryArchive::give(const QueueOrder& order) {
  const std::lock_guard lock(mutex_);
  return shelves_.give(order, clock_.now());
}

Result<std::vector<OrderStatus>, StoreError> MemoryArchive::orders() {
  const std::lock_guard lock(mutex_);
  return shelves_.orders(clock_.now());
}

Result<std::optional<OrderReport>, StoreError> MemoryArchive::report(const std::string& order, const std::string& host, const OrderReport& report) {
  const std::lock_guard lock(mutex_);
  return shelves_.report(order, host, report);
}

}  // namespace quota
