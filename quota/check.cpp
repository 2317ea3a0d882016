#include "quota/check.hpp"

namespace quota {

Verdict check(const Policy& policy, const Tables& tables, Timestamp now, Store& store, const Message& message) {
  const auto assessment = policy.assess(message, tables, now);
  const auto outcome = store.take(assessment.to_take());
  return outcome ? policy.judge(assessment, *outcome) : policy.judge_outage(assessment, outcome.error());
}

Verdict foresee(const Policy& policy, const Tables& tables, Timestamp now, Store& store, const Message& message) {
  const auto assessment = policy.assess(message, tables, now);
  const auto outcome = store.peek(assessment.to_take());
  // Without an answer nothing is certain but what needs none: the end of the message decides.
  auto verdict = policy.judge(assessment, outcome ? *outcome : Outcome{});
  verdict.warnings.clear();
  verdict.blocks_due.clear();
  return verdict;
}

}  // namespace quota
