// Chronicler: puts what became of messages together by identity and hands it to an archive now and then. A thread of its own; no
// message waits for it: what finds no room, or cannot be written, is dropped and counted.
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
};

struct ChroniclerOptions {
  HistoryBounds bounds{};
  Milliseconds write_every = std::chrono::seconds{5};
  std::size_t most_queued = 50'000;                       ///< messages between two writes, about 500 bytes each
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
  void add(Happening happening);

  /// Writes what was added until now, and waits for that, this long at most. Threads: any.
  void flush(Milliseconds at_most);

  /// Messages that are in no history, or not in all that they belong to.
  [[nodiscard]] std::uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

  /// Writes once more and ends the thread. May be called twice.
  void stop();

 private:
  void run();
  void write(std::vector<Happening> happenings);
  void say(const std::string& problem);

  // Constant after construction.
  Archive& archive_;
  const ChroniclerOptions options_;

  std::atomic<std::uint64_t> dropped_{0};
  std::string problem_{};  // of the thread

  std::mutex mutex_;
  // Guarded by mutex_.
  std::condition_variable changed_;
  std::vector<Happening> queue_;
  std::uint64_t asked_ = 0;    // flushes
  std::uint64_t written_ = 0;  // of them, done
  bool stopping_ = false;

  std::thread thread_;
};

/// The identities that a message is listed under: its login, or else its script, or else who sent it.
[[nodiscard]] bool lists_messages(Kind kind);

/// What happenings add to each identity; of its messages the last `most` only.
[[nodiscard]] std::vector<Note> notes_of(std::vector<Happening> happenings, std::size_t most);

}  // namespace quota
