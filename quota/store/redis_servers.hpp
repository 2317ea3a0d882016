// RedisServers: which server holds which key, as far as it is known; one pool of connections for each.
//
// What was found replaces what was known: a server that is found again keeps its pool, one that is not is forgotten, a
// new one is not asked before it was found well. A redirection names a server in the middle of a question: it is taken
// at its word, and kept for a while although it holds no slot that is known (in the midst of a migration it holds none).
// Threads: any, at once. Nothing here waits.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "quota/store/redis_pool.hpp"
#include "quota/store/redis_slots.hpp"

namespace quota {

/// Who holds what, as a server or a sentinel told it.
struct RedisLayout {
  struct Range {
    std::uint16_t first;
    std::uint16_t last;
    std::size_t server;  ///< index into `servers`
  };
  std::vector<RedisServerName> servers{};
  std::vector<Range> slots{};  ///< none: the first server holds every key
};

class RedisServers {
 public:
  using Pool = std::shared_ptr<RedisPool>;
  using Make = std::function<Pool(const RedisServerName&, RedisPool::Standing)>;

  explicit RedisServers(Make make) : make_(std::move(make)) {}

  /// Takes over what was found.
  void follow(const RedisLayout& layout);

  /// Why nothing, or nothing new, is known.
  void note_failure(const StoreError& error);

  /// Errors: no server is known for this key.
  [[nodiscard]] Result<Pool, StoreError> holder_of(std::string_view key) const;

  /// The pool of a server that a redirection named.
  [[nodiscard]] Pool at(const RedisServerName& server);
  /// Likewise, and it holds `slot` from now on.
  [[nodiscard]] Pool moved(std::uint16_t slot, const RedisServerName& server);

  /// The servers that hold the store by what was found last.
  [[nodiscard]] std::vector<Pool> found() const;

  /// Every pool that should be in order.
  [[nodiscard]] std::vector<Pool> all() const;

  /// Why some key has no server that serves; empty where all have.
  [[nodiscard]] std::optional<StoreError> failure() const { return failure(&RedisPool::failure); }
  /// Likewise, but for what one look may cure.
  [[nodiscard]] std::optional<StoreError> lasting_failure() const { return failure(&RedisPool::lasting_failure); }

  /// Completes `stem` to a key that `pool` holds; empty where it holds none.
  [[nodiscard]] std::string key_of(const Pool& pool, const std::string& stem) const;

 private:
  struct Redirected {
    Pool pool;
    int layouts_since_use = 0;
  };

  [[nodiscard]] std::optional<StoreError> failure(std::optional<StoreError> (RedisPool::*of)() const) const;
  [[nodiscard]] Pool known(const RedisServerName& server);

  const Make make_;
  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::vector<Pool> found_;              // of the last layout
  std::vector<Redirected> redirected_;   // in no layout (yet)
  std::vector<Pool> slots_;              // by slot, null where nobody holds it; empty: found_.front() holds all
  StoreError failure_{StoreErrorKind::unreachable, Executed::no, "the store was not reached yet"};
};

}  // namespace quota
