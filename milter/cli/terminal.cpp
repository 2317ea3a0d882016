#include "milter/cli/terminal.hpp"

#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include <algorithm>
#include <clocale>
#include <cstdlib>

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
  std::size_t bytes = 1;
  std::size_t columns = 1;
};

/// The first of `text`, which is not empty. Requires: InUtf8.
Character first_of(std::string_view text) {
  wchar_t wide = 0;
  std::mbstate_t state{};
  const auto bytes = ::mbrtowc(&wide, text.data(), text.size(), &state);
  if (bytes == 0 || bytes > text.size()) return {};  // a NUL, or no character
  const auto width = ::wcwidth(wide);
  return {bytes, width < 0 ? 1 : static_cast<std::size_t>(width)};
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
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    // U+0080…U+009F, the C1 controls, are C2 80 … C2 9F.
    const bool c1 = byte == 0xC2 && at + 1 < text.size() && static_cast<unsigned char>(text[at + 1]) < 0xA0;
    const bool control = byte < 0x20 || byte == 0x7F || c1;
    safe += control ? '?' : text[at];
    if (c1) ++at;
  }
  return safe;
}

std::size_t columns(std::string_view text) {
  if (is_ascii(text)) return text.size();
  const InUtf8 locale;
  std::size_t sum = 0;
  while (!text.empty()) {
    const auto character = first_of(text);
    sum += character.columns;
    text.remove_prefix(character.bytes);
  }
  return sum;
}

std::size_t bytes_within(std::string_view text, std::size_t columns) {
  const InUtf8 locale;
  std::size_t bytes = 0, taken = 0;
  while (bytes < text.size()) {
    const auto character = first_of(text.substr(bytes));
    if (bytes > 0 && taken + character.columns > columns) break;
    bytes += character.bytes;
    taken += character.columns;
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
