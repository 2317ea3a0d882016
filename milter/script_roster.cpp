#include "milter/script_roster.hpp"

namespace milter {
namespace {

constexpr auto remembered_for = std::chrono::days{1};

}  // namespace

bool ScriptRoster::bound(quota::Sender& sender, std::size_t most, quota::Timestamp now) {
  const auto* uid = sender.find(quota::Kind::uid);
  if (!uid) return false;
  for (auto& identity : sender.identities) {
    if (identity.kind != quota::Kind::script) continue;
    const std::lock_guard lock(mutex_);
    if (by_uid_.size() >= most_uids && !by_uid_.contains(uid->value)) by_uid_.erase(by_uid_.begin());
    auto& scripts = by_uid_[uid->value];
    if (const auto known = scripts.find(identity.value); known != scripts.end()) {
      known->second = now;
      return false;
    }
    if (scripts.size() >= most) std::erase_if(scripts, [&](const auto& script) { return now - script.second > remembered_for; });
    if (scripts.size() >= most) {
      identity.value = uid->value + ":+others";
      return true;
    }
    scripts.emplace(identity.value, now);
    return false;
  }
  return false;
}

}  // namespace milter
