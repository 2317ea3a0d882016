#include "quota/store/step_runner.hpp"

namespace quota {
namespace {

/// As long as those who know the very thing and those who know only the words need to notice at the same time.
constexpr Milliseconds at_once_lasts{1500};

bool is_held(const Result<bool, StoreError>& claimed) { return claimed && !*claimed; }

}  // namespace

Result<bool, StoreError> take(Ledger& ledger, const GoneClaims& claims) {
  const auto first = ledger.claim(claims.exact.empty() ? claims.words : claims.exact, claims.lasting);
  if (!first && first.error().executed == Executed::no) return first.error();
  if (is_held(first)) return false;
  if (claims.words.empty()) return true;
  // For those who come back later and know only the words. It says nothing here: the same words may have been written before.
  if (!claims.exact.empty()) (void)ledger.claim(claims.words, claims.lasting);
  return !is_held(ledger.claim("now:" + claims.words, at_once_lasts));
}

Result<Ran, StoreError> StepRunner::run(const Step& step) {
  return std::visit([this](const auto& one) { return run(one); }, step);
}

/// The claims are taken already where a command released it: that one tells who and why.
void StepRunner::tell_of(const Release& step) {
  if (!is_held(take(ledger_, release_claims(step.id, step.words)))) events_.write(step.event);
}

Result<Ran, StoreError> StepRunner::run(const Release& step) {
  if (step.id.empty()) return step.telling == Release::Telling::if_done ? Ran::lost : release_nameless(step);
  const auto released = ledger_.release(step.identity, step.id);
  if (!released) return released.error();
  if (!*released && step.telling == Release::Telling::if_done) return Ran::lost;
  if (!*released) return tell_where_gone(step);
  tell_of(step);
  return Ran::won;
}

/// A record that is gone, deleted by hand or expired, is emptied by nobody: its release is told all the same, once.
Result<Ran, StoreError> StepRunner::tell_where_gone(const Release& step) {
  const auto record = ledger_.record(step.identity);
  if (!record) return record.error();
  if (record->is_empty()) tell_of(step);
  return Ran::lost;
}

Result<Ran, StoreError> StepRunner::release_nameless(const Release& step) {
  const auto record = ledger_.record(step.identity);
  if (!record) return record.error();
  if (!record->block.empty()) {
    auto named = step;
    named.id = record->block;
    return run(named);
  }
  const auto claimed = take(ledger_, release_claims("", step.words));
  if (!claimed) return claimed.error();
  if (!*claimed) return Ran::lost;
  if (const auto refilled = ledger_.refill(step.identity); !refilled) return refilled.error();
  events_.write(step.event);
  return Ran::won;
}

Result<Ran, StoreError> StepRunner::run(const Change& step) {
  const auto replaced = ledger_.replace(step.table, step.field, step.expected, step.desired);
  if (!replaced) return replaced.error();
  if (!*replaced) return Ran::lost;
  follow_up(step);
  return Ran::won;
}

void StepRunner::follow_up(const Change& change) {
  if (change.marking) (void)ledger_.mark_blocked(change.marking->identity, change.marking->mark);
  if (change.other_spelling)
    (void)ledger_.replace(change.table, change.other_spelling->field, change.other_spelling->text, std::nullopt);
  if (change.event) events_.write(*change.event);
}

Result<Ran, StoreError> StepRunner::run(const Announce& step) {
  const auto claimed = take(ledger_, {.exact = step.claim, .words = step.words, .lasting = step.lasting});
  if (!claimed) return claimed.error();
  if (!*claimed) return Ran::lost;
  events_.write(step.event);
  return Ran::won;
}

Result<Ran, StoreError> StepRunner::run(const Mark& step) {
  const auto& [identity, mark] = step.marking;
  // Also where it holds the id already: it may have to last longer. Only while the block still stands: marking the record of one
  // just released would undo the release. Nothing is written to the table: every daemon would read it again.
  const auto standing = ledger_.entry(Table::blocked, identity.text());
  if (!standing) return standing.error();
  if (standing->text != step.text) return Ran::lost;
  if (const auto marked = ledger_.mark_blocked(identity, mark); !marked) return marked.error();
  return Ran::won;
}

}  // namespace quota
