// StepRunner: carries out the steps that upkeep planned, one by one. Holds no plan of its own.
// Threads: one at a time, like its EventWriter.
#pragma once

#include "quota/store/event_writer.hpp"
#include "quota/upkeep.hpp"

namespace quota {

/// Whether this daemon was the one that did it. Whoever lost has nothing left to do.
enum class Ran : std::uint8_t { won, lost };

/// Takes the claims. Returns whether this caller is the one to log it; also where the store left in between, for it is told
/// rather twice than never. Errors: nothing was claimed.
[[nodiscard]] Result<bool, StoreError> take(Ledger& ledger, const GoneClaims& claims);

class StepRunner {
 public:
  StepRunner(Ledger& ledger, EventWriter& events) : ledger_(ledger), events_(events) {}

  [[nodiscard]] Result<Ran, StoreError> run(const Step& step);

  /// What follows a change that was carried out, where that is only known now. The event is written in any case; a record
  /// that could not be marked is found by upkeep at the next reading.
  void follow_up(const Change& change);

 private:
  [[nodiscard]] Result<Ran, StoreError> run(const Release& step);
  [[nodiscard]] Result<Ran, StoreError> run(const Change& step);
  [[nodiscard]] Result<Ran, StoreError> run(const Announce& step);
  [[nodiscard]] Result<Ran, StoreError> run(const Mark& step);
  [[nodiscard]] Result<Ran, StoreError> tell_where_gone(const Release& step);
  [[nodiscard]] Result<Ran, StoreError> release_nameless(const Release& step);
  void tell_of(const Release& step);

  Ledger& ledger_;
  EventWriter& events_;
};

}  // namespace quota
