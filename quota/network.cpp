#include "quota/network.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

#include "quota/text.hpp"

namespace quota {
namespace {

constexpr std::array<std::uint8_t, 12> mapped_prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

}  // namespace

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  if (text.find('\0') != std::string_view::npos) return std::nullopt;  // inet_pton would stop there
  const std::string name(text);
  std::array<std::uint8_t, 4> v4{};
  if (inet_pton(AF_INET, name.c_str(), v4.data()) == 1) return from_v4(v4);
  std::array<std::uint8_t, 16> v6{};
  if (inet_pton(AF_INET6, name.c_str(), v6.data()) == 1) return from_v6(v6);
  return std::nullopt;
}

IpAddress IpAddress::from_v4(std::array<std::uint8_t, 4> bytes) {
  IpAddress address;
  std::copy(mapped_prefix.begin(), mapped_prefix.end(), address.bytes_.begin());
  std::copy(bytes.begin(), bytes.end(), address.bytes_.begin() + 12);
  return address;
}

IpAddress IpAddress::from_v6(const std::array<std::uint8_t, 16>& bytes) {
  IpAddress address;
  address.bytes_ = bytes;
  return address;
}

bool IpAddress::is_v4() const { return std::equal(mapped_prefix.begin(), mapped_prefix.end(), bytes_.begin()); }

std::string IpAddress::text() const {
  std::array<char, INET6_ADDRSTRLEN> out{};
  if (!is_v4()) return inet_ntop(AF_INET6, bytes_.data(), out.data(), out.size());
  auto* end = out.data();  // inet_ntop prints these by sprintf, which every message would pay for
  for (std::size_t i = 12; i < bytes_.size(); ++i) {
    if (i > 12) *end++ = '.';
    end = std::to_chars(end, out.data() + out.size(), bytes_[i]).ptr;
  }
  return {out.data(), end};
}

IpAddress IpAddress::masked(int bits) const {
  IpAddress out = *this;
  const int kept = is_v4() ? bits + 96 : bits;
  for (int i = 0; i < 16; ++i) {
    const int left = std::clamp(kept - 8 * i, 0, 8);
    out.bytes_[static_cast<std::size_t>(i)] &= static_cast<std::uint8_t>(0xff00 >> left);
  }
  return out;
}

Result<Network, std::string> Network::parse(std::string_view text) {
  const auto slash = text.find('/');
  const auto address = IpAddress::parse(trim(text.substr(0, slash)));
  if (!address)
    return "'" + std::string(text) + "' is no network: write an address or a prefix, as in 192.0.2.0/24 or 2001:db8::/32";
  const int most = address->is_v4() ? 32 : 128;
  Network network;
  network.bits_ = most;
  if (slash != std::string_view::npos) {
    const auto bits = parse_number<int>(trim(text.substr(slash + 1)));
    if (!bits || *bits > most)
      return "'" + std::string(text) + "' has no valid prefix length: write a number from 0 to " + std::to_string(most);
    network.bits_ = *bits;
  }
  network.address_ = address->masked(network.bits_);
  if (network.address_ != *address)
    return "'" + std::string(text) + "' has bits set behind its prefix: write " + network.text();
  return network;
}

bool Network::contains(const IpAddress& address) const {
  return address.is_v4() == address_.is_v4() && address.masked(bits_) == address_;
}

std::string Network::text() const {
  const bool single = bits_ == (address_.is_v4() ? 32 : 128);
  return single ? address_.text() : address_.text() + "/" + std::to_string(bits_);
}

}  // namespace quota
