// The plan in the making: shared by the files that implement upkeep.hpp, and by nobody else.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <unordered_map>
#include <vector>

#include "quota/upkeep.hpp"

namespace quota::upkeep {

/// Entries of `before` that have changed are moved out as they are found again, the others get the number of this reading. After
/// sort_out() what is left is missing.
struct Draft {
  Known before;
  const TablesText& now;
  const Means& means;
  bool is_intact;    ///< what is missing was taken away by somebody
  bool is_lost;      ///< the data is not what it was
  bool is_outdated;  ///< what was known is too old to be put back
  std::size_t as_before = 0;  ///< blocks of `after` that are exactly what they were
  bool has_changed = false;   ///< a block's text is another one
  bool has_accounts = false;  ///< they are what they were, with nothing to do about them
  Names names{};
  Plan plan{};
  std::vector<Step> releases{};
  std::vector<Step> changes{};
  std::vector<Step> announcements{};
  std::vector<Step> marks{};
  std::vector<std::string> put_back{};

  /// By the clock of some daemon: what has ended by it may have been taken away as ended.
  [[nodiscard]] Timestamp latest() const { return std::max(now.now, now.server_now); }
  void wake_at(std::optional<Timestamp> moment);
  void end(Table table, const TableEntry& entry, Event event);
  /// Rewrites what cannot be understood, unless that is done already.
  void complain(Table table, const TableEntry& entry, std::string_view complaint, const std::string& identity);
  void remove(Table table, const TableEntry& entry);
};

/// Moves to `after` what this reading found as it was `before`, where the missing stay. Most of a large table is never moved singly.
template <class Value>
void sort_out(ByText<Value>& before, ByText<Value>& after, std::uint32_t reading) {
  ByText<Value> missing;
  for (auto entry = before.begin(); entry != before.end();) {
    const auto here = entry++;
    if (here->second.reading != reading) missing.insert(before.extract(here));
  }
  before.merge(after);
  after = std::exchange(before, std::move(missing));
}

/// An entry whose field is another spelling of `canonical`.
struct OtherSpelling {
  TableEntry entry;
  std::string canonical;
};

/// The texts of one table by their fields, for a reading that looks many of them up. The entries must outlive it.
class Texts {
 public:
  explicit Texts(const TableText& entries) : by_field_(entries.begin(), entries.end()) {}
  [[nodiscard]] std::optional<std::string> find(const std::string& field) const {
    const auto found = by_field_.find(field);
    return found == by_field_.end() ? std::nullopt : std::optional<std::string>(found->second);
  }

 private:
  std::unordered_map<std::string_view, std::string_view> by_field_;
};

[[nodiscard]] std::string has_entry_already(const std::string& canonical);

void read_blocked(Draft& draft);
void read_overrides(Draft& draft);
void read_accounts(Draft& draft);

}  // namespace quota::upkeep
