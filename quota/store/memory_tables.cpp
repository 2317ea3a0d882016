#include "quota/store/memory_tables.hpp"

#include <algorithm>

namespace quota {
namespace {

bool is_over(Timestamp since, Milliseconds lasting, Timestamp now) { return now < since || now - since >= lasting; }

}  // namespace

std::optional<std::string> MemoryTables::find(Table table, const std::string& field) const {
  const std::lock_guard lock(mutex_);
  const auto& entries = tables_[static_cast<std::size_t>(table)];
  const auto found = entries.find(field);
  if (found == entries.end()) return std::nullopt;
  return found->second;
}

void MemoryTables::put(Table table, const std::string& field, const std::optional<std::string>& value) {
  {
    const std::lock_guard lock(mutex_);
    auto& entries = tables_[static_cast<std::size_t>(table)];
    if (value)
      entries.insert_or_assign(field, *value);
    else
      entries.erase(field);
  }
  wake();
}

TablesText MemoryTables::text() const {
  const auto listed = [](const Entries& entries) { return TableText(entries.begin(), entries.end()); };
  const std::lock_guard lock(mutex_);
  TablesText all;
  all.blocked = listed(tables_[static_cast<std::size_t>(Table::blocked)]);
  all.overrides = listed(tables_[static_cast<std::size_t>(Table::override_)]);
  all.accounts = listed(tables_[static_cast<std::size_t>(Table::account)]);
  return all;
}

bool MemoryTables::wait_for_change(Milliseconds at_most) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, at_most, [this] { return has_changed_; });
  return std::exchange(has_changed_, false);
}

void MemoryTables::wake() {
  {
    const std::lock_guard lock(mutex_);
    has_changed_ = true;
  }
  changed_.notify_all();
}

bool MemoryClaims::claim(const std::string& name, Milliseconds lasting, Timestamp now) {
  const std::lock_guard lock(mutex_);
  std::erase_if(claims_, [now](const auto& one) { return is_over(one.second.since, one.second.lasting, now); });
  return claims_.emplace(name, Claim{now, lasting}).second;
}

std::optional<std::int64_t> MemoryClaims::tell(const std::string& name, Milliseconds lasting, Timestamp now) {
  const std::lock_guard lock(mutex_);
  std::erase_if(told_, [now](const auto& one) { return is_over(one.second.since, one.second.lasting + left_out_kept_for, now); });
  const auto [found, is_new] = told_.try_emplace(name, Claim{now, lasting});
  auto& told = found->second;
  if (is_new) return 0;
  if (!is_over(told.since, told.lasting, now)) {
    ++told.left_out;
    return std::nullopt;
  }
  return std::exchange(told, Claim{now, lasting}).left_out;
}

ScriptNews MemoryScripts::learn(const ScriptSight& sight, Timestamp now) {
  const std::lock_guard lock(mutex_);
  const auto text = sight.uid.text();
  if (uids_.size() >= most_uids && !uids_.contains(text))
    uids_.erase(std::min_element(uids_.begin(), uids_.end(), [](const auto& one, const auto& other) { return one.second.last < other.second.last; }));
  auto& uid = uids_[text];
  if (now - uid.last >= uid_forgotten_after) uid.known = {};
  uid.last = now;
  return quota::learn(uid.known, sight, now);
}

void MemoryScripts::restore(const std::string& uid, KnownScripts known) {
  const std::lock_guard lock(mutex_);
  Uid restored{std::move(known)};
  for (const auto& [script, seen] : restored.known.scripts) restored.last = std::max(restored.last, seen.last);
  uids_.insert_or_assign(uid, std::move(restored));
}

std::map<std::string, KnownScripts> MemoryScripts::all() const {
  const std::lock_guard lock(mutex_);
  std::map<std::string, KnownScripts> all;
  for (const auto& [uid, one] : uids_) all.emplace(uid, one.known);
  return all;
}

void MemoryNodes::put(const std::string& name, const std::optional<std::string>& text) {
  const std::lock_guard lock(mutex_);
  if (text)
    nodes_.insert_or_assign(name, *text);
  else
    nodes_.erase(name);
}

std::vector<std::pair<std::string, std::string>> MemoryNodes::all() const {
  const std::lock_guard lock(mutex_);
  return {nodes_.begin(), nodes_.end()};
}

void EventRing::append(const Event& event, Timestamp now) {
  const std::lock_guard lock(mutex_);
  EventId id{now.time_since_epoch().count(), 0};
  if (!events_.empty() && events_.back().id >= id) id = {events_.back().id.ms, events_.back().id.number + 1};
  events_.push_back({id, event});
  if (events_.size() > most_) events_.pop_front();
}

void EventRing::restore(PastEvent event) {
  const std::lock_guard lock(mutex_);
  events_.push_back(std::move(event));
  if (events_.size() > most_) events_.pop_front();
}

std::vector<PastEvent> EventRing::newest(const EventRange& range) const {
  const std::lock_guard lock(mutex_);
  std::vector<PastEvent> newest;
  for (auto event = events_.rbegin(); event != events_.rend() && newest.size() < range.count; ++event)
    if (range.contains(event->id)) newest.push_back(*event);
  return newest;
}

}  // namespace quota
