// Identity: who a message is charged to, in its one canonical spelling.
//
// The text form everywhere (keys, logs, commands, URLs) is `kind:value`. A value holds only [A-Za-z0-9@._+=:/-] and %XX;
// every other byte, `%` included, is written %XX, so no identity can leave its key, its log field or its URL. Over 160
// bytes the tail becomes a SHA-256. Canonical means that no spelling is a second quota: ASCII case is folded, spaces
// and trailing dots are dropped, a bare login gets the default realm, senders lose their +detail.
// Known limit: letters beyond ASCII are compared byte by byte (NFC and NFD of one name are two identities).
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "quota/network.hpp"

namespace quota {

enum class Kind : std::uint8_t { user, user_domain, script, uid, sender, sender_domain, client, account, everyone };

inline constexpr std::array all_kinds{Kind::user,          Kind::user_domain, Kind::script,  Kind::uid,     Kind::sender,
                                      Kind::sender_domain, Kind::client,      Kind::account, Kind::everyone};

[[nodiscard]] std::string_view name(Kind kind);
[[nodiscard]] std::optional<Kind> kind_called(std::string_view name);

/// Identities of many people at once, or of a whole host: never shown to a sender, never blocked by persistence.
[[nodiscard]] bool is_shared(Kind kind);

struct Identity {
  Kind kind;
  std::string value;

  [[nodiscard]] std::string text() const;
  /// The domain of an address, a domain itself, else empty (also where the SHA-256 of a long address has swallowed it).
  [[nodiscard]] std::string_view domain() const;
  bool operator==(const Identity&) const = default;
};

/// The longest value, in bytes.
inline constexpr std::size_t longest_identity = 160;

/// Writes any bytes as an identity's value: %XX for what is not allowed, the tail as SHA-256 where it is too long.
[[nodiscard]] std::string encoded(std::string_view raw);

/// Reads `kind:value` as a person types it; a bare address means `user:`. Case and stray bytes are made canonical, valid
/// %XX are kept, so parse(text(x)) = x. Errors: what is wrong and what to write instead.
[[nodiscard]] Result<Identity, std::string> parse_identity(std::string_view text);

/// How a site spells its senders: two keys of `[identity]`.
struct Spelling {
  std::string default_realm{};        ///< what a bare login gets; empty: it stays bare
  std::string recipient_delimiter{};  ///< what begins the detail that is cut from a sender

  bool operator==(const Spelling&) const = default;
};

/// Reads an identity as somebody of that site means it: a bare login gets the realm, a sender loses its detail.
/// Errors: also for what no message ever bears, as in `@example.com` or `uid:mx1/www-data`.
[[nodiscard]] Result<Identity, std::string> parse_identity(std::string_view text, const Spelling& spelling);

/// An SMTP-AUTH login, as `{auth_authen}` gives it. Empty for an empty login.
[[nodiscard]] std::optional<Identity> user_identity(std::string_view login, std::string_view default_realm);

/// The same for a login that is canonical already.
[[nodiscard]] std::optional<Identity> identity_of_login(std::string_view canonical);

/// An envelope sender as the MTA passes it: brackets, source route and quotes are taken off, `+detail` is cut at the first
/// of `delimiters`. The null sender is `sender:null`.
[[nodiscard]] Identity sender_identity(std::string_view mail_from, std::string_view delimiters);

/// The same for an address that is canonical already.
[[nodiscard]] Identity identity_of_address(std::string_view canonical);

/// The domain of a user or sender as an identity of `kind`; empty where there is none, or where the SHA-256 of a long
/// address has swallowed it.
[[nodiscard]] std::optional<Identity> domain_identity(Kind kind, const Identity& address);
/// The same from the canonical spelling before it is encoded: no address is too long for it.
[[nodiscard]] std::optional<Identity> domain_identity(Kind kind, std::string_view canonical_address);

/// IPv4 whole, IPv6 by /64.
[[nodiscard]] Identity client_identity(const IpAddress& address);
[[nodiscard]] Identity local_client_identity(std::string_view host);

/// What an X-PHP-Originating-Script header says.
struct PhpScript {
  std::string uid;    ///< decimal, without leading zeros
  std::string name;   ///< as given, without what eval() appends
  bool evaluated;     ///< `(12) : eval()'d code` was cut off
};

/// `1000:form.php` → its parts, unfolded; empty for a header that is none (no uid, no name).
[[nodiscard]] std::optional<PhpScript> parse_php_script(std::string_view header);
[[nodiscard]] Identity script_identity(std::string_view host, const PhpScript& script);
[[nodiscard]] Identity uid_identity(std::string_view host, const PhpScript& script);
[[nodiscard]] Identity account_identity(std::string_view name);
[[nodiscard]] Identity everyone_identity();

}  // namespace quota
