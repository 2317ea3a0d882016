// Match: how the entries of `match` and `[exempt]` find whom they mean, and which of several is the most specific.
#include <algorithm>

#include "quota/address.hpp"
#include "quota/policy.hpp"
#include "quota/text.hpp"

namespace quota {
namespace {

std::optional<std::string_view> after_prefix(std::string_view text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return std::nullopt;
  return trim(text.substr(prefix.size()));
}

Match named(Match::Kind kind, std::string_view value) { return {kind, encoded(lower(value)), {}, {}}; }

}  // namespace

Result<Match, std::string> parse_match(std::string_view text) {
  text = trim(text);
  if (const auto account = after_prefix(text, "account:"); account && !account->empty()) return named(Match::Kind::account, *account);
  if (const auto plan = after_prefix(text, "plan:"); plan && !plan->empty()) return named(Match::Kind::plan, *plan);
  if (text.size() > 1 && text.front() == '@') return named(Match::Kind::domain, canonical_domain(text.substr(1)));
  if (const auto network = Network::parse(text)) return Match{Match::Kind::network, network->text(), *network, {}};
  const auto colon = text.find(':');
  const bool has_kind = colon != std::string_view::npos && kind_called(lower(text.substr(0, colon)));
  if (!has_kind && text.find('@') == std::string_view::npos)
    return failed<Match>("'" + std::string(text) +
                         "' matches nothing: write an address, @domain, a network as in 192.0.2.0/24, account:NAME, plan:NAME or kind:value");
  if (has_kind && colon + 1 < text.size() && text[colon + 1] == '@')
    return failed<Match>("'" + std::string(text) + "' names a whole domain: write " + std::string(text.substr(colon + 1)));
  const auto identity = parse_identity(text, Spelling{});
  if (!identity) return failed<Match>(identity.error());
  return Match{Match::Kind::identity, identity->value, {}, has_kind ? std::optional(identity->kind) : std::nullopt};
}

std::optional<int> specificity(const Match& match, const MatchSubject& subject) {
  const auto& identity = subject.identity;
  const bool is_address = identity.kind == Kind::user || identity.kind == Kind::sender;
  switch (match.kind) {
    case Match::Kind::identity:
      if (match.value != identity.value || (match.of ? *match.of != identity.kind : !is_address)) return std::nullopt;
      return 1000;
    case Match::Kind::network:
      if (!subject.address || !match.network->contains(*subject.address)) return std::nullopt;
      return 500 + match.network->bits();
    case Match::Kind::domain: return identity.domain() == match.value ? std::optional(400) : std::nullopt;
    case Match::Kind::account: return subject.account == match.value ? std::optional(300) : std::nullopt;
    case Match::Kind::plan: return !subject.plan.empty() && subject.plan == match.value ? std::optional(200) : std::nullopt;
  }
  return std::nullopt;
}

namespace {

/// Whether an MTA that is responsible for the domain may pass the message on to another one that the local part names:
/// `victim%remote@ours`, `remote!victim@ours`, `"victim@remote"@ours`.
bool may_route_on(std::string_view address) {
  const auto local = address.substr(0, std::min(address.rfind('@'), address.size()));
  return local.find_first_of("@%!\"\\") != std::string_view::npos;
}

}  // namespace

bool Exemptions::covers_recipient(std::string_view address) const {
  const bool routes_on = may_route_on(address);
  const Identity recipient{Kind::sender, encoded(canonical_address(address, ""))};
  return std::any_of(recipients.begin(), recipients.end(),
                     [&](const Match& match) {
                       // A whole address is the one that was meant; of a domain only what surely stays in it.
                       return !(routes_on && match.kind == Match::Kind::domain) && specificity(match, {recipient, {}, {}, {}}).has_value();
                     });
}

}  // namespace quota
