#include "quota/encoding.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "quota/identity.hpp"

namespace quota {
namespace {

constexpr std::string_view hex_digits = "0123456789ABCDEF";

constexpr std::array<bool, 256> make_plain() {
  std::array<bool, 256> plain{};
  for (const char c : std::string_view("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789@._+=:/-"))
    plain[static_cast<unsigned char>(c)] = true;
  return plain;
}
constexpr auto is_plain = make_plain();

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

std::string decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escaped = text[i] == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 && hex_value(text[i + 2]) >= 0;
    out += escaped ? static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2])) : text[i];
    if (escaped) i += 2;
  }
  return out;
}

std::string percent_encoded(std::string_view raw) {
  std::string out;
  out.reserve(raw.size());
  append_percent_encoded(out, raw);
  return out;
}

void append_percent_encoded(std::string& out, std::string_view raw) {
  while (!raw.empty()) {
    const auto other = std::find_if_not(raw.begin(), raw.end(), [](char c) { return is_plain[static_cast<unsigned char>(c)]; });
    out.append(raw.begin(), other);
    raw.remove_prefix(static_cast<std::size_t>(other - raw.begin()));
    if (raw.empty()) return;
    const auto byte = static_cast<unsigned char>(raw.front());
    out.append({'%', hex_digits[byte >> 4], hex_digits[byte & 15]});
    raw.remove_prefix(1);
  }
}

std::string encoded(std::string_view raw) {
  auto out = percent_encoded(raw);
  if (out.size() <= longest_identity) return out;
  // The head stays readable; it must not end inside a %XX.
  const auto digest = sha256_hex(out);
  auto head = longest_identity - digest.size() - 1;
  for (std::size_t back = 1; back <= 2; ++back)
    if (out[head - back] == '%') {
      head -= back;
      break;
    }
  return out.substr(0, head) + "=" + digest;
}

std::string sha256_hex(std::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest.data(), &length, EVP_sha256(), nullptr);
  std::string out;
  for (unsigned i = 0; i < length; ++i) {
    out += static_cast<char>(hex_digits[digest[i] >> 4] | 0x20);
    out += static_cast<char>(hex_digits[digest[i] & 15] | 0x20);
  }
  return out;
}

}  // namespace quota
