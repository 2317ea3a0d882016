// RogueServer: a unix socket that a function answers as badly as it likes, one client after the other.
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

namespace test {

/// The server's side of one connection. Each function returns false once the client or the test has ended.
class RoguePeer {
 public:
  RoguePeer(int client, int end) : client_(client), end_(end) {}

  /// Whatever the client sends next; what it says seldom matters to a rogue.
  bool read() { return !read_text().empty(); }
  /// The same, for one that looks; "" at the end.
  std::string read_text() {
    char buffer[4096];
    if (!waits_for(POLLIN, -1)) return "";
    const auto count = ::recv(client_, buffer, sizeof buffer, 0);
    return {buffer, static_cast<std::size_t>(count > 0 ? count : 0)};
  }
  bool write(std::string_view bytes) { return ::send(client_, bytes.data(), bytes.size(), MSG_NOSIGNAL) > 0; }
  /// Lets the time pass, or the client or the test end.
  bool pause(int milliseconds) { return !waits_for(0, milliseconds); }
  /// Until the client or the test has ended.
  void hang() { waits_for(0, -1); }
  [[nodiscard]] int descriptor() const { return client_; }

 private:
  // True when the client has something (an end, if `events` is 0); false after the time or at the end of the test.
  bool waits_for(short events, int milliseconds) {
    pollfd watched[] = {{client_, static_cast<short>(events | POLLRDHUP), 0}, {end_, POLLIN, 0}};
    if (::poll(watched, 2, milliseconds) <= 0) return false;
    return watched[1].revents == 0 || events == 0;
  }

  int client_;
  int end_;
};

class RogueServer {
 public:
  using Behaviour = std::function<void(RoguePeer&)>;

  explicit RogueServer(Behaviour behaviour) : behaviour_(std::move(behaviour)) {
    auto pattern = (std::filesystem::temp_directory_path() / "rogue-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr || ::pipe(end_) != 0)
      throw std::runtime_error("no room for a rogue server");
    directory_ = pattern;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path().c_str(), sizeof address.sun_path - 1);
    listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(listener_, 16) != 0)
      throw std::runtime_error("a rogue server cannot listen");
    thread_ = std::thread([this] { serve(); });
  }
  ~RogueServer() {
    ::close(end_[1]);
    thread_.join();
    ::close(end_[0]);
    ::close(listener_);
    std::filesystem::remove_all(directory_);
  }
  RogueServer(const RogueServer&) = delete;
  RogueServer& operator=(const RogueServer&) = delete;

  [[nodiscard]] std::string path() const { return directory_ + "/rogue.sock"; }

 private:
  void serve() {
    for (;;) {
      pollfd watched[] = {{listener_, POLLIN, 0}, {end_[0], 0, 0}};
      if (::poll(watched, 2, -1) <= 0 || watched[1].revents != 0) return;
      const int client = ::accept(listener_, nullptr, nullptr);
      RoguePeer peer(client, end_[0]);
      behaviour_(peer);
      ::close(client);
    }
  }

  Behaviour behaviour_;
  std::string directory_;
  int end_[2] = {-1, -1};  // closing the second half ends the thread
  int listener_ = -1;
  std::thread thread_;
};

}  // namespace test
