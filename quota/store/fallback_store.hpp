// FallbackStore: what the daemon allows while its store has no answer and `on_failure = "local"`: buckets of its own, each with
// 1/nodes of the limit. `/ message` bounds are not divided. A share never answers with a permanent error: a cost above the share
// and within the limit passes when the local bucket is full. Refusals are not counted meanwhile.
// Known limits: every outage starts with full shares, and what was spent meanwhile is not charged back.
#pragma once

#include <atomic>
#include <functional>

#include "quota/store.hpp"

namespace quota {

class FallbackStore final : public Store {
 public:
  /// Told once on entering (with the store's error) and once on leaving (empty text). Threads: whichever was first to notice.
  using Report = std::function<void(const std::string& error)>;

  /// Requires: nodes ≥ 1; both stores outlive this one.
  FallbackStore(Store& primary, Store& share, std::int64_t nodes, Report report)
      : primary_(primary), share_(share), nodes_(nodes), report_(std::move(report)) {}

  [[nodiscard]] Result<Outcome, StoreError> take(std::span<const Charge> charges) override;
  [[nodiscard]] Result<Outcome, StoreError> peek(std::span<const Charge> charges) override;
  [[nodiscard]] Result<std::int64_t, StoreError> hold(const Identity& identity, const std::string& host, std::int64_t most) override;
  [[nodiscard]] Timestamp now() const override { return primary_.now(); }

 private:
  void note(const StoreError* error);
  [[nodiscard]] std::vector<Charge> shared_out(std::span<const Charge> charges) const;

  Store& primary_;
  Store& share_;
  const std::int64_t nodes_;
  const Report report_;
  std::atomic<bool> is_degraded_{false};
};

}  // namespace quota
