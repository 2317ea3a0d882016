#include "quota/store/redis_watch.hpp"

#include <algorithm>

namespace quota {
namespace {

constexpr std::size_t lasting_after = 2;  // failed discoveries, one after another

/// Who holds `slot`; empty: nobody.
std::string holder_in(const RedisLayout& layout, std::uint16_t slot) {
  if (layout.slots.empty()) return layout.servers.empty() ? "" : printable(layout.servers.front());
  const auto range = std::ranges::find_if(layout.slots, [slot](const auto& one) { return one.first <= slot && slot <= one.last; });
  return range == layout.slots.end() ? "" : printable(layout.servers[range->server]);
}

/// The first slot that the server of this number holds.
std::uint16_t first_slot_of(const RedisLayout& layout, std::size_t server) {
  const auto range = std::ranges::find(layout.slots, server, &RedisLayout::Range::server);
  return range == layout.slots.end() ? std::uint16_t{0} : range->first;
}

}  // namespace

void RedisWatch::note_failed_discovery(const std::string& error) {
  if (++failed_discoveries_ == lasting_after) tell_({.what = RedisNews::What::discovery_fails, .error = error});
}

void RedisWatch::note_layout(const RedisLayout& layout) {
  if (std::exchange(failed_discoveries_, 0) >= lasting_after) tell_({.what = RedisNews::What::discovery_works});
  for (std::size_t i = 0; layout_ && i < layout_->servers.size(); ++i) {
    if (std::ranges::find(layout.servers, layout_->servers[i]) != layout.servers.end()) continue;
    const auto old = printable(layout_->servers[i]);
    failing_.erase(old);
    tell_({.what = RedisNews::What::master_changed, .server = old, .successor = holder_in(layout, first_slot_of(*layout_, i))});
  }
  layout_ = layout;
}

void RedisWatch::note_servers(std::span<const Health> servers) {
  for (const auto& [server, error] : servers) {
    if (error.empty() && failing_.erase(server) > 0) tell_({.what = RedisNews::What::server_works, .server = server});
    if (!error.empty() && failing_.insert(server).second)
      tell_({.what = RedisNews::What::server_fails, .server = server, .error = error});
  }
}

}  // namespace quota
