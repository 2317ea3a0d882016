// What memory keeps beside the records: the three tables, the signal that they changed, claims, nodes, and the last events.
// Each is safe to call from any thread; none knows a file.
#pragma once

#include <array>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>

#include "quota/store.hpp"

namespace quota {

/// The tables as texts. Every change gives the signal.
class MemoryTables {
 public:
  [[nodiscard]] std::optional<std::string> find(Table table, const std::string& field) const;
  void put(Table table, const std::string& field, const std::optional<std::string>& value);

  /// All three at one moment; without history and time.
  [[nodiscard]] TablesText text() const;

  /// For one waiter: returns once for each time that something changed, or woke it, since it last returned.
  bool wait_for_change(Milliseconds at_most);
  void wake();

 private:
  using Entries = std::map<std::string, std::string>;

  mutable std::mutex mutex_{};
  std::condition_variable changed_{};
  // Guarded by mutex_.
  std::array<Entries, 3> tables_{};
  bool has_changed_ = false;
};

/// Who may do what only one daemon does. Not kept across a restart.
class MemoryClaims {
 public:
  [[nodiscard]] bool claim(const std::string& name, Milliseconds lasting, Timestamp now);
  [[nodiscard]] std::optional<std::int64_t> tell(const std::string& name, Milliseconds lasting, Timestamp now);

 private:
  struct Claim {
    Timestamp since{};
    Milliseconds lasting{};
    std::int64_t left_out = 0;
  };
  std::mutex mutex_{};
  // Guarded by mutex_.
  std::map<std::string, Claim> claims_{};
  std::map<std::string, Claim> told_{};
};

/// Which scripts send under which uid. Beyond so many uids one that was not seen for long is forgotten.
class MemoryScripts {
 public:
  [[nodiscard]] ScriptNews learn(const ScriptSight& sight, Timestamp now);
  /// One that was kept on disk.
  void restore(const std::string& uid, KnownScripts known);
  [[nodiscard]] std::map<std::string, KnownScripts> all() const;

 private:
  static constexpr std::size_t most_uids = 20'000;
  struct Uid {
    KnownScripts known{};
    Timestamp last{};
  };

  mutable std::mutex mutex_{};
  std::map<std::string, Uid> uids_{};  // guarded by mutex_
};

/// The daemons that write themselves here: this one.
class MemoryNodes {
 public:
  void put(const std::string& name, const std::optional<std::string>& text);
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> all() const;

 private:
  mutable std::mutex mutex_{};
  std::map<std::string, std::string> nodes_{};  // guarded by mutex_
};

/// The newest events; older ones make room for them.
class EventRing {
 public:
  explicit EventRing(std::size_t most) : most_(most) {}
  /// Each gets an id that is greater than all before, whatever the clock says.
  void append(const Event& event, Timestamp now);
  /// One that was kept on disk; likewise the oldest first.
  void restore(PastEvent event);
  /// Newest first.
  [[nodiscard]] std::vector<PastEvent> newest(const EventRange& range) const;

 private:
  const std::size_t most_;
  mutable std::mutex mutex_{};
  std::deque<PastEvent> events_{};  // guarded by mutex_, oldest first
};

}  // namespace quota
