#include "quota/address.hpp"

#include "quota/text.hpp"

namespace quota {
namespace {

/// Without surrounding white space and trailing dots, however they alternate.
std::string_view without_dots(std::string_view text) {
  text = trim(text);
  while (!text.empty() && text.back() == '.') {
    text.remove_suffix(1);
    text = trim(text);
  }
  return text;
}

std::string_view without_brackets(std::string_view text) {
  text = trim(text);
  while (text.size() >= 2 && text.front() == '<' && text.back() == '>') text = trim(text.substr(1, text.size() - 2));
  return text;
}

std::string_view without_route(std::string_view text) {
  if (text.empty() || text.front() != '@') return text;
  const auto colon = text.find(':');
  return colon == std::string_view::npos ? text : trim(text.substr(colon + 1));
}

/// `"a b\"c"` → `a b"c`; a local part without quotes stays.
std::string unquoted(std::string_view local) {
  if (local.size() < 2 || local.front() != '"' || local.back() != '"') return std::string(local);
  std::string out;
  local = local.substr(1, local.size() - 2);
  for (std::size_t i = 0; i < local.size(); ++i) {
    if (local[i] == '\\' && i + 1 < local.size()) ++i;
    out += local[i];
  }
  return out;
}

/// Where the domain's `@` stands: the last one that is not inside a quoted local part.
std::size_t at_sign(std::string_view address) {
  if (address.empty() || address.front() != '"') return address.rfind('@');
  std::size_t close = 1;
  while (close < address.size() && address[close] != '"') close += address[close] == '\\' ? 2 : 1;
  if (close >= address.size()) return address.rfind('@');
  const auto at = address.rfind('@');
  return at == std::string_view::npos || at < close ? std::string_view::npos : at;
}

/// Without trailing dots, spaces and `@`, however they alternate.
std::string_view bare(std::string_view text) {
  text = without_dots(text);
  while (!text.empty() && text.back() == '@') text = without_dots(text.substr(0, text.size() - 1));
  return text;
}

}  // namespace

std::string canonical_domain(std::string_view raw) { return lower(without_dots(raw)); }

std::string canonical_login(std::string_view raw, std::string_view default_realm) {
  const auto login = bare(raw);
  const auto at = login.rfind('@');
  if (at != std::string_view::npos) return lower(trim(login.substr(0, at))) + "@" + canonical_domain(login.substr(at + 1));
  if (login.empty() || default_realm.empty()) return lower(login);
  return lower(login) + "@" + canonical_domain(default_realm);
}

std::string canonical_address(std::string_view raw, std::string_view delimiters) {
  const auto address = without_route(without_brackets(raw));
  const auto at = at_sign(address);
  auto local = lower(trim(unquoted(trim(address.substr(0, at)))));
  if (const auto detail = local.find_first_of(delimiters, 1); !delimiters.empty() && detail != std::string::npos)
    local = trim(std::string(local, 0, detail));
  const auto domain = at == std::string_view::npos ? std::string() : canonical_domain(address.substr(at + 1));
  return domain.empty() ? canonical_login(local, "") : local + "@" + domain;
}

}  // namespace quota
