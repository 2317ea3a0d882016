// Live overrides: the entries of the table `override`, `IDENTITY QUOTA` → what this identity is granted instead.
//
//   user:alice@example.com mailbox   5000 messages / 1d until=2026-12-24T00:00:00Z
//   user:alice@example.com *         unlimited
//   * *                              observe            the switch for the whole cluster; also enforce
#pragma once

#include <optional>
#include <string>
#include <variant>

#include "quota/identity.hpp"
#include "quota/limit.hpp"

namespace quota {

/// Whether quotas act, or only say what they would have done.
enum class Mode : std::uint8_t { enforce, observe };
[[nodiscard]] std::string_view name(Mode mode);

struct Override {
  std::variant<Allowance, Mode> value{};  ///< a Mode only for `* *`
  std::optional<Timestamp> since{};       ///< empty until a daemon has noticed it
  std::optional<Timestamp> until{};
  std::string by{};

  [[nodiscard]] bool holds_at(Timestamp now) const { return !until || now < *until; }
  bool operator==(const Override&) const = default;
};

/// Whom an entry is for. Empty parts are written `*`.
struct OverrideKey {
  std::optional<Identity> identity{};
  std::string quota{};

  [[nodiscard]] std::string text() const;
  [[nodiscard]] bool is_for_all() const { return !identity && quota.empty(); }
  bool operator==(const OverrideKey&) const = default;
};

/// The field: `IDENTITY QUOTA`. Errors: what to write instead.
[[nodiscard]] Result<OverrideKey, std::string> parse_override_key(std::string_view field, const Spelling& spelling = {});

/// The value. A mode is only understood where `key` is for all. Errors: what to write instead.
[[nodiscard]] Result<Override, std::string> parse_override(const OverrideKey& key, std::string_view text);
[[nodiscard]] std::string format(const Override& entry);

/// `[a-z0-9-]+`, at most 64 characters, and not `held`, which begins a record's field of another meaning.
[[nodiscard]] bool is_quota_name(std::string_view name);

}  // namespace quota
