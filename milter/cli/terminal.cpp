#include "milter/cli/terminal.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include <algorithm>
#include <clocale>
#include <cstdint>
#include <cstdlib>
#include <utility>

namespace milter::cli {
namespace {

constexpr std::size_t narrowest = 80;
constexpr std::size_t widest = 160;  // a line longer than this is hard to follow

std::string_view code(Style style) {
  switch (style) {
    case Style::plain:
      return "";
    case Style::strong:
      return "\033[1m";
    case Style::faint:
      return "\033[2m";
    case Style::good:
      return "\033[32m";
    case Style::warning:
      return "\033[33m";
    case Style::bad:
      return "\033[31m";
  }
  return "";
}

/// While it lives the C library reads UTF-8 on this thread, whatever the user's locale is.
class InUtf8 {
 public:
  InUtf8() : utf8_(::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)), before_(utf8_ ? ::uselocale(utf8_) : nullptr) {}
  InUtf8(const InUtf8&) = delete;
  InUtf8& operator=(const InUtf8&) = delete;
  ~InUtf8() {
    if (!utf8_) return;
    ::uselocale(before_);
    ::freelocale(utf8_);
  }

 private:
  const locale_t utf8_;
  const locale_t before_;
};

bool is_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

struct Character {
  char32_t code = 0xFFFD;
  std::size_t bytes = 1;
};

/// The first of `text`, which is not empty; a byte that begins none is U+FFFD.
Character first_of(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text.front());
  if (lead < 0x80) return {lead, 1};
  const std::size_t bytes = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || bytes > text.size()) return {};
  char32_t code = lead & (0xFFU >> (bytes + 1));
  for (std::size_t i = 1; i < bytes; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    if ((next & 0xC0) != 0x80) return {};
    code = code << 6 | (next & 0x3FU);
  }
  return {code, bytes};
}

/// Requires: InUtf8.
std::size_t columns_of(const Character& character) {
  const auto width = ::wcwidth(static_cast<wchar_t>(character.code));
  return width < 0 ? 1 : static_cast<std::size_t>(width);
}

bool is_control(char32_t code) { return code < 0x20 || (code >= 0x7F && code < 0xA0); }

/// Marks and directions of writing, joiners, blanks without width, tags, ends of lines that are none in ASCII.
bool is_unseen(char32_t code) {
  constexpr std::pair<char32_t, char32_t> ranges[] = {{0xAD, 0xAD}, {0x61C, 0x61C}, {0x180E, 0x180E}, {0x200B, 0x200F}, {0x2028, 0x202E}, {0x2060, 0x206F}, {0xFEFF, 0xFEFF}, {0xFFF9, 0xFFFB}, {0xE0000, 0xE007F}};
  return std::ranges::any_of(ranges, [code](const auto& range) { return range.first <= code && code <= range.second; });
}

std::size_t terminal_width() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return narrowest;
  return std::clamp<std::size_t>(size.ws_col, narrowest, widest);
}

}  // namespace

std::string paint(std::string_view text, Style style, const View& view) {
  if (view.colours == Colours::never || style == Style::plain || text.empty()) return std::string(text);
  return std::string(code(style)).append(text).append("\033[0m");
}

std::string sentence(std::string_view text, Style style, const View& view) {
  constexpr std::string_view indent = "  ";
  const auto safe = printable(text);
  std::string lines;
  std::size_t column = 0;
  for (std::string_view rest = safe; !rest.empty();) {
    auto word = rest.substr(0, rest.find(' '));
    rest.remove_prefix(std::min(word.size() + 1, rest.size()));
    const bool fits = column + 1 + columns(word) <= view.width;
    if (column > 0) lines.append(fits ? " " : "\n").append(fits ? "" : indent);
    column = column == 0 ? 0 : fits ? column + 1 : indent.size();
    for (; column + columns(word) > view.width; column = indent.size()) {
      const auto head = word.substr(0, bytes_within(word, view.width - column));
      lines.append(head).append("\n").append(indent);
      word.remove_prefix(head.size());
    }
    column += columns(word);
    lines += word;
  }
  return paint(lines, style, view) + "\n";
}

std::string printable(std::string_view text) {
  std::string safe;
  while (!text.empty()) {
    const auto [code, bytes] = first_of(text);
    if (is_control(code))
      safe += '?';
    else if (is_unseen(code))
      safe += fmt::format("\\u{{{:04X}}}", static_cast<std::uint32_t>(code));
    else
      safe += text.substr(0, bytes);
    text.remove_prefix(bytes);
  }
  return safe;
}

std::size_t columns(std::string_view text) {
  if (is_ascii(text)) return text.size();
  const InUtf8 locale;
  std::size_t sum = 0;
  while (!text.empty()) {
    const auto character = first_of(text);
    sum += columns_of(character);
    text.remove_prefix(character.bytes);
  }
  return sum;
}

std::size_t bytes_within(std::string_view text, std::size_t columns) {
  const InUtf8 locale;
  std::size_t bytes = 0, taken = 0;
  while (bytes < text.size()) {
    const auto character = first_of(text.substr(bytes));
    const auto wide = columns_of(character);
    if (bytes > 0 && taken + wide > columns) break;
    bytes += character.bytes;
    taken += wide;
  }
  return bytes;
}

View view_of_standard_output() {
  const auto now = std::chrono::time_point_cast<quota::Milliseconds>(std::chrono::system_clock::now());
  if (::isatty(STDOUT_FILENO) == 0) return {.now = now};
  const char* no_colour = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  const bool plain = (no_colour && *no_colour) || (terminal && std::string_view(terminal) == "dumb");
  return {.now = now, .width = terminal_width(), .colours = plain ? Colours::never : Colours::always};
}

}  // namespace milter::cli
