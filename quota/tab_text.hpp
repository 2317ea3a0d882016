// Lines of words with tabs between, and their checksums: what the files of a state directory are made of.
// A word holds any bytes; tab, line ends, other control bytes and the backslash are written \t \n \r \\ \xHH.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace quota {

/// Adds `word`, escaped. What takes more than `most` bytes is cut, between characters, and ends with an ellipsis (3 bytes).
void append_escaped(std::string& line, std::string_view word, std::size_t most = std::string::npos);

/// The words of one line, without its end.
[[nodiscard]] std::string joined_words(std::span<const std::string> words);
[[nodiscard]] std::vector<std::string> split_words(std::string_view line);

/// CRC-32 (IEEE 802.3) in eight hexadecimal digits.
[[nodiscard]] std::string checksum_text(std::uint32_t checksum);
[[nodiscard]] std::uint32_t checksum_of(std::string_view bytes);

/// `CHECKSUM\tLINE\n`, and back: empty where the checksum does not fit the rest.
[[nodiscard]] std::string sealed_line(std::string_view line);
[[nodiscard]] std::optional<std::string_view> unsealed_line(std::string_view sealed);

}  // namespace quota
