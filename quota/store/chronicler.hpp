// Chronicler: puts what became of messages together by identity and hands it to an archive now and then. A thread of its own; no
// message waits for it: what finds no room, or cannot be written, is dropped and counted. After that, while nothing comes, it is tried every
// now and then whether writing works again.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "quota/archive.hpp"

namespace quota {

/// One message, for all identities that it is recorded under.
struct Happening {
  std::vector<Identity> identities{};
  PastMessage message{};
  std::string login{};     ///< value of its `user` identity, whether it is recorded under it or not; empty: without SMTP-AUTH
  std::optional<Identity> held_for{};  ///< where it is held: whom it was counted for
};

struct ChroniclerOptions {
  HistoryBounds bounds{};
  Milliseconds write_every = std::chrono::seconds{5};
  std::size_t most_queued = 50'000;                       ///< messages between two writes
  std::size_t most_queued_bytes = std::size_t{64} << 20;     ///< of their texts
  std::function<void(PastMessage&)> prepare{};               ///< each message, before it is written; our thread
  std::function<void(const std::string& problem)> report{};  ///< when writing begins to fail, and (empty) works again; our thread
};

class Chronicler {
 public:
  /// Starts the thread. Requires: the archive outlives it.
  Chronicler(Archive& archive, ChroniclerOptions options);
  Chronicler(const Chronicler&) = delete;
  Chronicler& operator=(const Chronicler&) = delete;
  ~Chronicler();

  /// Threads: any; never waits for I/O.
  void add(Happening&& happening) noexcept;

  /// Writes what was added until now, and waits for that, this long at most. Threads: any.
  void flush(Milliseconds at_most);

  /// Messages that are in no history, or not in all that they belong to.
  [[nodiscard]] std::uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

  /// Writes once more, for this long at most beyond the write that is under way, and ends the thread. May be called twice.
  void stop(Milliseconds at_most = std::chrono::seconds{3});

 private:
  void run();
  void write(std::vector<Happening> happenings, SteadyMoment until);
  /// Writes what changes nothing, of the senders of whom something was dropped last.
  void probe(SteadyMoment until);
  void drop(std::size_t count) noexcept { dropped_.fetch_add(count, std::memory_order_relaxed); }
  void say(const std::string& problem);

  // Constant after construction.
  Archive& archive_;
  const ChroniclerOptions options_;

  std::atomic<std::uint64_t> dropped_{0};
  // Of the thread.
  std::string problem_{};
  std::vector<Note> probes_{};

  std::mutex mutex_;
  // Guarded by mutex_.
  std::condition_variable changed_;
  std::vector<Happening> queue_;
  std::size_t queued_bytes_ = 0;  // of their texts
  std::uint64_t asked_ = 0;    // flushes
  std::uint64_t written_ = 0;  // of them, done
  bool stopping_ = false;
  Milliseconds last_write_{};  // how long it may take

  std::thread thread_;
};

/// The identities that a message is listed under: its login, or else its script, or else who sent it.
[[nodiscard]] bool lists_messages(Kind kind);

/// What happenings add to each identity: no more messages, queue ids and networks than are kept, the last ones. And, last, how much there
/// was of everyone.
[[nodiscard]] std::vector<Note> notes_of(std::vector<Happening> happenings, const HistoryBounds& bounds);

}  // namespace quota
