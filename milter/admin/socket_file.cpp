#include "milter/admin/socket_file.hpp"

#include <fcntl.h>
#include <grp.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <system_error>
#include <utility>

namespace milter::admin {
namespace {

using Trouble = std::optional<std::string>;  // empty: none

std::string reason(int error) { return std::generic_category().message(error); }

std::string trouble(const std::string& what, const std::string& path) {
  return what + " " + path + ": " + reason(errno);
}

quota::Result<sockaddr_un, std::string> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty()) return std::string("the path of the socket is empty");
  if (path.size() >= sizeof address.sun_path)
    return "the path of the socket is too long (at most " + std::to_string(sizeof address.sun_path - 1) +
           " bytes): " + path;
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

const sockaddr* generic(const sockaddr_un& address) { return reinterpret_cast<const sockaddr*>(&address); }

FileDescriptor new_socket() { return FileDescriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)); }

quota::Result<FileDescriptor, std::string> take_lock(const std::string& path) {
  const std::string lock_path = path + ".lock";
  FileDescriptor lock(::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
  if (!lock.is_open()) return trouble("cannot create", lock_path);
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return lock;
  if (errno != EWOULDBLOCK) return trouble("cannot lock", lock_path);
  return "another sendquotad already listens on " + path + "; stop it or choose another path";
}

// Connecting is the only way to learn whether a socket's owner lives. EAGAIN: it lives and has too many callers.
Trouble remove_stale(const sockaddr_un& address, const std::string& path) {
  struct stat found {};
  if (::lstat(path.c_str(), &found) != 0) return errno == ENOENT ? Trouble{} : trouble("cannot look at", path);
  if (!S_ISSOCK(found.st_mode)) return path + " exists and is not a socket; remove it or choose another path";
  const auto probe = new_socket();
  if (!probe.is_open()) return trouble("cannot create a socket for", path);
  if (::connect(probe.get(), generic(address), sizeof address) == 0 || errno == EAGAIN)
    return "another program already listens on " + path + "; stop it or choose another path";
  if (errno != ECONNREFUSED) return trouble("cannot tell whether anybody listens on", path);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return trouble("cannot remove the old socket", path);
  return {};
}

quota::Result<gid_t, std::string> group_id(const std::string& name) {
  std::array<char, 16384> space{};
  group entry{};
  group* found = nullptr;
  ::getgrnam_r(name.c_str(), &entry, space.data(), space.size(), &found);
  if (!found) return "there is no group \"" + name + "\"; create it with: groupadd --system " + name;
  return found->gr_gid;
}

Trouble give_to_group(const SocketSettings& settings) {
  const auto& [path, mode, group] = settings;
  if (!group.empty()) {
    const auto id = group_id(group);
    if (!id) return id.error();
    if (::lchown(path.c_str(), static_cast<uid_t>(-1), *id) != 0)
      return trouble("cannot give to group " + group + " (the daemon must be a member of it) the socket", path);
  }
  if (::chmod(path.c_str(), mode) != 0) return trouble("cannot set the mode of", path);
  return {};
}

}  // namespace

quota::Result<FileDescriptor, std::string> claim_socket_path(const std::string& path) {
  const auto address = address_of(path);
  if (!address) return address.error();
  auto lock = take_lock(path);
  if (!lock) return lock.error();
  if (const auto problem = remove_stale(*address, path)) return *problem;
  return lock;
}

quota::Result<SocketFile, std::string> SocketFile::listen(const SocketSettings& settings) {
  auto lock = claim_socket_path(settings.path);
  if (!lock) return lock.error();
  const auto address = address_of(settings.path);

  SocketFile file;
  file.lock_ = std::move(*lock);
  file.socket_ = new_socket();
  if (!file.socket_.is_open()) return trouble("cannot create a socket for", settings.path);
  // Linux gives the new file the mode of the descriptor: no umask, and no moment in which others could connect.
  ::fchmod(file.socket_.get(), 0600);
  if (::bind(file.socket_.get(), generic(*address), sizeof *address) != 0)
    return trouble("cannot create", settings.path);
  file.path_ = settings.path;
  struct stat created {};
  if (::lstat(settings.path.c_str(), &created) != 0) return trouble("cannot look at", settings.path);
  file.device_ = created.st_dev;
  file.inode_ = created.st_ino;
  if (const auto problem = give_to_group(settings)) return *problem;
  if (::listen(file.socket_.get(), SOMAXCONN) != 0) return trouble("cannot listen on", settings.path);
  return file;
}

SocketFile::SocketFile(SocketFile&& other) noexcept
    : path_(std::exchange(other.path_, {})),
      lock_(std::move(other.lock_)),
      socket_(std::move(other.socket_)),
      device_(other.device_),
      inode_(other.inode_) {}

SocketFile::~SocketFile() {
  struct stat found {};
  if (path_.empty() || ::lstat(path_.c_str(), &found) != 0) return;
  if (found.st_dev == device_ && found.st_ino == inode_) ::unlink(path_.c_str());
}

}  // namespace milter::admin
