// What contradicts itself in a quota: each part is well, but together they cannot mean what was wanted.
#include <algorithm>
#include <set>

#include "milter/config_quota.hpp"

namespace milter {
namespace {

using quota::Kind;
using quota::Match;
using quota::Quota;

constexpr int longest_ipv6_client = 64;

bool charges(const Quota& quota, Kind kind) {
  return std::find(quota.per.begin(), quota.per.end(), kind) != quota.per.end();
}

template <class... Kinds>
bool charges_any(const Quota& quota, Kinds... kinds) {
  return (charges(quota, kinds) || ...);
}

void check_action(Section& section, const Quota& quota) {
  if (quota.when != quota::When::local || quota.action != quota::Action::tempfail) return;
  const std::string written = section.has("action") ? "action: " : "action is not written and means \"tempfail\": ";
  section.sentence("action",
                   written + "a tempfailed local message stays in maildrop and is offered, and judged, again and again",
                   "write action = \"quarantine\", which holds it, or \"reject\"");
}

/// Blocks are for one sender's persistence; many people's they would stop together.
void check_block_target(Section& section, const Quota& quota) {
  for (const Kind kind : quota.per) {
    if (!quota::is_shared(kind)) continue;
    section.sentence("block",
                     "block: a block on " + in_quotes(quota::name(kind)) +
                         " would stop everybody who shares it, for what one of them did",
                     "take [quota.block] out, or put it on a quota per user, script, uid or sender");
    return;
  }
  if (charges(quota, Kind::client) && quota.when != quota::When::smtp)
    section.sentence(
        "block",
        "block: local mail is charged to the whole host here, as client:local/HOST, and a block would stop all of it",
        "write when = \"smtp\", or take [quota.block] out");
}

void check_block(Section& section, const Quota& quota) {
  if (!quota.block) return;
  check_block_target(section, quota);
  const bool only_bounds =
      quota.limits.kind == quota::Allowance::Kind::limited && quota.limits.limits.empty() && quota.overrides.empty();
  if (only_bounds)
    section.sentence("block", "block: refusals by a bound per message are not counted, so this block could never begin",
                     "add a limit in a time, as in \"250 messages / 15m\", or take [quota.block] out");
}

void check_limits(Section& section, const Quota& quota) {
  if (quota.limits.kind == quota::Allowance::Kind::inherit)
    section.problem("limits", "\"inherit\" has nothing to inherit from here",
                    "write a limit; inherit is for overrides");
  if (!quota.limits.recipients_per_message) return;
  for (const auto& limit : quota.limits.limits) {
    const auto bound = *quota.limits.recipients_per_message;
    if (limit.unit != quota::Unit::recipients || limit.burst >= bound) continue;
    section.problem("limits",
                    "a message with " + std::to_string(bound) + " recipients is allowed but can never fit into '" +
                        quota::format(limit) + "'",
                    "write \"" + std::to_string(limit.burst) + " recipients / message\", or a larger burst");
  }
}

/// Scripts are only believed of local submissions and trusted relays, which are no "smtp".
void check_when(Section& section, const Quota& quota) {
  const bool only_scripts = std::all_of(quota.per.begin(), quota.per.end(),
                                        [](Kind kind) { return kind == Kind::script || kind == Kind::uid; });
  if (quota.when == quota::When::smtp && only_scripts)
    section.problem(
        "when",
        "a script or uid is only known of local mail and of trusted relays, so this quota would never be charged",
        "write when = \"local\" or \"any\"");
}

/// Empty: `match` can mean an identity that `quota` charges. Otherwise what it could only mean.
std::string_view only_for(const Match& match, const Quota& quota) {
  switch (match.kind) {
    case Match::Kind::identity:
      if (match.of) return charges(quota, *match.of) ? "" : quota::name(*match.of);
      return charges_any(quota, Kind::user, Kind::sender) ? "" : "user or sender";
    case Match::Kind::domain:
      return charges_any(quota, Kind::user, Kind::user_domain, Kind::sender, Kind::sender_domain)
                 ? ""
                 : "user, user_domain, sender or sender_domain";
    case Match::Kind::network:
      return charges(quota, Kind::client) ? "" : "client";
    case Match::Kind::account:
    case Match::Kind::plan:
      return charges_any(quota, Kind::account, Kind::user, Kind::user_domain, Kind::uid, Kind::script)
                 ? ""
                 : "account, user, user_domain, uid or script";
  }
  return "";
}

/// What looks like a network is told what is wrong with it as a network.
std::string complaint_about(std::string_view text, const std::string& otherwise) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos || !quota::IpAddress::parse(text.substr(0, slash))) return otherwise;
  const auto network = quota::Network::parse(text);
  return network ? otherwise : network.error();
}

/// Why `match`, of a kind that `quota` charges, can never be what is charged, and what to write instead; empty where it can.
struct Dead {
  std::string why;
  std::string instead;
};
std::optional<Dead> never_charged(const Match& match, const Quota& quota, const quota::Spelling& spelling) {
  if (match.kind == Match::Kind::network && match.network->bits() > longest_ipv6_client && match.value.find(':') != std::string::npos) {
    const auto address = quota::IpAddress::parse(match.value.substr(0, match.value.find('/')));
    return Dead{"IPv6 clients are counted by their /64", "write " + in_quotes(quota::client_identity(*address).value)};
  }
  if (match.of == Kind::client && match.value.starts_with("local/") && quota.when == quota::When::smtp)
    return Dead{"this quota does not cover local mail", "take it out, or write when = \"any\" or \"local\""};
  const bool is_a_sender = match.of == Kind::sender || (!match.of && !charges(quota, Kind::user) && charges(quota, Kind::sender));
  if (const auto whole = is_a_sender ? without_detail(match, spelling) : std::nullopt)
    return Dead{"its detail is cut from every sender", "write " + in_quotes((match.of ? "sender:" : "") + *whole)};
  return std::nullopt;
}

Match as_charged(Match match, const quota::Spelling& spelling) {
  if (match.of == Kind::user)
    if (const auto login = quota::parse_identity("user:" + match.value, spelling)) match.value = login->value;
  return match;
}

void read_match(Section& section, const Quota& quota, quota::OverrideRule& rule, const quota::Spelling& spelling) {
  const auto elements = section.texts("match");
  if (!section.has("match"))
    section.sentence("match", "match is missing", "write whom it is for, as in match = [\"newsletter@example.com\"]");
  if (!elements) return;
  if (elements->empty())
    section.problem("match", "the list is empty", "write whom it is for, as in match = [\"newsletter@example.com\"]");
  for (const auto& [text, place] : *elements) {
    const auto match = quota::parse_match(text);
    if (!match) {
      section.problem_at(place, "match", complaint_about(text, match.error()));
      continue;
    }
    if (const auto wanted = only_for(*match, quota); !wanted.empty() && !quota.per.empty())
      section.problem_at(place, "match",
                         in_quotes(text) + " can never match: this quota is not per " + std::string(wanted),
                         "take it out, or move it to such a quota");
    else if (const auto dead = never_charged(*match, quota, spelling))
      section.problem_at(place, "match", in_quotes(text) + " can never match: " + dead->why, dead->instead);
    rule.match.push_back(as_charged(*match, spelling));
  }
}

std::string key_of(const Match& match) {
  return std::to_string(static_cast<int>(match.kind)) + (match.of ? std::string(quota::name(*match.of)) : "") + ":" +
         match.value;
}

void report_repeats(Section& section, const quota::OverrideRule& rule, std::set<std::string>& seen) {
  for (const auto& match : rule.match)
    if (!seen.insert(key_of(match)).second)
      section.problem("match", in_quotes(match.value) + " has an override of this quota already", "keep one");
}

}  // namespace

std::optional<std::string> without_detail(const Match& match, const quota::Spelling& spelling) {
  if (match.kind != Match::Kind::identity) return std::nullopt;
  const auto sender = quota::parse_identity("sender:" + match.value, spelling);
  if (!sender || sender->value == match.value) return std::nullopt;
  return sender->value;
}

std::vector<quota::OverrideRule> read_overrides(Section& section, const Quota& quota, const quota::Spelling& spelling) {
  const auto label = [&](const Value::Table&, std::size_t number) {
    return Section::Label{section.label().shown + "override " + std::to_string(number) + ": ",
                          section.label().path + "override."};
  };
  std::vector<quota::OverrideRule> rules;
  std::set<std::string> seen;
  for (auto& part : section.sections("override", label)) {
    quota::OverrideRule rule;
    read_match(part, quota, rule, spelling);
    if (!part.has("limits"))
      part.sentence("limits", "limits is missing",
                    "write what they are granted, as in limits = [\"5000 messages / 1d\"], \"unlimited\" or \"none\"");
    if (const auto limits = read_limits(part)) rule.limits = *limits;
    part.note_unknown_keys();
    report_repeats(part, rule, seen);
    rules.push_back(std::move(rule));
  }
  return rules;
}

void report_contradictions(Section& section, const Quota& quota) {
  check_action(section, quota);
  check_when(section, quota);
  check_limits(section, quota);
  check_block(section, quota);
}

}  // namespace milter
