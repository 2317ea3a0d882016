#include "quota/store/resolver.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "quota/store/quiet_thread.hpp"

namespace quota {
namespace {

using Clock = std::chrono::steady_clock;
using Tcp = boost::asio::ip::tcp;
constexpr auto least_between_lookups = std::chrono::seconds(1);

std::vector<Endpoint> ask_system(const TcpServer& server) {
  boost::asio::io_context io;
  Tcp::resolver resolver(io);
  boost::system::error_code wrong;
  std::vector<Endpoint> found;
  for (const auto& entry : resolver.resolve(server.host, std::to_string(server.port), wrong))
    found.emplace_back(entry.endpoint());
  return found;
}

// The address of a server that needs no look-up.
std::optional<Endpoint> fixed_address(const RedisServerName& server) {
  if (const auto* local = std::get_if<UnixServer>(&server))
    return boost::asio::local::stream_protocol::endpoint(local->path);
  const auto& tcp = std::get<TcpServer>(server);
  boost::system::error_code no_number;
  const auto address = boost::asio::ip::make_address(tcp.host, no_number);
  if (no_number) return {};
  return Tcp::endpoint(address, tcp.port);
}

}  // namespace

struct Resolver::Shared {
  struct Name {
    TcpServer server;
    std::vector<Endpoint> known{};
    Clock::time_point due = Clock::time_point::min();
    Clock::time_point asked = Clock::time_point::min();
  };

  // Constant after construction.
  Lookup lookup;
  std::chrono::milliseconds refresh{};

  // Guarded by the mutex.
  std::mutex mutex;
  std::condition_variable work;     // for the thread: a name is due earlier than it thought, or the end
  std::condition_variable answers;  // for who waits for a first answer
  std::map<std::pair<std::string, std::uint16_t>, Name> names;
  bool ended = false;

  Name& name_of(const TcpServer& server) {
    const auto [at, added] = names.try_emplace({server.host, server.port}, Name{.server = server});
    if (added) work.notify_one();
    return at->second;
  }

  Name* earliest() {
    Name* first = nullptr;
    for (auto& [key, name] : names)
      if (first == nullptr || name.due < first->due) first = &name;
    return first;
  }

  // Names are never removed and a map does not move them, so `name` stays good while the mutex is open.
  void look_up(Name& name, std::unique_lock<std::mutex>& lock) {
    name.asked = Clock::now();
    lock.unlock();
    auto found = lookup(name.server);
    lock.lock();
    if (!found.empty()) name.known = std::move(found);
    name.due =
        Clock::now() + (name.known.empty() ? std::min<Clock::duration>(refresh, least_between_lookups) : refresh);
    answers.notify_all();
  }

  void run() {
    std::unique_lock lock(mutex);
    while (!ended) {
      auto* next = earliest();
      if (next == nullptr)
        work.wait(lock);
      else if (next->due > Clock::now())
        work.wait_until(lock, Clock::time_point(next->due));
      else
        look_up(*next, lock);
    }
  }
};

Resolver::Resolver(std::chrono::milliseconds refresh) : Resolver(ask_system, refresh) {}

Resolver::Resolver(Lookup lookup, std::chrono::milliseconds refresh) : shared_(std::make_shared<Shared>()) {
  shared_->lookup = std::move(lookup);
  shared_->refresh = refresh;
  quiet_thread([shared = shared_] { shared->run(); }).detach();
}

Resolver::~Resolver() {
  const std::lock_guard lock(shared_->mutex);
  shared_->ended = true;
  shared_->work.notify_one();
}

std::vector<Endpoint> Resolver::addresses(const RedisServerName& server) {
  if (auto fixed = fixed_address(server)) return {*fixed};
  const std::lock_guard lock(shared_->mutex);
  return shared_->name_of(std::get<TcpServer>(server)).known;
}

std::vector<Endpoint> Resolver::wait_for_addresses(const RedisServerName& server, Deadline deadline) {
  if (auto fixed = fixed_address(server)) return {*fixed};
  std::unique_lock lock(shared_->mutex);
  auto& name = shared_->name_of(std::get<TcpServer>(server));
  shared_->answers.wait_until(lock, deadline, [&] { return !name.known.empty(); });
  return name.known;
}

void Resolver::refresh_soon() {
  const std::lock_guard lock(shared_->mutex);
  for (auto& [key, name] : shared_->names)
    if (name.asked != Clock::time_point::min()) name.due = std::min(name.due, name.asked + least_between_lookups);
  shared_->work.notify_one();
}

}  // namespace quota
