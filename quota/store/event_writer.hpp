// EventWriter: hands events to the store, and keeps those it cannot hand over now for later. Bounded: the oldest go first.
// Threads: one at a time; whoever writes events has a writer of his own.
#pragma once

#include <cstdint>
#include <deque>
#include <string>

#include "quota/store.hpp"

namespace quota {

class EventWriter {
 public:
  EventWriter(Ledger& ledger, std::string host) : ledger_(ledger), host_(std::move(host)) {}

  /// Writes it now, or keeps it. Where it names nobody, the daemon did it.
  void write(Event event);
  /// Hands over what is kept. Returns whether nothing is left.
  bool flush();

  [[nodiscard]] std::size_t kept() const { return kept_.size(); }
  [[nodiscard]] std::uint64_t dropped() const { return dropped_; }

 private:
  static constexpr std::size_t most_kept = 1000;

  Ledger& ledger_;
  const std::string host_;
  std::deque<Event> kept_;
  std::uint64_t dropped_ = 0;
};

}  // namespace quota
