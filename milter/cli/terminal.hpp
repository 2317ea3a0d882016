// What the output may use: its width, colours, the moment that "in 42m" counts from. A value, so that rendering is
// pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "quota/units.hpp"

namespace milter::cli {

enum class Colours { never, always };

struct View {
  quota::Timestamp now{};
  std::size_t width = 80;
  Colours colours = Colours::never;
};

enum class Style { plain, strong, faint, good, warning, bad };

/// `text` with the terminal's codes around it, or as it is.
[[nodiscard]] std::string paint(std::string_view text, Style style, const View& view);

/// `text` without anything a terminal could obey: a sender's name or a reason may contain escape sequences. A control is a `?`; what is not
/// seen itself and changes how others are seen, such as the direction of writing, is `\u{202E}`.
[[nodiscard]] std::string printable(std::string_view text);

/// A sentence on one or more lines, each ended, none wider than `view.width`. It breaks at spaces, and in a word only where that alone is
/// wider than a line.
[[nodiscard]] std::string sentence(std::string_view text, Style style, const View& view);

/// Columns that `text` takes, as terminals do it: none for a combining character, two for a wide one. What the C library does not know takes
/// one, and so does a byte that is no UTF-8.
[[nodiscard]] std::size_t columns(std::string_view text);

/// The bytes of as many characters as fit into `columns`, with what is combined with them; of one at least, unless there is none.
[[nodiscard]] std::size_t bytes_within(std::string_view text, std::size_t columns);

/// How the standard output is to be used now: colours only on a terminal and without NO_COLOR, 80 columns or more.
[[nodiscard]] View view_of_standard_output();

}  // namespace milter::cli
