#include "quota/store/memory_shelves.hpp"

#include <algorithm>

#include "quota/text.hpp"

namespace quota {

void MemoryShelves::forget_oldest(std::map<Shelf, Kept>::iterator from) {
  from->second.texts.erase(from->second.texts.begin());
  --in_all_;
}

void MemoryShelves::add(const Shelf& shelf, const Identity& identity, const QueuedMail& mail, Timestamp now) {
  const auto place = kept_.try_emplace(shelf).first;
  auto& kept = place->second;
  kept.texts.emplace_hint(kept.texts.end(), next_place_++, format(mail, identity));
  ++in_all_;
  kept.last = now;
  while (kept.texts.size() > bounds_.queue_ids || moment_of_message(kept.texts.begin()->second) < now - kept_for(shelf.fate)) {
    forget_oldest(place);
    if (kept.texts.empty()) break;
  }
  if (in_all_ > most_in_all)
    forget_oldest(std::max_element(kept_.begin(), kept_.end(), [](const auto& one, const auto& other) { return one.second.texts.size() < other.second.texts.size(); }));
}

std::vector<ShelfCount> MemoryShelves::shelves(const std::optional<Identity>& identity, Timestamp now) {
  std::erase_if(kept_, [&](const auto& one) {
    const bool is_over = one.second.texts.empty() || one.second.last < now - kept_for(one.first.fate);
    if (is_over) in_all_ -= one.second.texts.size();
    return is_over;
  });
  const auto own = identity ? identity->text() : std::string();
  std::vector<std::pair<Timestamp, ShelfCount>> found;
  for (const auto& [shelf, kept] : kept_)
    if (identity ? shelf.identity == own : shelf.fate == Fate::held)
      found.push_back({kept.last, {shelf, static_cast<std::int64_t>(kept.texts.size()), moment_of_message(kept.texts.begin()->second)}});
  std::stable_sort(found.begin(), found.end(), [](const auto& one, const auto& other) { return one.first > other.first; });
  std::vector<ShelfCount> counts;
  for (auto& [last, count] : found)
    if (counts.size() < Archive::most_shelves) counts.push_back(std::move(count));
  return counts;
}

ShelfPage MemoryShelves::page(const Shelf& shelf, const std::string& from, std::size_t count, Timestamp now) const {
  ShelfPage page;
  const auto found = kept_.find(shelf);
  const auto own = parse_identity(shelf.identity);
  if (found == kept_.end() || !own) return page;
  const auto& texts = found->second.texts;
  auto next = texts.upper_bound(parse_number<std::uint64_t>(from).value_or(0));
  for (std::size_t read = 0; next != texts.end() && read < count; ++next, ++read) {
    page.next = std::to_string(next->first);
    auto mail = parse_queued_mail(next->second, *own);
    if (!mail || mail->at < now - kept_for(shelf.fate)) continue;
    mail->host = shelf.host;
    page.rows.push_back({page.next, std::move(*mail)});
  }
  if (next == texts.end()) page.next.clear();
  return page;
}

void MemoryShelves::find(const std::string& queue_id, Timestamp now, Search& search) const {
  for (const auto& [shelf, kept] : kept_) {
    const auto own = parse_identity(shelf.identity);
    for (const auto& [place, text] : kept.texts) {
      if (!own || text.find(queue_id) == std::string::npos) continue;
      auto mail = parse_queued_mail(text, *own);
      if (!mail || mail->queue_id != queue_id || mail->at < now - kept_for(shelf.fate)) continue;
      mail->host = shelf.host;
      search.add({shelf.identity, past_message_of(*mail, shelf.fate)});
    }
  }
}

std::vector<QueuedMail> MemoryShelves::mail_at(const Shelf& shelf, std::span<const std::string> places) const {
  std::vector<QueuedMail> all;
  const auto found = kept_.find(shelf);
  const auto own = parse_identity(shelf.identity);
  if (found == kept_.end() || !own) return all;
  for (const auto& place : places) {
    const auto text = found->second.texts.find(parse_number<std::uint64_t>(place).value_or(0));
    auto mail = text == found->second.texts.end() ? std::nullopt : parse_queued_mail(text->second, *own);
    if (!mail) continue;
    mail->host = shelf.host;
    all.push_back(std::move(*mail));
  }
  return all;
}

void MemoryShelves::take_away(const Shelf& shelf, std::span<const std::string> places) {
  const auto found = kept_.find(shelf);
  if (found == kept_.end()) return;
  for (const auto& place : places) in_all_ -= found->second.texts.erase(parse_number<std::uint64_t>(place).value_or(0));
  if (found->second.texts.empty()) kept_.erase(found);
}

void MemoryShelves::see_host(const std::string& host, Timestamp now) {
  hosts_[host] = now;
  std::erase_if(hosts_, [now](const auto& one) { return one.second < now - Archive::host_seen_for; });
  if (hosts_.size() > Archive::most_hosts_seen)
    hosts_.erase(std::min_element(hosts_.begin(), hosts_.end(), [](const auto& one, const auto& other) { return one.second < other.second; }));
}

std::vector<std::string> MemoryShelves::hosts_seen(Timestamp now) {
  std::vector<std::string> hosts;
  for (const auto& [host, at] : hosts_)
    if (at >= now - Archive::host_seen_for) hosts.push_back(host);
  return hosts;
}

bool MemoryShelves::give(const QueueOrder& order, Timestamp now) {
  const auto known = orders(now);
  if (std::count_if(known.begin(), known.end(), [](const OrderStatus& one) { return !one.is_over(); }) >= static_cast<std::ptrdiff_t>(most_orders)) return false;
  orders_[order.id] = {order, {}};
  return true;
}

std::vector<OrderStatus> MemoryShelves::orders(Timestamp now) {
  std::vector<OrderStatus> known;
  for (const auto& [id, status] : orders_) known.push_back(status);
  for (const auto& id : drop_passed(known, now)) orders_.erase(id);
  return known;
}

std::optional<OrderReport> MemoryShelves::report(const std::string& order, const std::string& host, const OrderReport& report) {
  const auto found = orders_.find(order);
  if (found == orders_.end()) return std::nullopt;
  const auto [known, is_first] = found->second.reports.try_emplace(host, report);
  if (is_first) return report;
  auto both = merged(known->second, report);
  if (both) known->second = *both;
  return both;
}

}  // namespace quota
