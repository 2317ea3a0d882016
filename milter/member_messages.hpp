// MemberMessages: the last messages of an identity that others belong to. A message is kept once, under its login, its script or whoever
// else sent it (chronicler.hpp); what a uid, a domain, a customer or a host sent lately is found there.
// Known limit: of those that belong to it the ten that sent most within a day are looked at.
#pragma once

#include <span>

#include "milter/record_book.hpp"
#include "quota/account_map.hpp"

namespace milter {

/// The maps by which accounts are known, as in quota::account_of.
using Accounts = std::span<const quota::AccountMap* const>;

/// Whether what `member` sends is also what `wider` sends, by their names: a script of a uid or a host, a login of a domain, either of an account.
[[nodiscard]] bool belongs(const quota::Identity& member, const quota::Identity& wider, Accounts accounts);

/// Those that belong to `wider` and sent most within a day, ten at most; none where it lists its mail itself.
[[nodiscard]] std::vector<quota::Identity> members_of(const quota::Identity& wider, Accounts accounts, RecordBook& book, quota::Timestamp now);

/// Adds the last messages of these members; `most` are kept in all. What cannot be read is left out. Time: a few questions.
void add_member_messages(quota::Chronicle& chronicle, const quota::Identity& wider, Accounts accounts, RecordBook& book, std::size_t most, quota::Timestamp now);

}  // namespace milter
