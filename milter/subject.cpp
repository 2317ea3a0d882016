#include "milter/subject.hpp"

#include <gmime/gmime.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "quota/text.hpp"

namespace milter {
namespace {

struct Free {
  void operator()(char* text) const { g_free(text); }
};

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

/// White space and control characters in a row are one space; none at the ends.
std::string on_one_line(std::string_view text) {
  std::string out;
  bool has_gap = false;
  for (const char c : text) {
    if (c == ' ' || is_control(c)) {
      has_gap = !out.empty();
      continue;
    }
    if (std::exchange(has_gap, false)) out += ' ';
    out += c;
  }
  return out;
}

/// The front of UTF-8, without a part of a character.
std::string_view first_characters(std::string_view text, std::size_t most) {
  std::size_t at = 0;
  for (; at < text.size(); ++at) {
    const bool begins = (static_cast<unsigned char>(text[at]) & 0xc0U) != 0x80U;
    if (begins && most-- == 0) break;
  }
  return text.substr(0, at);
}

}  // namespace

std::string readable_header(std::string_view raw, std::size_t most_characters) {
  static const bool is_ready = (g_mime_init(), true);
  (void)is_ready;
  auto unfolded = on_one_line(raw);  // without a zero byte
  const bool is_plain = unfolded.find("=?") == std::string::npos && std::all_of(unfolded.begin(), unfolded.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  if (is_plain) {
    if (unfolded.size() > most_characters) unfolded.resize(most_characters);
    return unfolded;
  }
  const std::unique_ptr<char, Free> decoded(g_mime_utils_header_decode_text(nullptr, unfolded.c_str()));
  const auto text = on_one_line(quota::valid_utf8(decoded ? decoded.get() : unfolded));
  return std::string(first_characters(text, most_characters));
}

}  // namespace milter
