// Text: the small operations on bytes that the parsers share. Only the last three know more than ASCII, namely UTF-8;
// nothing here knows a locale.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace quota {

[[nodiscard]] std::string lower(std::string_view text);
[[nodiscard]] std::string_view trim(std::string_view text);

/// The parts between `separator`, each trimmed; one empty part for an empty text.
[[nodiscard]] std::vector<std::string_view> split(std::string_view text, char separator);

/// Cuts the first word (up to white space) off `rest` and returns it; `rest` loses the white space before the next.
[[nodiscard]] std::string_view next_word(std::string_view& rest);

/// All of them.
[[nodiscard]] std::vector<std::string> words_of(std::string_view text);

/// `text` in single quotes, as one word of a shell.
[[nodiscard]] std::string shell_word(std::string_view text);

/// A whole decimal number without sign that fits, and nothing else.
template <class Integer = std::int64_t>
[[nodiscard]] std::optional<Integer> parse_number(std::string_view text) {
  if (text.empty() || text.front() < '0' || text.front() > '9') return std::nullopt;
  Integer value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

[[nodiscard]] bool is_utf8(std::string_view text);

/// `text` with each byte that belongs to no UTF-8 character replaced by U+FFFD.
[[nodiscard]] std::string valid_utf8(std::string text);

/// The front of `text`, at most so many bytes, without a part of a character at its end.
[[nodiscard]] std::string_view head_of(std::string_view text, std::size_t most_bytes);

}  // namespace quota
