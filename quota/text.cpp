#include "quota/text.hpp"

#include <algorithm>

namespace quota {
namespace {

constexpr bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

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

}  // namespace quota
