// The %XX encoding of identity values. Decoding is for what people type; the daemon never decodes.
#pragma once

#include <string>
#include <string_view>

namespace quota {

/// The bytes that `text` stands for: each valid %XX decoded, all else as it is.
[[nodiscard]] std::string decoded(std::string_view text);

/// Any bytes as one log-safe word: as an identity's value is written, without its bound on the length.
[[nodiscard]] std::string percent_encoded(std::string_view raw);
void append_percent_encoded(std::string& out, std::string_view raw);

/// SHA-256 in lower-case hexadecimal digits.
[[nodiscard]] std::string sha256_hex(std::string_view bytes);

}  // namespace quota
