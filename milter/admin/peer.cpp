#include "milter/admin/peer.hpp"

#include <pwd.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <system_error>

namespace milter::admin {
namespace {

std::string name_of(uid_t uid) {
  std::array<char, 16384> space{};
  passwd entry{};
  passwd* found = nullptr;
  ::getpwuid_r(uid, &entry, space.data(), space.size(), &found);
  return found ? found->pw_name : "uid:" + std::to_string(uid);
}

}  // namespace

quota::Result<Caller, std::string> peer_of(int unix_socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(unix_socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
    return "cannot tell who connected: " + std::generic_category().message(errno);
  return Caller{.uid = peer.uid, .pid = peer.pid, .user = name_of(peer.uid)};
}

}  // namespace milter::admin
