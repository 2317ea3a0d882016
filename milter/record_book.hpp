// RecordBook: what is kept of who sent what (`[record]`): where it is kept, and the thread that writes it.
#pragma once

#include <memory>
#include <mutex>

#include "milter/config.hpp"
#include "milter/store_setup.hpp"
#include "quota/store/chronicler.hpp"

namespace milter {

class RecordBook {
 public:
  /// Errors: a sentence; the daemon cannot start. A Redis that does not answer yet is no error. Requires: `setup` outlives it.
  [[nodiscard]] static quota::Result<std::unique_ptr<RecordBook>, std::string> open(const Config& config, StoreSetup& setup);

  /// Threads: any; never waits for I/O.
  void add(quota::Happening&& happening);

  /// What an administrator asks for, with what happened on this host until now. Empty: nothing is kept.
  [[nodiscard]] std::optional<quota::Result<quota::Chronicle, quota::StoreError>> read(const quota::Identity& identity);
  [[nodiscard]] std::optional<quota::Result<std::vector<quota::Ranked>, quota::StoreError>> top(const quota::TopQuestion& question);

  /// Of a few senders, Archive::read_together at most; as of the last write.
  [[nodiscard]] std::optional<quota::Result<std::vector<quota::History>, quota::StoreError>> histories(std::span<const quota::Identity> identities);

  [[nodiscard]] std::optional<quota::Result<quota::Search, quota::StoreError>> find(std::string_view name, std::size_t most);

  /// Who keeps queue ids and the orders about them, with what happened on this host until now; null: nothing is kept.
  [[nodiscard]] quota::Archive* shelves();

  struct Health {
    bool is_on;
    std::string error;      ///< why it cannot be written; empty: it can
    std::uint64_t dropped;  ///< messages that are in no history
  };
  [[nodiscard]] Health health() const;

  /// Reads the files of its TLS anew. Errors: a sentence; the old ones go on. Threads: any.
  [[nodiscard]] quota::Result<void, std::string> renew_tls();

  /// Writes what is left, for some seconds at most, and ends the thread. May be called twice.
  void stop();

 private:
  RecordBook() = default;
  [[nodiscard]] quota::Result<void, std::string> open_redis(const Config& config);
  void note(const std::string& problem);

  mutable std::mutex mutex_;
  std::string problem_;  // guarded by mutex_

  // Connections of its own, to the store too: no message waits behind what is recorded, and no failure there is one of the store.
  std::shared_ptr<quota::TlsContext> tls_;           // null: without
  std::unique_ptr<quota::Resolver> resolver_;        // these three: null in memory
  std::unique_ptr<quota::RedisTopology> topology_;
  std::unique_ptr<quota::RedisContext> context_;
  std::unique_ptr<quota::Archive> archive_;          // null: off
  std::unique_ptr<quota::Chronicler> chronicler_;    // likewise
};

/// What is missing while the record cannot be written.
[[nodiscard]] std::string about_record(const std::string& error);

}  // namespace milter
