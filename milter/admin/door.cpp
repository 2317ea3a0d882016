#include "milter/admin/door.hpp"

#include <algorithm>
#include <optional>

#include "milter/admin/problem.hpp"
#include "quota/identity.hpp"
#include "quota/network.hpp"
#include "quota/text.hpp"

namespace milter::admin {
namespace {

using namespace std::chrono_literals;

constexpr quota::Limit times(std::int64_t amount, quota::Milliseconds period, std::int64_t burst) { return {quota::Unit::messages, amount, period, burst}; }
constexpr auto of_a_token = times(50, 1s, 500);  // the page asks six times a second, and a help desk may share one
constexpr auto of_a_stranger = times(10, 1s, 100);
constexpr auto wrong_tokens = times(10, 1min, 10);

/// Without the port; of `[::1]:8025` what is between the brackets.
std::string_view host_of(std::string_view authority) {
  if (authority.starts_with('[')) return authority.substr(1, authority.find(']') - 1);
  return authority.substr(0, authority.find(':'));
}

/// No name that somebody else could have made to point here.
bool is_ours(std::string_view authority, const Access& access) {
  const auto host = quota::lower(host_of(authority));
  return host.empty() || host == "localhost" || host.ends_with(".localhost") || quota::IpAddress::parse(host) ||
         std::ranges::find(access.hosts, host) != access.hosts.end();
}

bool is_same_page(const Headers& headers, const Access& access) {
  if (!headers.fetch_site.empty() && headers.fetch_site != "same-origin" && headers.fetch_site != "none") return false;
  if (headers.origin.empty()) return true;
  const auto scheme = headers.origin.find("://");
  if (scheme == std::string::npos) return false;  // "null": of a page that hides where it is from
  const auto authority = std::string_view(headers.origin).substr(scheme + 3);
  const auto listed = quota::lower(host_of(authority));
  return quota::lower(authority) == quota::lower(headers.host) || std::ranges::find(access.hosts, listed) != access.hosts.end();
}

/// To look at the page is no order, so a link may lead there from anywhere.
bool is_plain_look(const RawRequest& raw) { return raw.method == "GET" && raw.target == "/"; }

std::optional<Response> objection_to(const RawRequest& raw, const Access& access) {
  const auto& headers = raw.headers;
  if (headers.is_repeated) return error_response(400, "a header that decides who you are came twice", "send each once");
  if (!is_ours(headers.host, access))
    return error_response(403, "\"" + headers.host + "\" is no name of this service", "use an address or localhost, or write the name into admin.hosts");
  if (!is_plain_look(raw) && !is_same_page(headers, access))
    return error_response(403, "another page sent this", "where a proxy stands before the daemon, let it pass the Host header on, or write its name into admin.hosts");
  const auto type = quota::lower(std::string_view(headers.content_type).substr(0, headers.content_type.find_first_of("; ")));
  if (!raw.body.empty() && type != "application/json")
    return error_response(415, "the body is not declared as JSON", "send the header 'Content-Type: application/json'");
  return std::nullopt;
}

/// Empty where none is shown.
std::optional<std::string> shown_token(const std::string& authorization) {
  constexpr std::string_view scheme = "bearer ";
  if (authorization.empty()) return std::nullopt;
  if (quota::lower(std::string_view(authorization).substr(0, scheme.size())) != scheme) return "";
  return authorization.substr(std::min(authorization.size(), authorization.find_first_not_of(' ', scheme.size())));
}

/// Whoever has one address of an IPv6 /64 has all of them.
std::string peer_of(const std::string& address) {
  const auto parsed = quota::IpAddress::parse(address);
  return parsed ? quota::client_identity(*parsed).value : address;
}

}  // namespace

Door::Door(Tools tools) : tools_(std::move(tools)), tokens_(of_a_token), strangers_(of_a_stranger), failures_(wrong_tokens) {}

Response Door::answer(const RawRequest& raw) {
  const auto access = tools_.access();
  if (auto objection = objection_to(raw, *access)) return std::move(*objection);
  if (raw.caller.address.empty()) return tools_.inside(raw);
  auto caller = known(raw, *access);
  if (!caller) return caller.error();
  auto admitted = raw;
  admitted.caller = std::move(*caller);
  return tools_.inside(admitted);
}

quota::Result<Caller, Response> Door::known(const RawRequest& raw, const Access& access) {
  const auto shown = shown_token(raw.headers.authorization);
  const auto* const token = shown ? find_token(access, *shown) : nullptr;
  const auto peer = peer_of(raw.caller.address);
  if (shown && !token) return wrong_token(raw.caller.address, peer);
  const std::lock_guard lock(mutex_);
  const auto wait = token ? tokens_.count(token->name, tools_.now()) : strangers_.count(peer, tools_.now());
  if (wait) return too_often("too many requests", *wait);
  auto caller = raw.caller;
  if (!token) return caller;
  caller.user = token->name;
  caller.role = token->role;
  caller.account = token->account;
  return caller;
}

Response Door::wrong_token(const std::string& address, const std::string& peer) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto wait = failures_.count(peer, tools_.now())) return too_often("too many requests", *wait);
  }
  tools_.trouble("a wrong token from " + address);
  return unauthorized("this token is not known");
}

}  // namespace milter::admin
