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
