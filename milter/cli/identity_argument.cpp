#include "milter/cli/identity_argument.hpp"

#include <algorithm>

namespace milter::cli {
namespace {

bool is_kind(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
}

// Hex digits, dots and colons only: somebody means a client.
bool looks_like_network(std::string_view text) {
  return text.find_first_not_of("0123456789abcdefABCDEF.:/") == std::string_view::npos &&
         text.find_first_of(".:") != std::string_view::npos;
}

}  // namespace

BadIdentity::BadIdentity(std::string_view typed, std::string_view problem, const std::string& cure) {
  what.append("\"").append(typed).append("\" ").append(problem).append("; ").append(cure);
}

quota::Result<std::string, BadIdentity> identity_from(std::string_view typed) {
  const std::string text(typed);
  if (text.empty()) return BadIdentity(text, "is no identity", "write for example alice@example.com");
  if (const auto colon = text.find(':'); colon != std::string::npos && is_kind(typed.substr(0, colon))) {
    if (colon + 1 < text.size()) return text;
    return BadIdentity(text, "has no value after its kind", "write for example " + text + "alice@example.com");
  }
  if (text == "*") return BadIdentity(text, "means everybody, in limits only", "name one sender");
  if (text.front() == '@') return BadIdentity(text, "is a domain", "write user_domain:" + text.substr(1));
  if (looks_like_network(typed)) return BadIdentity(text, "has no kind", "write client:" + text);
  return "user:" + text;
}

}  // namespace milter::cli
