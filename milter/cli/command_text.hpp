// Commands that the output proposes, for a terminal: on lines that fit, of which a paste is still the command.
#pragma once

#include <string>
#include <string_view>

#include "milter/cli/terminal.hpp"

namespace milter::cli {

/// `command` on one or more indented lines, each ended. It goes on after a backslash: between two words where they fit, else within one,
/// whose quotes are closed and opened again. Requires: no quotes but '…', no comment. Made printable here.
[[nodiscard]] std::string command_text(std::string_view command, const View& view);

}  // namespace milter::cli
