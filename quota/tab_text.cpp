#include "quota/tab_text.hpp"

#include <algorithm>
#include <array>
#include <boost/crc.hpp>
#include <charconv>

namespace quota {
namespace {

constexpr std::string_view hexadecimal = "0123456789abcdef";
constexpr std::size_t checksum_size = 8;

constexpr auto is_plain = [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f && c != '\\'; };

void append_escape(std::string& line, char c) {
  switch (c) {
    case '\t':
      line += "\\t";
      return;
    case '\n':
      line += "\\n";
      return;
    case '\r':
      line += "\\r";
      return;
    case '\\':
      line += "\\\\";
      return;
    default:
      break;
  }
  const auto byte = static_cast<unsigned char>(c);
  line += "\\x";
  line += hexadecimal[byte >> 4U];
  line += hexadecimal[byte & 0xfU];
}

/// The byte behind a backslash; `rest` loses what was read. An escape that is none stands for itself.
char unescape(std::string_view& rest) {
  const char kind = rest.front();
  rest.remove_prefix(1);
  if (kind == 't') return '\t';
  if (kind == 'n') return '\n';
  if (kind == 'r') return '\r';
  unsigned byte = 0;
  if (kind != 'x' || rest.size() < 2 || std::from_chars(rest.data(), rest.data() + 2, byte, 16).ptr != rest.data() + 2)
    return kind;
  rest.remove_prefix(2);
  return static_cast<char>(byte);
}

std::string unescaped(std::string_view word) {
  std::string plain;
  plain.reserve(word.size());
  while (!word.empty()) {
    const auto end = std::min(word.find('\\'), word.size());
    plain += word.substr(0, end);
    word.remove_prefix(end);
    if (word.size() < 2) return plain += word;
    word.remove_prefix(1);
    plain += unescape(word);
  }
  return plain;
}

/// Down to so many bytes, or up to 3 less: no character of UTF-8 is divided.
void cut(std::string& line, std::size_t size) {
  const auto is_continued = [&line](std::size_t at) { return at < line.size() && (static_cast<unsigned char>(line[at]) & 0xc0U) == 0x80; };
  for (int back = 0; back < 3 && is_continued(size); ++back) --size;
  line.resize(size);
  line += "…";
}

}  // namespace

void append_escaped(std::string& line, std::string_view word, std::size_t most) {
  const auto longest = most == std::string::npos ? most : line.size() + most;
  while (!word.empty()) {
    const auto end = std::find_if_not(word.begin(), word.end(), is_plain);
    const auto plain = static_cast<std::size_t>(end - word.begin());
    line += word.substr(0, plain);
    if (line.size() > longest) return cut(line, longest);
    if (plain == word.size()) return;
    const auto before = line.size();
    append_escape(line, word[plain]);
    if (line.size() > longest) return cut(line, before);
    word.remove_prefix(plain + 1);
  }
}

std::string joined_words(std::span<const std::string> words) {
  std::string line;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) line += '\t';
    append_escaped(line, words[i]);
  }
  return line;
}

std::vector<std::string> split_words(std::string_view line) {
  std::vector<std::string> words;
  for (;;) {
    const auto tab = line.find('\t');
    words.push_back(unescaped(line.substr(0, tab)));
    if (tab == std::string_view::npos) return words;
    line.remove_prefix(tab + 1);
  }
}

std::string checksum_text(std::uint32_t checksum) {
  std::string text(checksum_size, '0');
  for (std::size_t i = checksum_size; i-- > 0; checksum >>= 4U) text[i] = hexadecimal[checksum & 0xfU];
  return text;
}

std::uint32_t checksum_of(std::string_view bytes) {
  boost::crc_32_type crc;
  crc.process_bytes(bytes.data(), bytes.size());
  return crc.checksum();
}

std::string sealed_line(std::string_view line) {
  return checksum_text(checksum_of(line)) + '\t' + std::string(line) + '\n';
}

std::optional<std::string_view> unsealed_line(std::string_view sealed) {
  if (sealed.size() <= checksum_size || sealed[checksum_size] != '\t') return std::nullopt;
  const auto line = sealed.substr(checksum_size + 1);
  if (sealed.substr(0, checksum_size) != checksum_text(checksum_of(line))) return std::nullopt;
  return line;
}

}  // namespace quota
