#include "quota/sender.hpp"

#include <algorithm>
#include <array>

#include "quota/address.hpp"

namespace quota {
namespace {

bool contains(const std::vector<Network>& networks, const IpAddress& address) {
  return std::any_of(networks.begin(), networks.end(), [&](const Network& network) { return network.contains(address); });
}

bool is_loopback(const IpAddress& address) {
  static const std::array networks{*Network::parse("127.0.0.0/8"), *Network::parse("::1")};
  return std::any_of(networks.begin(), networks.end(), [&](const Network& one) { return one.contains(address); });
}

bool is_local(const IdentityRules& rules, const Envelope& envelope) {
  const auto& client = envelope.client;
  // Postfix feeds local submissions through cleanup with a client it makes up: port 0 of loopback, without a login. (Behind a
  // proxy that does not know it, the port of somebody else is 0 too.) A socket without an address is sendmail -bs. Sendmail's
  // local submission is plain SMTP from loopback, told apart only by its own port's name.
  if (!client.address || (client.port == 0 && is_loopback(*client.address) && envelope.auth_type.empty())) return true;
  return std::find(rules.local_daemon_names.begin(), rules.local_daemon_names.end(), client.daemon_name) !=
         rules.local_daemon_names.end();
}

void add(Sender& sender, std::optional<Identity> identity) {
  if (identity) sender.identities.push_back(std::move(*identity));
}

/// The login, canonical; empty without one.
std::string login_of(const IdentityRules& rules, const Envelope& envelope) {
  return envelope.auth_type.empty() ? std::string() : canonical_login(envelope.auth_authen, rules.default_realm);
}

/// Whether a PHP header is believed: it may come from here or from a trusted relay, with or without a login.
bool is_believed(const IdentityRules& rules, const ClientFacts& client, Origin origin) {
  return origin == Origin::local || contains(rules.trusted_relays, *client.address);
}

/// A script's host is the relay's address where the relay ran it.
std::string script_host(const Envelope& envelope, Origin origin) {
  return origin == Origin::local ? envelope.client.host : envelope.client.address->text();
}

void add_script(Sender& sender, const IdentityRules& rules, const Envelope& envelope) {
  if (!envelope.php_script) return;
  if (!is_believed(rules, envelope.client, sender.origin)) {
    sender.php_header = PhpHeader::not_believed;
    return;
  }
  const auto script = parse_php_script(*envelope.php_script);
  sender.php_header = script ? PhpHeader::believed : PhpHeader::malformed;
  if (!script) return;
  const auto host = script_host(envelope, sender.origin);
  sender.php_evaluated = script->evaluated;
  add(sender, script_identity(host, *script));
  add(sender, uid_identity(host, *script));
}

void add_user(Sender& sender, const std::string& login) {
  if (login.empty()) return;
  add(sender, identity_of_login(login));
  add(sender, domain_identity(Kind::user_domain, login));
}

Origin origin_of(const IdentityRules& rules, const Envelope& envelope, bool has_login) {
  const auto& client = envelope.client;
  if (is_local(rules, envelope)) return Origin::local;
  // Also one that logs in: what it hands over is its sites' mail, to be held like local mail.
  if (contains(rules.trusted_relays, *client.address)) return Origin::relay;
  if (has_login) return Origin::authenticated;
  if (contains(rules.our_networks, *client.address)) return Origin::network;
  return envelope.auth_type.empty() ? Origin::inbound : Origin::nameless;
}

void add_account(Sender& sender, std::span<const AccountMap* const> accounts) {
  if (std::all_of(accounts.begin(), accounts.end(), [](const AccountMap* map) { return map->empty(); })) return;
  for (const Kind kind : {Kind::user, Kind::user_domain, Kind::uid}) {
    const auto* owner = sender.find(kind);
    const auto* account = owner ? account_of(accounts, *owner) : nullptr;
    if (!account) continue;
    add(sender, Identity{Kind::account, account->name});
    return;
  }
}

const Account* find_in(std::span<const AccountMap* const> accounts, const Identity& owner) {
  for (const auto* map : accounts)
    if (const auto* account = map->find(owner)) return account;
  return nullptr;
}

}  // namespace

std::string_view name(Origin origin) {
  constexpr std::array<std::string_view, 6> names{"inbound", "authenticated", "network", "relay", "local", "nameless"};
  return names[static_cast<std::size_t>(origin)];
}

const Identity* Sender::find(Kind kind) const {
  const auto found = std::find_if(identities.begin(), identities.end(), [&](const Identity& one) { return one.kind == kind; });
  return found == identities.end() ? nullptr : &*found;
}

Origin origin_of(const IdentityRules& rules, const Envelope& envelope) {
  return origin_of(rules, envelope, !login_of(rules, envelope).empty());
}

Sender identify(const IdentityRules& rules, std::span<const AccountMap* const> accounts, const Envelope& envelope) {
  Sender sender;
  sender.identities.reserve(8);  // a kind each
  const auto login = login_of(rules, envelope);
  sender.origin = origin_of(rules, envelope, !login.empty());
  add_user(sender, login);
  add_script(sender, rules, envelope);
  if (sender.origin == Origin::inbound) {
    sender.identities.clear();
    return sender;
  }
  const auto from = canonical_address(envelope.mail_from, rules.recipient_delimiter);
  add(sender, identity_of_address(from));
  add(sender, domain_identity(Kind::sender_domain, from));
  if (sender.origin != Origin::local) sender.address = envelope.client.address;
  add(sender, sender.origin == Origin::local ? local_client_identity(envelope.client.host) : client_identity(*envelope.client.address));
  add_account(sender, accounts);
  add(sender, everyone_identity());
  return sender;
}

const Account* account_of(std::span<const AccountMap* const> accounts, const Identity& identity) {
  if (identity.kind == Kind::script) {
    const auto uid = identity.value.substr(0, identity.value.find(':', identity.value.find('/')));
    return find_in(accounts, {Kind::uid, uid});
  }
  if (identity.kind != Kind::user && identity.kind != Kind::user_domain && identity.kind != Kind::uid) return nullptr;
  if (const auto* account = find_in(accounts, identity)) return account;
  const auto domain = identity.kind == Kind::user ? domain_identity(Kind::user_domain, identity) : std::nullopt;
  return domain ? find_in(accounts, *domain) : nullptr;
}

}  // namespace quota
