// The account map: which customer owns a user, a domain or a uid. A file gives it; live entries in the store come first.
//
// File format, a line each (# begins a comment):   user:alice@example.com | @example.com | uid:mx1/1000   ACCOUNT [PLAN]
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "quota/identity.hpp"

namespace quota {

struct Account {
  std::string name;  ///< an account identity's value
  std::string plan;  ///< empty where none is named
  bool operator==(const Account&) const = default;
};

/// `ACCOUNT [PLAN]`. Errors: what to write instead.
[[nodiscard]] Result<Account, std::string> parse_account(std::string_view text);

/// The left column: `@example.com` means user_domain, a bare address user. Only user, user_domain and uid own mail.
[[nodiscard]] Result<Identity, std::string> parse_account_owner(std::string_view text, const Spelling& spelling = {});

class AccountMap {
 public:
  void set(const Identity& owner, Account account);
  [[nodiscard]] const Account* find(const Identity& owner) const;
  /// The plan that the entries of `account` name; empty where none does.
  [[nodiscard]] std::string_view plan_of(const std::string& account) const;
  [[nodiscard]] bool empty() const { return entries_.empty(); }
  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  /// By the owner's identity text, in no order.
  [[nodiscard]] const std::unordered_map<std::string, Account>& entries() const { return entries_; }

 private:
  std::unordered_map<std::string, Account> entries_;
  std::unordered_map<std::string, std::string> plans_;
};

struct AccountFileProblem {
  std::size_t line;
  std::string what;
};

/// Reads a whole file's text. Every bad line is reported; the map is only to be used where none is.
struct AccountFile {
  AccountMap accounts;
  std::vector<AccountFileProblem> problems;
};
[[nodiscard]] AccountFile parse_account_file(std::string_view text, const Spelling& spelling = {});

}  // namespace quota
