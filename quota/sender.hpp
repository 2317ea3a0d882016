// Sender: who an envelope really comes from, and whether it is ours to judge.
//
// Only outgoing mail is judged: authenticated, submitted locally, or from a client in our networks or a trusted relay.
// All else is inbound. Pure.
#pragma once

#include <span>
#include <vector>

#include "quota/account_map.hpp"
#include "quota/envelope.hpp"

namespace quota {

/// How a message came to be outgoing, or that it is not.
enum class Origin : std::uint8_t {
  inbound,        ///< from somebody else: never charged, refused or listed
  authenticated,  ///< with SMTP AUTH
  network,        ///< from a client in `our_networks`
  relay,          ///< from a client in `trusted_relays`: its PHP header is believed
  local,          ///< submitted on the MTA's host
  nameless,       ///< authenticated by `{auth_type}`, but the MTA sent no `{auth_authen}`: nobody to charge
};
[[nodiscard]] std::string_view name(Origin origin);

/// Judged only at end of message, where a refusal would hurt more than a hold (DESIGN 2.3).
[[nodiscard]] constexpr bool is_held_not_refused(Origin origin) { return origin == Origin::local || origin == Origin::relay; }

/// The `[identity]` section.
struct IdentityRules {
  std::string default_realm;
  std::string recipient_delimiter;
  std::vector<Network> our_networks{};
  std::vector<Network> trusted_relays{};
  std::vector<std::string> local_daemon_names{};
  std::size_t max_scripts_per_uid = 200;

  [[nodiscard]] Spelling spelling() const { return {default_realm, recipient_delimiter}; }
};

/// What a message's PHP header gave away, for the counters.
enum class PhpHeader : std::uint8_t { absent, believed, not_believed, malformed };

struct Sender {
  Origin origin = Origin::inbound;
  std::vector<Identity> identities{};  ///< at most one of each kind, in the order of `Kind`
  std::optional<IpAddress> address{};  ///< the client's own, where it was no local submission
  PhpHeader php_header = PhpHeader::absent;
  bool php_evaluated = false;

  [[nodiscard]] const Identity* find(Kind kind) const;
};

[[nodiscard]] Origin origin_of(const IdentityRules& rules, const Envelope& envelope);

/// All identities that the message bears. `accounts` are asked in their order; the first that knows an owner decides.
[[nodiscard]] Sender identify(const IdentityRules& rules, std::span<const AccountMap* const> accounts, const Envelope& envelope);

/// The account of one identity: of a user by itself, then its domain; of a uid, and of a script through its uid.
[[nodiscard]] const Account* account_of(std::span<const AccountMap* const> accounts, const Identity& identity);

}  // namespace quota
