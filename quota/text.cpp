#include "quota/text.hpp"

#include <algorithm>

namespace quota {
namespace {

constexpr bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

constexpr std::string_view replacement = "\xEF\xBF\xBD";  // U+FFFD

constexpr bool continues(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

/// Bytes of the UTF-8 character that `text` begins with; 0 where it begins with none.
/// Source: RFC 3629, section 4: no longer spelling than needed, no surrogates, nothing above U+10FFFF.
std::size_t character_size(std::string_view text) {
  const auto first = static_cast<unsigned char>(text.front());
  if (first < 0x80) return 1;
  if (first < 0xC2 || first > 0xF4) return 0;
  const std::size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (text.size() < size || !std::all_of(text.begin() + 1, text.begin() + static_cast<std::ptrdiff_t>(size), continues)) return 0;
  const auto second = static_cast<unsigned char>(text[1]);
  const bool is_too_long = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
  const bool is_surrogate = first == 0xED && second > 0x9F;
  const bool is_too_large = first == 0xF4 && second > 0x8F;
  return is_too_long || is_surrogate || is_too_large ? 0 : size;
}

/// Where the first byte lies that belongs to no character.
std::size_t valid_prefix(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const auto size = character_size(text.substr(at));
    if (size == 0) break;
    at += size;
  }
  return at;
}

}  // namespace

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const auto at = text.find(separator);
    parts.push_back(trim(text.substr(0, at)));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

std::string_view next_word(std::string_view& rest) {
  rest = trim(rest);
  const auto end = std::find_if(rest.begin(), rest.end(), is_space);
  const auto word = rest.substr(0, static_cast<std::size_t>(end - rest.begin()));
  rest = trim(rest.substr(word.size()));
  return word;
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  for (text = trim(text); !text.empty();) words.emplace_back(next_word(text));
  return words;
}

std::string shell_word(std::string_view text) {
  std::string word = "'";
  for (const char c : text) word += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return word + "'";
}

bool is_utf8(std::string_view text) { return valid_prefix(text) == text.size(); }

std::string valid_utf8(std::string text) {
  auto good = valid_prefix(text);
  if (good == text.size()) return text;
  std::string valid;
  for (std::string_view rest = text;; good = valid_prefix(rest)) {
    valid += rest.substr(0, good);
    rest.remove_prefix(good);
    if (rest.empty()) return valid;
    valid += replacement;
    rest.remove_prefix(1);
  }
}

std::string_view head_of(std::string_view text, std::size_t most_bytes) {
  if (text.size() <= most_bytes) return text;
  auto end = most_bytes;
  while (end > 0 && most_bytes - end < 3 && continues(text[end])) --end;
  // Where no character began, none is cut.
  return text.substr(0, continues(text[end]) ? most_bytes : end);
}

}  // namespace quota
