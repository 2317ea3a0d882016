#include "milter/admin/target.hpp"

#include <charconv>

namespace milter::admin {
namespace {

bool is_unreserved(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
         std::string_view("._~-").find(c) != std::string_view::npos;
}

std::optional<char> decode_escape(std::string_view digits) {
  unsigned value = 0;
  const auto* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, value, 16);
  if (digits.size() != 2 || stop != end || error != std::errc{} || value == 0) return std::nullopt;
  return static_cast<char>(value);
}

// Cuts off and returns what stands before the next `mark`; the whole text when there is none.
std::string_view next_part(std::string_view& rest, char mark) {
  const auto at = rest.find(mark);
  const auto part = rest.substr(0, at);
  rest = at == std::string_view::npos ? std::string_view{} : rest.substr(at + 1);
  return part;
}

bool parse_path(std::string_view text, std::vector<std::string>& path) {
  while (!text.empty()) {
    auto segment = percent_decode(next_part(text, '/'));
    if (!segment) return false;
    path.push_back(std::move(*segment));
  }
  return true;
}

bool parse_query(std::string_view text, std::map<std::string, std::string>& query) {
  while (!text.empty()) {
    auto pair = next_part(text, '&');
    const auto key = percent_decode(next_part(pair, '='));
    const auto value = percent_decode(pair);
    if (!key || !value || !query.emplace(*key, *value).second) return false;
  }
  return true;
}

}  // namespace

std::optional<std::string> percent_decode(std::string_view text) {
  std::string decoded;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '%') {
      decoded += text[at];
      continue;
    }
    const auto byte = decode_escape(text.substr(at + 1, 2));
    if (!byte) return std::nullopt;
    decoded += *byte;
    at += 2;
  }
  return decoded;
}

std::string percent_encode(std::string_view text) {
  static constexpr char digits[] = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    if (is_unreserved(c)) {
      encoded += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    encoded += {'%', digits[byte >> 4], digits[byte & 15]};
  }
  return encoded;
}

std::optional<Target> parse_target(std::string_view text) {
  if (!text.starts_with('/')) return std::nullopt;
  text.remove_prefix(1);
  Target target;
  const auto path = next_part(text, '?');
  if (!parse_path(path, target.path) || !parse_query(text, target.query)) return std::nullopt;
  return target;
}

}  // namespace milter::admin
