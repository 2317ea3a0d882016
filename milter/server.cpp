#include "milter/server.hpp"

#include <grp.h>
#include <libmilter/mfapi.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

#include "milter/admin/socket_file.hpp"
#include "milter/mta/client.hpp"

namespace milter {
namespace {

using quota::Result;

constexpr int backlog = 512;

/// The path of a unix socket; empty for any other address.
std::string unix_path(const std::string& listen) {
  const auto address = mta::parse_address(listen);
  return address && address->family == mta::Address::Family::unix_path ? address->place : "";
}

Result<void, std::string> give_away(const std::string& path, const MilterSettings& config) {
  if (!config.socket_group.empty()) {
    const auto* group = getgrnam(config.socket_group.c_str());
    if (!group) return failed<void>("milter.socket_group: there is no group '" + config.socket_group + "' on this host");
    if (chown(path.c_str(), static_cast<uid_t>(-1), group->gr_gid) != 0)
      return failed<void>("milter.socket_group: cannot give " + path + " to group '" + config.socket_group + "': " + std::strerror(errno) +
                    "; make the daemon's user a member of it");
  }
  if (chmod(path.c_str(), config.socket_mode) != 0) return failed<void>("milter.socket_mode: " + path + ": " + std::strerror(errno));
  return {};
}

}  // namespace

Result<void, std::string> open_milter_socket(const MilterSettings& config) {
  const auto path = unix_path(config.listen);
  if (!path.empty()) {
    auto claimed = admin::claim_socket_path(path);
    if (!claimed) return failed<void>("milter.listen: " + claimed.error());
    static admin::FileDescriptor ours;  // until the process ends
    ours = std::move(*claimed);
  }
  auto listen = config.listen;
  smfi_setbacklog(backlog);
  if (smfi_setconn(listen.data()) == MI_FAILURE) return failed<void>("milter.listen: libmilter refuses '" + listen + "'");
  // Nobody gets in before the socket has its group: libmilter creates it with the umask.
  const auto before = umask(0177);
  const int opened = smfi_opensocket(false);
  umask(before);
  if (opened == MI_FAILURE)
    return failed<void>("milter.listen: cannot listen at " + listen + ": " + std::strerror(errno) + "; does the directory exist, and may the daemon's user write to it?");
  return path.empty() ? Result<void, std::string>{} : give_away(path, config);
}

bool serve() { return smfi_main() == MI_SUCCESS; }

void wake_listener(const MilterSettings& config) {
  using namespace std::chrono_literals;
  // Only a connection that comes after libmilter has noted the stop ends its wait, and nobody says when that is: one more
  // each moment, until the process has ended.
  for (const auto end = std::chrono::steady_clock::now() + 10s; std::chrono::steady_clock::now() < end; std::this_thread::sleep_for(20ms))
    (void)mta::Client::open(config.listen, {.step_timeout = 200ms, .offer = {}});
}

}  // namespace milter
