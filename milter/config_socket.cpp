// Listening sockets in libmilter's notation.
#include <algorithm>

#include "milter/config_sections.hpp"
#include "quota/text.hpp"

namespace milter {
namespace {

constexpr std::size_t longest_path = 107;  // sun_path without its NUL
constexpr std::string_view forms =
    "write it as in \"unix:/var/spool/postfix/sendquota/milter.sock\" or \"inet:8894@127.0.0.1\"";

std::string socket_path_problem(std::string_view path) {
  if (!path.starts_with('/'))
    return in_quotes(path) + " is no absolute path; write it as in \"unix:/run/sendquota/milter.sock\"";
  if (path.ends_with('/')) return in_quotes(path) + " is a directory; write the path of a socket";
  if (path.size() > longest_path)
    return "the path of a socket has at most " + std::to_string(longest_path) + " bytes; choose a shorter one";
  return "";
}

std::string inet_problem(std::string_view scheme, std::string_view rest) {
  const auto at = rest.find('@');
  const auto port = quota::parse_number<std::uint16_t>(rest.substr(0, at));
  const std::string example = scheme == "inet" ? "\"inet:8894@127.0.0.1\"" : "\"inet6:8894@::1\"";
  const auto last_colon = rest.rfind(':');
  if (at == std::string_view::npos && last_colon != std::string_view::npos)
    return in_quotes(rest) + " has the port behind the address; write \"" + std::string(scheme) + ":" +
           std::string(rest.substr(last_colon + 1)) + "@" + std::string(rest.substr(0, last_colon)) + "\"";
  if (!port || *port == 0)
    return in_quotes(rest.substr(0, at)) + " is no port; write a number from 1 to 65535, as in " + example;
  if (at == std::string_view::npos)
    return "without an address everybody on the network could connect; write one, as in " + example;
  const auto host = rest.substr(at + 1);
  const bool is_host =
      !host.empty() && host.size() <= 253 && std::all_of(host.begin(), host.end(), [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '.' || c == '-' || c == ':' || c == '_';
      });
  if (!is_host) return in_quotes(host) + " is no address; write it as in " + example;
  if (scheme == "inet" && host.find(':') != std::string_view::npos)
    return in_quotes(host) + " is an IPv6 address; write inet6: before it";
  return "";
}

}  // namespace

std::string socket_problem(std::string_view listen) {
  const auto colon = listen.find(':');
  if (colon == std::string_view::npos) return in_quotes(listen) + " names no kind of socket; " + std::string(forms);
  const auto scheme = listen.substr(0, colon);
  const auto rest = listen.substr(colon + 1);
  if (scheme == "unix" || scheme == "local") return socket_path_problem(rest);
  if (scheme == "inet" || scheme == "inet6") return inet_problem(scheme, rest);
  return in_quotes(scheme) + " is no kind of socket; " + std::string(forms);
}

}  // namespace milter
