// What a header says, as a person reads it.
#pragma once

#include <string>
#include <string_view>

namespace milter {

/// Unfolded and decoded (RFC 2047, raw bytes in whatever they may be) as UTF-8 on one line, at most so many characters.
[[nodiscard]] std::string readable_header(std::string_view raw, std::size_t most_characters);

}  // namespace milter
