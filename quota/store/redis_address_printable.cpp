#include "quota/encoding.hpp"
#include "quota/store/redis_address.hpp"
#include "quota/store/redis_address_schemes.hpp"

namespace quota {
namespace {

using Topology = RedisAddress::Topology;

// Of an IPv6 address only the sign before its zone needs encoding.
std::string bracketed(const std::string& host) {
  const auto percent = host.find('%');
  if (percent == host.npos) return '[' + host + ']';
  return '[' + host.substr(0, percent) + "%25" + host.substr(percent + 1) + ']';
}

std::string printed(const TcpServer& server) {
  const auto host = server.host.find(':') == server.host.npos ? server.host : bracketed(server.host);
  return host + ':' + std::to_string(server.port);
}

std::string printed(const UnixServer& server, const RedisLogin& login) {
  std::string text = "unix:" + percent_encoded(server.path);
  if (login.database != 0) text += "?db=" + std::to_string(login.database);
  if (!login.user.empty()) text += (login.database != 0 ? "&user=" : "?user=") + percent_encoded(login.user);
  return text;
}

std::string printed_path(const RedisAddress& address) {
  const auto database = '/' + std::to_string(address.login.database);
  if (address.topology == Topology::single) return database;
  if (address.topology == Topology::cluster) return "";
  const auto& user = address.sentinel_login.user;
  return '/' + percent_encoded(address.master_name) + database +
         (user.empty() ? "" : "?sentinel_user=" + percent_encoded(user));
}

}  // namespace

std::string RedisAddress::printable() const {
  if (const auto* local = std::get_if<UnixServer>(&seeds.front())) return printed(*local, login);
  std::string text;
  for (const auto& scheme : redis_schemes)
    if (scheme.topology == topology && scheme.is_tls == is_tls) text = std::string(scheme.text) + "://";
  if (!login.user.empty()) text += percent_encoded(login.user) + '@';
  for (const auto& seed : seeds) text += (&seed == &seeds.front() ? "" : ",") + printed(std::get<TcpServer>(seed));
  return text + printed_path(*this);
}

}  // namespace quota
