// Addresses and logins: the canonical spelling of what a client typed, before it is encoded as an identity.
#pragma once

#include <string>
#include <string_view>

namespace quota {

/// Lower case, without surrounding spaces and trailing dots.
[[nodiscard]] std::string canonical_domain(std::string_view raw);

/// A login: spaces and trailing dots dropped, case folded; a login without a domain (`alice`, `alice@`) gets
/// `@default_realm` where there is one.
[[nodiscard]] std::string canonical_login(std::string_view raw, std::string_view default_realm);

/// A mailbox as in MAIL FROM: without brackets, source route and needless quotes; case folded; the local part is cut at
/// the first of `delimiters` that is not its first character. Empty for the null sender.
/// Source: RFC 5321 §4.1.2 (quoted strings equal their bare content), appendix C (source routes are ignored).
[[nodiscard]] std::string canonical_address(std::string_view raw, std::string_view delimiters);

}  // namespace quota
