#include "quota/identity.hpp"

#include <algorithm>

#include "quota/address.hpp"
#include "quota/encoding.hpp"
#include "quota/text.hpp"

namespace quota {
namespace {

constexpr std::string_view how_to_write = "write kind:value, as in user:alice@example.com or script:mx1.example.com/1000:form.php";

Identity folded(Kind kind, std::string_view raw) { return {kind, encoded(lower(trim(raw)))}; }

constexpr std::size_t digest_length = 64;

/// Whether encoded() has put a SHA-256 in the place of the tail. Such a value is canonical as it stands: what its head
/// means (which `@` begins the domain, say) can no longer be told.
bool is_digested(std::string_view value) {
  if (value.size() + 2 < longest_identity || value.size() > longest_identity) return false;
  const auto tail = value.substr(value.size() - digest_length - 1);
  return tail.front() == '=' && tail.find_first_not_of("0123456789abcdef", 1) == std::string_view::npos;
}

/// What a kind's value must look like beyond its bytes; an empty text means it is well.
std::string complaint(Kind kind, std::string_view value) {
  if (value.empty()) return "the value is empty";
  if (kind == Kind::client && !value.starts_with("local/")) return "a client is an address, an IPv6 one by its /64, or local/HOST";
  if ((kind == Kind::script || kind == Kind::uid) && value.find('/') == std::string_view::npos)
    return "a " + std::string(name(kind)) + " is HOST/UID" + (kind == Kind::script ? ":FILE" : "");
  if (kind == Kind::everyone && value != "all") return "everyone is written everyone:all";
  return "";
}

std::string without_detail(std::string address, const std::string& delimiters) {
  const auto at = std::min(address.rfind('@'), address.size());
  const auto detail = delimiters.empty() ? std::string::npos : address.find_first_of(delimiters, 1);
  if (detail < at) address.erase(detail, at - detail);
  return address;
}

std::string canonical_value(Kind kind, std::string_view raw, const Spelling& spelling) {
  switch (kind) {
    // Only what every canonical text already is: brackets, quotes and routes are the MTA's spelling, not a person's.
    case Kind::user: return canonical_login(raw, spelling.default_realm);
    case Kind::sender: return trim(raw) == "<>" ? "null" : without_detail(canonical_login(raw, ""), spelling.recipient_delimiter);
    case Kind::user_domain:
    case Kind::sender_domain: return canonical_domain(raw);
    default: return lower(trim(raw));
  }
}

/// Whether a script or uid begins as every one does, with HOST/UID, and a script goes on with :FILE.
bool has_uid(const Identity& identity) {
  const auto slash = identity.value.find('/');
  const auto colon = identity.value.find(':', slash);
  const auto uid = std::string_view(identity.value).substr(slash + 1, std::min(colon, identity.value.size()) - slash - 1);
  const bool is_number = !uid.empty() && uid.find_first_not_of("0123456789") == std::string_view::npos && (uid.size() == 1 || uid.front() != '0');
  return is_number && (identity.kind == Kind::script) == (colon != std::string::npos);
}

/// Why no message ever bears it, and what to write instead; empty where one may.
std::string why_never_borne(const Identity& identity) {
  const auto& value = identity.value;
  const bool is_address = identity.kind == Kind::user || identity.kind == Kind::sender;
  const bool is_domain = identity.kind == Kind::user_domain || identity.kind == Kind::sender_domain;
  if (is_digested(value)) return "";
  if (is_address && value.starts_with('@'))
    return "is a whole domain: write user_domain:" + value.substr(1) + " for all logins in it, or sender_domain:" + value.substr(1) +
           " for all senders";
  if (is_domain && value.find('@') != std::string::npos)
    return "is no domain: write " + std::string(name(identity.kind)) + ":" + value.substr(value.rfind('@') + 1);
  if (identity.kind == Kind::uid && !has_uid(identity)) return "has no number for a uid: write uid:HOST/NUMBER, as in uid:mx1.example.com/1000";
  if (identity.kind == Kind::script && !has_uid(identity))
    return "is no script: write script:HOST/NUMBER:FILE, as in script:mx1.example.com/1000:form.php";
  return "";
}

/// A client's address as a person types it: any address of an IPv6 /64 means the /64.
std::optional<std::string> canonical_client(std::string_view raw) {
  const auto slash = raw.find('/');
  const auto address = IpAddress::parse(raw.substr(0, slash));
  if (!address || (slash != std::string_view::npos && raw.substr(slash) != (address->is_v4() ? "/32" : "/64"))) return std::nullopt;
  return client_identity(*address).value;
}

}  // namespace

std::string_view name(Kind kind) {
  constexpr std::array<std::string_view, 9> names{"user",          "user_domain", "script",  "uid",     "sender",
                                                  "sender_domain", "client",      "account", "everyone"};
  return names[static_cast<std::size_t>(kind)];
}

std::optional<Kind> kind_called(std::string_view text) {
  for (const Kind kind : all_kinds)
    if (name(kind) == text) return kind;
  return std::nullopt;
}

bool is_shared(Kind kind) {
  return kind == Kind::user_domain || kind == Kind::sender_domain || kind == Kind::account || kind == Kind::everyone;
}

std::string Identity::text() const {
  std::string out(name(kind));
  out.reserve(out.size() + 1 + value.size());
  return out.append(1, ':').append(value);
}

std::string_view Identity::domain() const {
  if (kind == Kind::user_domain || kind == Kind::sender_domain) return value;
  if ((kind != Kind::user && kind != Kind::sender) || is_digested(value)) return {};
  const auto at = value.rfind('@');
  return at == std::string::npos ? std::string_view{} : std::string_view(value).substr(at + 1);
}

namespace {

Result<Identity, std::string> read_identity(std::string_view text, const Spelling& spelling) {
  text = trim(text);
  const auto colon = text.find(':');
  const auto kind = colon == std::string_view::npos ? std::nullopt : kind_called(lower(text.substr(0, colon)));
  if (!kind && text == "everyone") return everyone_identity();
  // A colon makes it a kind: "usr:alice@example.com" is a typing error, not a login of that name.
  if (!kind && (text.find('@') == std::string_view::npos || colon != std::string_view::npos))
    return "'" + std::string(text) + "' is no identity: " + std::string(how_to_write);
  const auto of = kind.value_or(Kind::user);
  const auto written = kind ? text.substr(colon + 1) : text;
  const auto raw = decoded(written);
  if (is_digested(written) && lower(raw) == raw && encoded(raw) == written) return Identity{of, std::string(written)};
  if (of == Kind::client)
    if (const auto client = canonical_client(trim(raw))) return Identity{of, *client};
  const auto value = canonical_value(of, raw, spelling);
  if (const auto wrong = complaint(of, value); !wrong.empty())
    return "'" + std::string(text) + "' is no identity: " + wrong + "; " + std::string(how_to_write);
  return Identity{of, encoded(value)};
}

}  // namespace

Result<Identity, std::string> parse_identity(std::string_view text) { return read_identity(text, {}); }

Result<Identity, std::string> parse_identity(std::string_view text, const Spelling& spelling) {
  auto identity = read_identity(text, spelling);
  if (!identity) return identity;
  if (const auto why = why_never_borne(*identity); !why.empty()) return "'" + std::string(trim(text)) + "' " + why;
  return identity;
}

std::optional<Identity> user_identity(std::string_view login, std::string_view default_realm) {
  return identity_of_login(canonical_login(login, default_realm));
}

std::optional<Identity> identity_of_login(std::string_view canonical) {
  if (canonical.empty()) return std::nullopt;
  return Identity{Kind::user, encoded(canonical)};
}

Identity sender_identity(std::string_view mail_from, std::string_view delimiters) {
  return identity_of_address(canonical_address(mail_from, delimiters));
}

Identity identity_of_address(std::string_view canonical) {
  return {Kind::sender, canonical.empty() || canonical == "<>" ? "null" : encoded(canonical)};
}

std::optional<Identity> domain_identity(Kind kind, const Identity& address) {
  const auto domain = address.domain();
  if (domain.empty()) return std::nullopt;
  return Identity{kind, std::string(domain)};
}

std::optional<Identity> domain_identity(Kind kind, std::string_view canonical_address) {
  const auto at = canonical_address.rfind('@');
  if (at == std::string_view::npos) return std::nullopt;
  return Identity{kind, encoded(canonical_address.substr(at + 1))};
}

Identity client_identity(const IpAddress& address) {
  return folded(Kind::client, address.is_v4() ? address.text() : address.masked(64).text() + "/64");
}

Identity local_client_identity(std::string_view host) { return folded(Kind::client, "local/" + std::string(host)); }

std::optional<PhpScript> parse_php_script(std::string_view raw) {
  std::string unfolded(raw);
  std::erase_if(unfolded, [](char c) { return c == '\r' || c == '\n'; });
  const auto header = trim(unfolded);
  const auto colon = header.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto uid = parse_number<std::uint32_t>(trim(header.substr(0, colon)));
  auto file = trim(header.substr(colon + 1));
  const auto eval_mark = file.find(") : eval()'d code");
  const bool evaluated = eval_mark != std::string_view::npos;
  if (evaluated) file = trim(file.substr(0, file.rfind('(', eval_mark)));
  if (!uid || file.empty()) return std::nullopt;
  return PhpScript{std::to_string(*uid), std::string(file), evaluated};
}

Identity script_identity(std::string_view host, const PhpScript& script) {
  return folded(Kind::script, std::string(host) + "/" + script.uid + ":" + script.name);
}

Identity uid_identity(std::string_view host, const PhpScript& script) {
  return folded(Kind::uid, std::string(host) + "/" + script.uid);
}

Identity account_identity(std::string_view account) { return folded(Kind::account, account); }

Identity everyone_identity() { return {Kind::everyone, "all"}; }

}  // namespace quota
