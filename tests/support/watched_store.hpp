// WatchedStore: a store that counts the questions it is asked, and has no answer while a test says so.
#pragma once

#include <optional>

#include "quota/store.hpp"

namespace quota {

class WatchedStore final : public Store {
 public:
  /// The store that answers; outlives this one.
  explicit WatchedStore(Store& store) : store_(store) {}

  int takes = 0;  ///< with charges
  int peeks = 0;  ///< likewise
  std::optional<StoreError> error{};

  Result<Outcome, StoreError> take(std::span<const Charge> charges) override {
    if (charges.empty()) return store_.take(charges);
    ++takes;
    if (error) return *error;
    return store_.take(charges);
  }
  Result<Outcome, StoreError> peek(std::span<const Charge> charges) override {
    if (charges.empty()) return store_.peek(charges);
    ++peeks;
    if (error) return *error;
    return store_.peek(charges);
  }
  Result<std::int64_t, StoreError> hold(const Identity& identity, const std::string& host, std::int64_t most) override {
    if (error) return *error;
    return store_.hold(identity, host, most);
  }
  [[nodiscard]] Timestamp now() const override { return store_.now(); }

 private:
  Store& store_;
};

}  // namespace quota
