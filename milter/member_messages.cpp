#include "milter/member_messages.hpp"

#include <algorithm>

#include "quota/sender.hpp"

namespace milter {
namespace {

using quota::Identity;
using quota::Kind;

constexpr std::size_t most_members = 10;
constexpr std::size_t most_ranked = 1000;
constexpr std::string_view local = "local/";

std::vector<Kind> kinds_of_members(const Identity& wider) {
  switch (wider.kind) {
    case Kind::uid: return {Kind::script};
    case Kind::user_domain: return {Kind::user};
    case Kind::account: return {Kind::user, Kind::script};
    case Kind::client: return wider.value.starts_with(local) ? std::vector{Kind::script} : std::vector<Kind>{};
    default: return {};
  }
}

}  // namespace

bool belongs(const Identity& member, const Identity& wider, Accounts accounts) {
  if (wider.kind == Kind::uid) return member.kind == Kind::script && member.value.starts_with(wider.value + ":");
  if (wider.kind == Kind::user_domain) return member.kind == Kind::user && member.domain() == wider.value;
  if (wider.kind == Kind::client && wider.value.starts_with(local)) return member.kind == Kind::script && member.value.starts_with(wider.value.substr(local.size()) + "/");
  const auto* const account = wider.kind == Kind::account ? quota::account_of(accounts, member) : nullptr;
  return account && account->name == wider.value;
}

std::vector<Identity> members_of(const Identity& wider, Accounts accounts, RecordBook& book, quota::Timestamp now) {
  std::vector<Identity> members;
  for (const auto kind : kinds_of_members(wider)) {
    const auto hour = quota::five_of(now) / quota::fives_of_hour;
    const auto ranked = book.top({.kind = kind, .first_hour = hour - quota::hours_of_day, .last_hour = hour, .count = most_ranked});
    if (!ranked || !*ranked) continue;
    for (const auto& one : **ranked)
      if (const auto member = quota::parse_identity(one.identity); member && members.size() < most_members && belongs(*member, wider, accounts)) members.push_back(*member);
  }
  return members;
}

void add_member_messages(quota::Chronicle& chronicle, const Identity& wider, Accounts accounts, RecordBook& book, std::size_t most, quota::Timestamp now) {
  auto& messages = chronicle.messages;
  for (const auto& member : members_of(wider, accounts, book, now)) {
    auto kept = book.read(member);
    if (kept && *kept) std::move((*kept)->messages.begin(), (*kept)->messages.end(), std::back_inserter(messages));
  }
  std::stable_sort(messages.begin(), messages.end(), [](const auto& one, const auto& other) { return one.at > other.at; });
  if (messages.size() > most) messages.resize(most);
}

}  // namespace milter
