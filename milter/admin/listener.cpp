#include "milter/admin/listener.hpp"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <deque>
#include <map>
#include <optional>
#include <ranges>
#include <thread>
#include <utility>

#include "milter/admin/connection.hpp"
#include "milter/admin/peer.hpp"
#include "milter/admin/tcp_socket.hpp"

namespace milter::admin {
namespace {

using Protocol = boost::asio::generic::stream_protocol;
using Acceptor = boost::asio::basic_socket_acceptor<Protocol>;
using Identify = quota::Result<Caller, std::string> (*)(int socket);

// After accept failed (no descriptors left, as a rule) a pause, or the thread would spin.
constexpr std::chrono::milliseconds accept_pause{100};

// A thread inherits the mask of its creator: signals stay with the threads that wait for them.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_{};
};

}  // namespace

struct Listener::Server {
  /// Accepted, and not yet served because its user has as many connections as he may have.
  struct Waiting {
    Protocol::socket socket;
    Caller caller;
  };

  Server(const Protocol& protocol, int descriptor, Identify own_identify, Shared own_shared)
      : shared(std::move(own_shared)), identify(own_identify), acceptor(io), pause(io) {
    acceptor.assign(protocol, descriptor);
  }

  void accept() {
    if (stopping || accepting || connections.size() >= shared.settings.max_connections) return;
    accepting = true;
    acceptor.async_accept([this](boost::system::error_code error, Protocol::socket socket) {
      accepting = false;
      if (stopping) return;  // it was accepted just before the end, which has closed all the others
      if (error) return retry(error);
      welcome(std::move(socket));
      accept();
    });
  }

  void retry(boost::system::error_code error) {
    if (error != boost::asio::error::connection_aborted)
      shared.trouble("admin socket: cannot accept: " + error.message());
    pause.expires_after(accept_pause);
    pause.async_wait([this](boost::system::error_code) { accept(); });
  }

  void welcome(Protocol::socket socket) {
    auto caller = identify(socket.native_handle());
    if (!caller) return shared.trouble("admin socket: " + caller.error());
    if (has_room_for(*caller)) return serve(std::move(socket), std::move(*caller));
    if (waiting.size() < shared.settings.max_waiting) waiting.push_back({std::move(socket), std::move(*caller)});
  }

  [[nodiscard]] bool has_room_for(const Caller& caller) const {
    const auto own = std::ranges::count(connections, Peer(caller.uid, caller.address), [](const auto& entry) { return entry.second; });
    return connections.size() < shared.settings.max_connections &&
           static_cast<std::size_t>(own) < shared.settings.max_per_user;
  }

  void serve(Protocol::socket socket, Caller caller) {
    auto peer = Peer(caller.uid, caller.address);
    const auto connection = std::make_shared<Connection>(std::move(socket), std::move(caller), shared,
                                                         [this](Connection* ended) { go_on_after(ended); });
    connections.emplace(connection.get(), std::move(peer));
    connection->read_request();
  }

  void go_on_after(Connection* ended) {
    connections.erase(ended);
    if (stopping) return;
    const auto next = std::ranges::find_if(waiting, [this](const Waiting& one) { return has_room_for(one.caller); });
    if (next != waiting.end()) {
      auto [socket, caller] = std::move(*next);
      waiting.erase(next);
      serve(std::move(socket), std::move(caller));
    }
    accept();
  }

  // Each cancelled operation comes back once; with the last one the context runs out of work and its thread ends.
  void end() {
    stopping = true;
    boost::system::error_code ignored;
    acceptor.close(ignored);
    pause.cancel();
    waiting.clear();
    for (const auto& [connection, peer] : connections) connection->close();
  }

  using Peer = std::pair<uid_t, std::string>;

  // Constant after construction.
  Shared shared;
  const Identify identify;
  std::optional<SocketFile> file;  // empty: TCP
  boost::asio::io_context io{1};
  // Used on the listener's thread only.
  Acceptor acceptor;
  boost::asio::steady_timer pause;
  std::map<Connection*, Peer> connections;
  std::deque<Waiting> waiting;  // the first caller first
  bool accepting = false;
  bool stopping = false;
  // Used by the owner only.
  std::thread thread;
  std::optional<boost::asio::thread_pool> workers;
};

Listener::Listener(std::unique_ptr<Server> server) : server_(std::move(server)) {}

quota::Result<std::unique_ptr<Listener>, std::string> Listener::start(const ListenerSettings& settings, Service service,
                                                                      TroubleSink trouble) {
  auto file = SocketFile::listen(settings.socket);
  if (!file) return file.error();
  auto server = std::make_unique<Server>(Protocol(AF_UNIX, 0), file->release_descriptor(), peer_of, Shared{settings, std::move(service), std::move(trouble)});
  server->file.emplace(std::move(*file));
  return run(std::move(server));
}

quota::Result<std::unique_ptr<Listener>, std::string> Listener::start_tcp(const TcpAddress& address, const ListenerSettings& settings, Service service,
                                                                          TroubleSink trouble) {
  auto socket = listen_on(address);
  if (!socket) return socket.error();
  const Protocol protocol(address.is_v6() ? AF_INET6 : AF_INET, IPPROTO_TCP);
  return run(std::make_unique<Server>(protocol, socket->release(), stranger_at, Shared{settings, std::move(service), std::move(trouble)}));
}

std::unique_ptr<Listener> Listener::run(std::unique_ptr<Server> server) {
  {
    const SignalsBlocked blocked;
    server->workers.emplace(server->shared.settings.workers);
    server->shared.workers = &*server->workers;
    server->accept();
    server->thread = std::thread([running = server.get()] { running->io.run(); });
  }
  return std::unique_ptr<Listener>(new Listener(std::move(server)));
}

Listener::~Listener() { stop(); }

void Listener::stop() {
  if (!server_) return;
  boost::asio::post(server_->io, [server = server_.get()] { server->end(); });
  server_->thread.join();
  server_->workers->join();
  server_.reset();
}

}  // namespace milter::admin
