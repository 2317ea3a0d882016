// The ports to where buckets live, owned by their users: Store is all that a message waits for; Ledger is everything else,
// called by background threads and by the administrator's commands only.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "quota/event.hpp"
#include "quota/identity.hpp"
#include "quota/record.hpp"
#include "quota/result.hpp"
#include "quota/script_memory.hpp"
#include "quota/store_error.hpp"
#include "quota/table_text.hpp"
#include "quota/token_bucket.hpp"

namespace quota {

/// Enforced charges are taken all or none. Observed ones are a second such group, asked only where the first was taken:
/// exactly what would have happened had they been enforced too.
enum class Group : std::uint8_t { enforced, observed };

/// One bucket that a message is charged to.
struct Charge {
  Identity identity;
  std::string quota;
  Limit limit;
  std::int64_t cost = 1;
  Group group = Group::enforced;
  std::optional<Milliseconds> refusal_window{};  ///< count a refusal of `quota` in this window if the enforced charge fails

  bool operator==(const Charge&) const = default;
};

/// What a store answered for each charge, in their order.
struct Taken {
  Bucket bucket;              ///< at Outcome::now, before anything was taken
  std::int64_t refusals = 0;  ///< of the charge's quota in its window, after counting this one; 0 where nothing was counted
  std::int64_t nodes = 0;     ///< 0: the store's bucket; else this daemon's share of one in so many (holding.hpp)

  /// A share never says no for good, and what it refuses is not counted.
  [[nodiscard]] bool is_from_share() const { return nodes > 0; }
  bool operator==(const Taken&) const = default;
};

struct Outcome {
  Timestamp now{};
  bool enforced_taken = false;
  bool observed_taken = false;
  std::vector<Taken> charges{};
  std::string outage{};  ///< why shares judged some of the charges; empty: the store judged all of them

  bool operator==(const Outcome&) const = default;
};

/// Looks at every bucket, then takes from every bucket or from none.
/// Threads: any, at once. Errors: the caller decides by its policy; a store never decides on its own failure.
class Store {
 public:
  Store() = default;
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;
  virtual ~Store() = default;

  /// Charges all groups that hold, counts the refusals of those that do not. No charges: no I/O.
  [[nodiscard]] virtual Result<Outcome, StoreError> take(std::span<const Charge> charges) = 0;

  /// The same question, and nothing changes.
  [[nodiscard]] virtual Result<Outcome, StoreError> peek(std::span<const Charge> charges) = 0;

  /// Counts one more held message of `identity` on `host`, unless `most` are counted already.
  /// Returns: the count after; `most + 1` where there was no room.
  [[nodiscard]] virtual Result<std::int64_t, StoreError> hold(const Identity& identity, const std::string& host, std::int64_t most) = 0;

  /// The store's clock, as well as it is known here. Never waits.
  [[nodiscard]] virtual Timestamp now() const = 0;
};

enum class Table : std::uint8_t { blocked, override_, account };
[[nodiscard]] std::string_view name(Table table);

/// The live tables as they are written, at one moment.
struct TablesText {
  TableText blocked{};
  TableText overrides{};
  TableText accounts{};
  /// Which history of the data this is (run and replication id). Another one: a missing field proves nothing.
  std::string history{};
  /// By which entries end (Keeper::now).
  Timestamp now{};
  /// By their server's clock, where that is ahead of `now` and not believed yet: another daemon may go by it already.
  Timestamp server_now{};
};

/// One field of a table.
struct EntryText {
  std::optional<std::string> text{};  ///< empty: there is none
  Timestamp now{};                    ///< the store's clock
};

/// The table of nodes as it is written, at one moment: each daemon's name and what it says of itself (quota/nodes.hpp).
struct NodesText {
  std::vector<std::pair<std::string, std::string>> entries{};
  Timestamp now{};
};

/// Refusals that were answered from memory, to be counted in a batch.
struct RefusalBatch {
  Identity identity;
  std::string quota;
  Milliseconds window;
  std::int64_t refusals;
};

/// What marks a record as blocked.
struct BlockMark {
  std::string id;
  std::optional<Ladder> ladder{};       ///< empty for a block by hand: the ladder stays as it is
  std::string quota{};                  ///< whose refusal count starts anew; empty: none
  std::optional<Timestamp> until{};     ///< empty: until released
};

/// How long it is remembered, after a name was free again, how many had asked for it (Ledger::tell).
inline constexpr Milliseconds left_out_kept_for = std::chrono::days{1};

/// Everything about buckets and tables that no message waits for.
/// Threads: any. Time: each call is bounded by the store's timeout, reading the tables by a few of them.
class Ledger {
 public:
  Ledger() = default;
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;
  virtual ~Ledger() = default;

  /// One identity's record; an absent one is empty.
  [[nodiscard]] virtual Result<Record, StoreError> record(const Identity& identity) = 0;

  /// Counts each batch for itself. Returns, in their order: the count after it was added, or why there is none; only one
  /// with Executed::no was surely not counted.
  [[nodiscard]] virtual std::vector<Result<std::int64_t, StoreError>> count_refusals(std::span<const RefusalBatch> batches) = 0;

  /// Writes the block's id (and ladder) into the record. The same id again only lets the record, and its ladder, last longer
  /// where the mark does.
  [[nodiscard]] virtual Result<void, StoreError> mark_blocked(const Identity& identity, const BlockMark& mark) = 0;

  /// Empties the record if its block id is `block_id`. Returns whether this call was the one that did.
  [[nodiscard]] virtual Result<bool, StoreError> release(const Identity& identity, const std::string& block_id) = 0;

  /// Counts `count` held messages of `identity` on `host` less (Store::hold), down to none.
  [[nodiscard]] virtual Result<void, StoreError> unhold(const Identity& identity, const std::string& host, std::int64_t count) = 0;

  /// Empties the record whatever it holds: full buckets, no refusals, no ladder.
  [[nodiscard]] virtual Result<void, StoreError> refill(const Identity& identity) = 0;

  /// All tables. Threads: one at a time, the one that waits for changes.
  [[nodiscard]] virtual Result<TablesText, StoreError> tables() = 0;

  /// What stands in one field of a table.
  [[nodiscard]] virtual Result<EntryText, StoreError> entry(Table table, const std::string& field) = 0;

  /// Compare and set of one field: only if it holds `expected` (empty: is absent) it becomes `desired` (empty: is removed).
  /// Returns whether it did. A store that keeps the tables itself has them on disk before this returns.
  [[nodiscard]] virtual Result<bool, StoreError> replace(Table table, const std::string& field,
                                                         const std::optional<std::string>& expected,
                                                         const std::optional<std::string>& desired) = 0;

  /// Returns true to one caller among all daemons that share the store, and to nobody else until `lasting` has passed.
  [[nodiscard]] virtual Result<bool, StoreError> claim(const std::string& name, Milliseconds lasting) = 0;

  /// As claim(), and counts those who ask meanwhile. Returns to the one how many did since it was last granted, to the others nothing; the
  /// count is forgotten a day after.
  [[nodiscard]] virtual Result<std::optional<std::int64_t>, StoreError> tell(const std::string& name, Milliseconds lasting) = 0;

  /// Remembers a script of a uid (script_memory.hpp).
  [[nodiscard]] virtual Result<ScriptNews, StoreError> learn(const ScriptSight& sight) = 0;

  [[nodiscard]] virtual Result<void, StoreError> append(const Event& event) = 0;

  /// Newest first, 1,000 at most.
  [[nodiscard]] virtual Result<std::vector<PastEvent>, StoreError> events(const EventRange& range) = 0;

  /// Writes what the daemon `name` says of itself; without a text it is taken away.
  [[nodiscard]] virtual Result<void, StoreError> write_node(const std::string& name, const std::optional<std::string>& text) = 0;
  [[nodiscard]] virtual Result<NodesText, StoreError> nodes() = 0;

  /// Waits until a table may have changed, `at_most` has passed, or wake() was called. Returns at once after a lost connection.
  /// Returns whether to read the tables anew: what made it so is not told again.
  virtual bool wait_for_change(Milliseconds at_most) = 0;
  virtual void wake() = 0;
};

}  // namespace quota
