// The warnings of `check-config`: what is allowed, and seldom what was meant.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "milter/admin/tcp_socket.hpp"
#include "milter/config_report.hpp"
#include "quota/text.hpp"

namespace milter {
namespace {

using quota::Kind;
using quota::Quota;
using quota::When;

using Warnings = std::vector<std::string>;

bool charges(const Quota& quota, Kind kind) {
  return std::find(quota.per.begin(), quota.per.end(), kind) != quota.per.end();
}

/// Charged whenever the message bears it, not only where something before it is missing.
bool charges_first(const Quota& quota, Kind kind) { return !quota.per.empty() && quota.per.front() == kind; }

template <class Test>
bool any_quota(const Config& config, Test test) {
  const auto& quotas = config.policy->parts().quotas;
  return std::any_of(quotas.begin(), quotas.end(), test);
}

bool is_loopback(std::string_view host) { return host == "localhost" || host == "::1" || host.starts_with("127."); }

void warn_of_milter(const Config& config, Warnings& warnings) {
  const auto& milter = config.milter;
  const bool is_inet = milter.listen.starts_with("inet");
  const auto host = std::string_view(milter.listen).substr(milter.listen.find('@') + 1);
  if (is_inet && !is_loopback(host))
    warnings.push_back("milter.listen: whoever reaches " + milter.listen +
                       " can pose as the MTA: charge, refuse and block anybody, and crash the daemon. Use a unix "
                       "socket or 127.0.0.1, or let a firewall admit only your MTAs");
  if (!is_inet && (milter.socket_mode & 02) != 0)
    warnings.push_back(
        "milter.socket_mode: everybody with a login on this host can pose as the MTA: charge, refuse and block "
        "anybody, and crash the daemon. Write \"0660\" and a socket_group");
}

void warn_of_admin(const Config& config, Warnings& warnings) {
  const auto address = admin::TcpAddress::parse(config.admin.tcp);
  if (address && !address->is_loopback())
    warnings.push_back("admin.tcp: whoever can listen on the way to " + config.admin.tcp +
                       " reads the tokens that are sent there. Listen on 127.0.0.1, and put a proxy that speaks TLS before it");
}

void warn_of_mode(const Config& config, Warnings& warnings) {
  if (config.mode == quota::Mode::observe)
    warnings.push_back(
        "mode is \"observe\": nothing is refused or held by quotas, only counted and logged. The line that enforces is "
        "mode = \"enforce\"");
  if (config.policy->parts().quotas.empty())
    warnings.push_back("there is no [[quota]]: only blocks made by hand stop anybody");
}

void warn_of_coverage(const Config& config, Warnings& warnings) {
  if (config.policy->parts().quotas.empty()) return;
  const auto is_for_all = [](const Quota& quota) {
    return charges(quota, Kind::sender) || charges(quota, Kind::client) || charges(quota, Kind::everyone);
  };
  if (!any_quota(config, [&](const Quota& quota) {
        return quota.when != When::local && (is_for_all(quota) || charges(quota, Kind::user));
      }))
    warnings.push_back("no quota covers every login: mail over SMTP can pass uncovered. Add a quota per user");
  if (!any_quota(config, [&](const Quota& quota) { return quota.when != When::smtp && is_for_all(quota); }))
    warnings.push_back(
        "no quota covers all local mail: what cron, PHP and shells send can pass uncovered. Add a quota per client "
        "with when = \"local\"");
}

/// A script names itself, or does not: its header may split a quota, never be the only one.
void warn_of_scripts(const Config& config, Warnings& warnings) {
  if (!any_quota(config, [](const Quota& quota) { return charges(quota, Kind::script); })) return;
  const auto bounds = [&](Kind kind) {
    return any_quota(config,
                     [kind](const Quota& quota) { return quota.when != When::smtp && charges_first(quota, kind); });
  };
  if (!bounds(Kind::uid))
    warnings.push_back(
        "a script can name itself anew with every message, and no quota per uid bounds them all together. Add one with "
        "when = \"local\"");
  if (!bounds(Kind::client) && !bounds(Kind::everyone))
    warnings.push_back(
        "a script can leave its header out, and no quota per client bounds a host's local mail. Add one with when = "
        "\"local\"");
}

/// `other` fails whenever `limit` does, so `limit` decides nothing.
bool is_idle_beside(const quota::Limit& limit, const quota::Limit& other) {
  if (limit.unit != other.unit || limit == other) return false;
  const auto mine = limit.rate();
  const auto its = other.rate();
  // tokens/interval compared without dividing; both products stay below 2^126, so long double's rounding cannot matter
  // beyond a tie, which is idle as well.
  const auto my_speed = static_cast<long double>(mine.tokens) * static_cast<long double>(its.interval);
  const auto its_speed = static_cast<long double>(its.tokens) * static_cast<long double>(mine.interval);
  return other.burst <= limit.burst && its_speed <= my_speed;
}

void warn_of_quota(const Quota& quota, Warnings& warnings) {
  const auto of_quota = "quota " + in_quotes(quota.name) + ": ";
  for (const auto& limit : quota.limits.limits)
    for (const auto& other : quota.limits.limits)
      if (is_idle_beside(limit, other))
        warnings.push_back(of_quota + "'" + format(limit) + "' never decides, since '" + format(other) +
                           "' is always reached first");
  if (quota.limits.kind == quota::Allowance::Kind::unlimited && quota.overrides.empty())
    warnings.push_back(of_quota + "it limits nobody");
  const bool only_logins = std::all_of(quota.per.begin(), quota.per.end(),
                                       [](Kind kind) { return kind == Kind::user || kind == Kind::user_domain; });
  if (quota.when == When::local && only_logins)
    warnings.push_back(of_quota + "local mail has no login, so it will hardly ever be charged");
}

void warn_of_rest(const Config& config, Warnings& warnings) {
  for (const auto& network : config.policy->parts().identity.our_networks)
    if (network.bits() == 0)
      warnings.push_back("identity.our_networks: " + network.text() +
                         " makes all mail outgoing, also what others send to you");
  if (config.hold.then == HoldSettings::Then::hold)
    warnings.push_back("hold.then is \"hold\": the hold queue has no bottom, and one script can fill the disk");
  if (config.log.level == LogSettings::Level::warning || config.log.level == LogSettings::Level::error)
    warnings.push_back("log.level: the line of each judged message is left out, the only place that says why mail is held");
  if (const auto words = quota::words_of(config.notify.command); !words.empty() && ::access(words.front().c_str(), X_OK) != 0)
    warnings.push_back("notify.command: " + words.front() + " cannot be executed: " + std::strerror(errno));
}

}  // namespace

std::vector<std::string> warnings_about(const Config& config) {
  Warnings warnings;
  warn_of_mode(config, warnings);
  warn_of_milter(config, warnings);
  warn_of_admin(config, warnings);
  warn_of_coverage(config, warnings);
  warn_of_scripts(config, warnings);
  for (const auto& quota : config.policy->parts().quotas) warn_of_quota(quota, warnings);
  warn_of_rest(config, warnings);
  return warnings;
}

}  // namespace milter
