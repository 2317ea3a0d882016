// GuardedStore: a Store over a SpreadStore, with an answer for the records of which the store has none: this daemon's shares.
//
// Where one question does, it is asked, and that is all. Where the records of a message lie on several servers: look at all of
// them, decide, commit to all of them; at most the messages in flight are taken above a limit. Charges whose record has no answer,
// and those whose use in an outage is not charged back yet, are judged by their shares, the others by the store. What the shares
// gave is charged back in batches by a thread of this object, as soon as the store answers; what may have been executed is not
// charged a second time. So a message that was let through by a share although the store had executed its question, unheard, is
// charged twice; and a charging back that was not heard of and not executed is lost.
// Shares, and what is remembered for them, run on this daemon's own clock: the store's clocks differ from server to server, and each
// step back between two spends would be refilled once more.
// Threads: any, at once. Time: as the store below; two questions at most.
#pragma once

#include <memory>
#include <thread>

#include "quota/holding.hpp"
#include "quota/store/kept_shares.hpp"
#include "quota/store/local_holds.hpp"
#include "quota/store/shares.hpp"
#include "quota/store/spread_store.hpp"

namespace quota {

/// Who judges a charge whose record has no answer: `share` is `on_failure = "local"`; with `nobody` the caller gets the error.
enum class InPlaceOfStore : std::uint8_t { share, nobody };

struct GuardOptions {
  InPlaceOfStore in_place = InPlaceOfStore::share;
  std::int64_t nodes = 1;
  /// How often the store is asked whether what is owed can be charged back. Zero: only when charge_back() is called.
  Milliseconds charge_back_every{50};
  std::size_t most_levels = 1'000'000;  ///< 64 bytes each
  std::size_t most_shares = 400'000;    ///< about 270 bytes each, while the store is away
  std::optional<std::filesystem::path> kept_shares{};   ///< empty: a restart forgets what is owed
  std::shared_ptr<StateFolder> state_folder{};          ///< theirs
  std::function<void(const std::string& problem)> report{};  ///< when keeping begins to fail, and (empty) works again; any thread
  std::function<void(const std::string& what)> note{};       ///< what was wrong with shares that were kept; any thread
  std::function<Timestamp()> host_now = [] { return std::chrono::floor<Milliseconds>(std::chrono::system_clock::now()); };
};

class GuardedStore final : public Store {
 public:
  /// What an earlier process kept is owed from the start. Requires: `store` outlives this one; `seed` is nobody else's to know.
  GuardedStore(SpreadStore& store, GuardOptions options, std::uint64_t seed);
  ~GuardedStore() override;

  [[nodiscard]] Result<Outcome, StoreError> take(std::span<const Charge> charges) override;
  [[nodiscard]] Result<Outcome, StoreError> peek(std::span<const Charge> charges) override;
  [[nodiscard]] Result<std::int64_t, StoreError> hold(const Identity& identity, const std::string& host, std::int64_t most) override;
  [[nodiscard]] Timestamp now() const override { return store_.now(); }

  /// How many daemons share the limits. A share that is in use already keeps the number that it began with.
  void set_nodes(std::int64_t nodes) { nodes_.store(nodes, std::memory_order_relaxed); }

  /// Charges back what is owed, until nothing is or the store has no answer; what another server of it owes is come to. Threads: one at a time; not beside its own thread.
  void charge_back();
  /// Keeps what is owed, as of now, and charges nothing back any more. May be called twice.
  void stop();
  /// Buckets that are judged by shares or still owed.
  [[nodiscard]] std::size_t shares() const { return shares_.size(); }

 private:
  /// What one call does with the buckets that hold.
  enum class Verb : std::uint8_t { take, peek };
  struct Case;

  [[nodiscard]] bool is_any_local(std::span<const Charge> charges) const;
  [[nodiscard]] Result<Outcome, StoreError> ask(std::span<const Charge> charges, Verb verb);
  [[nodiscard]] Result<Outcome, StoreError> ask_apart(Case& of, Verb verb);
  void look(Case& of);
  void judge(Case& of, Verb verb);
  void commit(Case& of);
  void committed(Case& of, std::size_t index, const Result<Taken, StoreError>& answer);
  enum class Batch : std::uint8_t { none_owed, no_answer, charged_back };
  void charge_back(const std::stop_token& stop);
  [[nodiscard]] Batch charge_back_some();
  void note(std::span<const Charge> charges, const Outcome& outcome, Verb verb);
  void note_health(const std::string& error);
  [[nodiscard]] std::string why_shares_judge() const;
  void run(const std::stop_token& stop);
  void recall_if_due();
  void recall();
  void tell(const std::string& problem);

  // Constant after construction.
  SpreadStore& store_;
  const GuardOptions options_;
  const std::shared_ptr<StateFolder> state_folder_;  // null where nothing is kept

  // Each guards itself.
  std::atomic<std::int64_t> nodes_;
  std::atomic<bool> is_away_{false};
  std::atomic<std::shared_ptr<const std::string>> last_error_{};  // read only while shares judge
  LevelMemory levels_;
  Shares shares_;
  LocalHolds holds_{};

  // Of the thread that charges back.
  std::size_t batch_ = 0;
  std::unique_ptr<StateFile> kept_{};       // null: nothing is kept, or the folder is another daemon's
  std::string told_{};                      // the last problem with it
  std::chrono::steady_clock::time_point recall_at_{};
  std::jthread thread_{};
};

}  // namespace quota
