#include "quota/account_map.hpp"

#include "quota/text.hpp"

namespace quota {

Result<Account, std::string> parse_account(std::string_view text) {
  auto rest = text;
  const auto name = next_word(rest);
  const auto plan = next_word(rest);
  if (name.empty() || !rest.empty())
    return {boost::system::in_place_error, "'" + std::string(text) + "' is no account: write ACCOUNT or ACCOUNT PLAN"};
  return Account{account_identity(name).value, encoded(lower(plan))};
}

Result<Identity, std::string> parse_account_owner(std::string_view text, const Spelling& spelling) {
  const bool is_domain = !text.empty() && text.front() == '@';
  const auto owner = parse_identity(is_domain ? "user_domain:" + std::string(text.substr(1)) : std::string(text), spelling);
  if (!owner) return owner.error();
  if (owner->kind != Kind::user && owner->kind != Kind::user_domain && owner->kind != Kind::uid)
    return "'" + std::string(text) + "' cannot belong to an account: write user:ADDRESS, @DOMAIN or uid:HOST/UID";
  return *owner;
}

void AccountMap::set(const Identity& owner, Account account) {
  if (!account.plan.empty()) plans_.insert_or_assign(account.name, account.plan);
  entries_.insert_or_assign(owner.text(), std::move(account));
}

std::string_view AccountMap::plan_of(const std::string& account) const {
  const auto found = plans_.find(account);
  return found == plans_.end() ? std::string_view{} : std::string_view(found->second);
}

const Account* AccountMap::find(const Identity& owner) const {
  if (entries_.empty()) return nullptr;
  const auto found = entries_.find(owner.text());
  return found == entries_.end() ? nullptr : &found->second;
}

AccountFile parse_account_file(std::string_view text, const Spelling& spelling) {
  AccountFile file;
  std::size_t number = 0;
  for (const auto line : split(text, '\n')) {
    ++number;
    auto rest = trim(line.substr(0, line.find('#')));
    if (rest.empty()) continue;
    const auto owner = parse_account_owner(next_word(rest), spelling);
    const auto account = parse_account(rest);
    if (!owner) file.problems.push_back({number, owner.error()});
    else if (!account) file.problems.push_back({number, account.error()});
    else if (file.accounts.find(*owner)) file.problems.push_back({number, owner->text() + " has an account already; keep one line"});
    else file.accounts.set(*owner, *account);
  }
  return file;
}

}  // namespace quota
