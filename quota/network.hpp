// Addresses and networks of clients. An IPv4 address mapped into IPv6 is the IPv4 address.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "quota/result.hpp"

namespace quota {

class IpAddress {
 public:
  [[nodiscard]] static std::optional<IpAddress> parse(std::string_view text);
  [[nodiscard]] static IpAddress from_v4(std::array<std::uint8_t, 4> bytes);
  [[nodiscard]] static IpAddress from_v6(const std::array<std::uint8_t, 16>& bytes);

  [[nodiscard]] bool is_v4() const;
  [[nodiscard]] std::string text() const;

  /// The address with all but its first `bits` cleared; `bits` count from the family's own start.
  [[nodiscard]] IpAddress masked(int bits) const;

  bool operator==(const IpAddress&) const = default;

 private:
  /// Always 16 bytes: IPv4 as ::ffff:a.b.c.d.
  std::array<std::uint8_t, 16> bytes_{};
};

/// `192.0.2.0/24`, `2001:db8::/32`, or one address.
class Network {
 public:
  /// Errors: a sentence that says what to write instead (bits set behind the mask are an error, not repaired).
  [[nodiscard]] static Result<Network, std::string> parse(std::string_view text);
  [[nodiscard]] bool contains(const IpAddress& address) const;
  [[nodiscard]] int bits() const { return bits_; }
  [[nodiscard]] std::string text() const;

  bool operator==(const Network&) const = default;

 private:
  IpAddress address_;
  int bits_ = 0;
};

}  // namespace quota
