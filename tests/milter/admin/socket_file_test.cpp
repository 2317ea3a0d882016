#include "milter/admin/socket_file.hpp"

#include <doctest/doctest.h>
#include <grp.h>
#include <sys/socket.h>

#include <fstream>

#include "tests/milter/admin/raw_client.hpp"
#include "tests/milter/admin/temporary_directory.hpp"

using milter::admin::SocketFile;
using milter::admin::SocketSettings;

namespace {

class WithUmask {
 public:
  explicit WithUmask(mode_t mask) : before_(::umask(mask)) {}
  WithUmask(const WithUmask&) = delete;
  WithUmask& operator=(const WithUmask&) = delete;
  ~WithUmask() { ::umask(before_); }

 private:
  mode_t before_;
};

struct stat look_at(const std::string& path) {
  struct stat found {};
  CHECK(::lstat(path.c_str(), &found) == 0);
  return found;
}

// What a killed daemon leaves: a socket file that nobody listens on.
void leave_dead_socket(const std::string& path) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  REQUIRE(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  ::close(fd);
}

std::string error_of(const SocketSettings& settings) {
  const auto file = SocketFile::listen(settings);
  return file.has_value() ? "" : file.error();
}

}  // namespace

TEST_CASE("the socket has its mode and group whatever the umask is, and is gone afterwards") {
  const test::TemporaryDirectory directory;
  const auto path = directory / "admin.sock";
  const auto* own_group = ::getgrgid(::getgid());
  REQUIRE(own_group);
  for (const mode_t mask : {mode_t{0}, mode_t{022}, mode_t{0777}}) {
    for (const mode_t mode : {mode_t{0660}, mode_t{0600}, mode_t{0666}}) {
      const WithUmask umask(mask);
      const auto file = SocketFile::listen({.path = path, .mode = mode, .group = own_group->gr_name});
      REQUIRE(file.has_value());
      CHECK(S_ISSOCK(look_at(path).st_mode));
      CHECK((look_at(path).st_mode & 07777) == mode);
      CHECK(look_at(path).st_gid == ::getgid());
    }
    CHECK_FALSE(std::filesystem::exists(path));
  }
}

TEST_CASE("the socket of a dead daemon is replaced") {
  const test::TemporaryDirectory directory;
  leave_dead_socket(directory / "admin.sock");
  const auto file = SocketFile::listen({.path = directory / "admin.sock"});
  REQUIRE(file.has_value());
  CHECK(test::RawClient(directory / "admin.sock").connected());
}

TEST_CASE("of two daemons on one path the second is refused and the first goes on") {
  const test::TemporaryDirectory directory;
  const auto path = directory / "admin.sock";
  const auto first = SocketFile::listen({.path = path});
  REQUIRE(first.has_value());
  const auto inode = look_at(path).st_ino;
  CHECK(error_of({.path = path}) ==
        "another sendquotad already listens on " + path + "; stop it or choose another path");
  CHECK(look_at(path).st_ino == inode);
  CHECK(test::RawClient(path).connected());
}

TEST_CASE("a live socket of another program, without our lock, is left alone") {
  const test::TemporaryDirectory directory;
  const auto path = directory / "admin.sock";
  const auto other = SocketFile::listen({.path = path});
  REQUIRE(other.has_value());
  REQUIRE(std::filesystem::remove(path + ".lock"));
  CHECK(error_of({.path = path}) == "another program already listens on " + path + "; stop it or choose another path");
  CHECK(test::RawClient(path).connected());
}

TEST_CASE("what is not a socket is never removed") {
  const test::TemporaryDirectory directory;
  const auto path = directory / "admin.sock";
  std::ofstream(path) << "precious";
  CHECK(error_of({.path = path}) == path + " exists and is not a socket; remove it or choose another path");
  CHECK(std::filesystem::file_size(path) == 8);
  std::filesystem::remove(path);
  std::filesystem::create_symlink(directory / "elsewhere", path);
  CHECK(error_of({.path = path}) == path + " exists and is not a socket; remove it or choose another path");
  CHECK(std::filesystem::is_symlink(path));
}

TEST_CASE("a socket that cannot be made says why and leaves none behind") {
  const test::TemporaryDirectory directory;
  const std::string long_path = directory / std::string(120, 'x');
  struct {
    SocketSettings settings;
    std::string want;
  } const cases[] = {
      {{.path = directory / "no/admin.sock"},
       "cannot create " + (directory / "no/admin.sock.lock") + ": No such file or directory"},
      {{.path = directory / "a.sock", .group = "no-such-group"},
       "there is no group \"no-such-group\"; create it with: groupadd --system no-such-group"},
      {{.path = long_path}, "the path of the socket is too long (at most 107 bytes): " + long_path},
      {{.path = ""}, "the path of the socket is empty"},
  };
  for (const auto& [settings, want] : cases) {
    CHECK(error_of(settings) == want);
    CHECK_FALSE(std::filesystem::exists(settings.path + "x"));
    CHECK((settings.path.empty() || !std::filesystem::exists(settings.path)));
  }
}

TEST_CASE("a socket that somebody else has put in our place is not removed at the end") {
  const test::TemporaryDirectory directory;
  const auto path = directory / "admin.sock";
  {
    const auto file = SocketFile::listen({.path = path});
    REQUIRE(file.has_value());
    std::filesystem::rename(path, path + ".old");  // keeps the inode number in use
    leave_dead_socket(path);
  }
  CHECK(std::filesystem::exists(path));
}
