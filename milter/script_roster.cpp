#include "milter/script_roster.hpp"

#include <algorithm>

namespace milter {
namespace {

constexpr auto remembered_for = std::chrono::days{1};
constexpr auto asked_again_after = std::chrono::days{1};  // so that the store goes on to remember it

}  // namespace

ScriptRoster::Standing ScriptRoster::bound(quota::Sender& sender, std::size_t most, quota::Timestamp now) {
  const auto* uid = sender.find(quota::Kind::uid);
  const auto script = std::find_if(sender.identities.begin(), sender.identities.end(), [](const auto& one) { return one.kind == quota::Kind::script; });
  if (!uid || script == sender.identities.end()) return Standing::known;
  const std::lock_guard lock(mutex_);
  if (by_uid_.size() >= most_uids && !by_uid_.contains(uid->value)) by_uid_.erase(by_uid_.begin());
  auto& scripts = by_uid_[uid->value];
  if (const auto known = scripts.find(script->value); known != scripts.end()) {
    known->second.last = now;
    if (now - known->second.asked < asked_again_after) return Standing::known;
    known->second.asked = now;
    return Standing::unfamiliar;
  }
  if (scripts.size() >= most) std::erase_if(scripts, [&](const auto& one) { return now - one.second.last > remembered_for; });
  if (scripts.size() >= most) {
    script->value = uid->value + ":+others";
    return Standing::beyond;
  }
  scripts.emplace(script->value, Seen{now, now});
  return Standing::unfamiliar;
}

}  // namespace milter
