// Handles: what an administrator's command does to the live tables. The same entries as by hand, complete from the start,
// and the event tells who and why.
//
// Each is a compare-and-set on what stands there at that moment, tried again where somebody else was quicker. It works on
// every store; the keepers follow within a second, this daemon's at once.
// Threads: any. Time: each asks the store several times, so not for the path of a message.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "quota/block.hpp"
#include "quota/override.hpp"
#include "quota/store.hpp"

namespace quota {

/// Who gives an order and why; any text.
struct Author {
  std::string by;
  std::string reason{};
};

struct HandleError {
  enum class Kind : std::uint8_t {
    store,           ///< the store has no answer; what was ordered may have been done in part
    not_understood,  ///< the table could not hold what was ordered
    busy,            ///< somebody else kept changing the same entry
    holds_mode,      ///< the entry `* *` holds the switch for the whole cluster, and a limit was ordered
    holds_limit,     ///< the entry `* *` holds everybody's limit, and the switch was ordered
  };
  Kind kind;
  std::string text;
};

class Handles {
 public:
  template <class T>
  using Answer = Result<T, HandleError>;

  using TellLater = std::function<void(Event)>;

  /// `tell_later` gets the events that the store did not take, to hand them over once it does. Threads: any.
  Handles(Ledger& ledger, std::string host, std::function<std::string()> new_id, TellLater tell_later = {})
      : ledger_(ledger), host_(std::move(host)), new_id_(std::move(new_id)), tell_later_(std::move(tell_later)) {}

  /// Lifts the block, forgets refusals and ladder, refills the buckets; without a block it only refills.
  /// Returns: the block that was lifted.
  [[nodiscard]] Answer<std::optional<Block>> release(const Identity& identity, const Author& author);

  /// Blocks (rejects) for that long, or until released. A block that holds already keeps its id and becomes this one.
  [[nodiscard]] Answer<Block> block(const Identity& identity, std::optional<Milliseconds> lasting, const Author& author);

  /// Puts a live limit in the place of any other with this key.
  [[nodiscard]] Answer<Override> set_limit(const OverrideKey& key, const Allowance& limit,
                                           std::optional<Milliseconds> lasting, const std::string& by) {
    return put(key, limit, lasting, by);
  }
  /// Returns: what was removed; empty where there was nothing.
  [[nodiscard]] Answer<std::optional<Override>> remove_limit(const OverrideKey& key, const std::string& by) {
    return take_away(key, Holds::limit, by);
  }

  /// The switch for the whole cluster. It shares the entry `* *` with everybody's limit on every quota: while that one
  /// holds, each of these four refuses what would silently end the other.
  [[nodiscard]] Answer<Override> set_mode(Mode mode, std::optional<Milliseconds> lasting, const std::string& by) {
    return put(OverrideKey{}, mode, lasting, by);
  }
  [[nodiscard]] Answer<std::optional<Override>> clear_mode(const std::string& by) {
    return take_away(OverrideKey{}, Holds::mode, by);
  }

  /// Writes an event about something that `by` did; later, where the store does not take it now.
  void tell(Event event, const std::string& by);

 private:
  using Value = std::variant<Allowance, Mode>;
  enum class Holds : std::uint8_t { limit, mode };  // in the order of Value

  [[nodiscard]] Answer<Override> put(const OverrideKey& key, const Value& value, std::optional<Milliseconds> lasting,
                                     const std::string& by);
  [[nodiscard]] Answer<std::optional<Override>> take_away(const OverrideKey& key, Holds kind, const std::string& by);
  [[nodiscard]] Answer<bool> lift(const Identity& identity, const std::string& field, const std::string& text);
  [[nodiscard]] Answer<void> empty_record(const Identity& identity, const std::string& block_id);

  Ledger& ledger_;
  const std::string host_;
  const std::function<std::string()> new_id_;
  const TellLater tell_later_;
};

}  // namespace quota
