#include "quota/store/step_runner.hpp"

namespace quota {
namespace {

/// Whoever tells of a release takes this too: some daemons may know the block by its id, and others, which read the
/// table before it got one, only by whom it blocked. As long as all of them need to notice.
std::string nameless_claim(const Identity& identity) { return release_claim("of " + identity.text()); }
constexpr Milliseconds nameless_claim_lasts{1500};

}  // namespace

Result<Ran, StoreError> StepRunner::run(const Step& step) {
  return std::visit([this](const auto& one) { return run(one); }, step);
}

/// Told rather twice than never, should the store leave in between.
void StepRunner::tell_of(const Release& step) {
  // Taken already where a command released it: that one tells who and why.
  const auto by_id = ledger_.claim(release_claim(step.id), removal_claim_lasts);
  if (by_id && !*by_id) return;
  const auto by_name = ledger_.claim(nameless_claim(step.identity), nameless_claim_lasts);
  if (!by_name || *by_name) events_.write(step.event);
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
  if (!record->block.empty()) return run(Release{step.identity, record->block, step.event});
  const auto claimed = ledger_.claim(nameless_claim(step.identity), nameless_claim_lasts);
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
  const auto claimed = ledger_.claim(step.claim, step.lasting);
  if (!claimed) return claimed.error();
  if (!*claimed) return Ran::lost;
  events_.write(step.event);
  return Ran::won;
}

Result<Ran, StoreError> StepRunner::run(const Mark& step) {
  const auto& [identity, mark] = step.marking;
  const auto record = ledger_.record(identity);
  if (!record) return record.error();
  if (record->block == mark.id) return Ran::won;
  // Only while the block still stands: marking the record of one just released would undo the release.
  const auto stands = ledger_.replace(Table::blocked, identity.text(), step.text, step.text);
  if (!stands) return stands.error();
  if (!*stands) return Ran::lost;
  if (const auto marked = ledger_.mark_blocked(identity, mark); !marked) return marked.error();
  return Ran::won;
}

}  // namespace quota
