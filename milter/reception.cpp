#include "milter/reception.hpp"

#include <spdlog/spdlog.h>

#include "milter/admin/handlers.hpp"

namespace milter {
namespace {

constexpr std::size_t connections_of_an_address = 32;  // a proxy has one, whoever is behind it

void say_trouble(std::string_view trouble) { spdlog::warn("admin: {}", trouble); }

quota::Timestamp steady_now() { return quota::Timestamp{std::chrono::floor<quota::Milliseconds>(std::chrono::steady_clock::now().time_since_epoch())}; }

std::shared_ptr<const admin::Access> access_of(std::shared_ptr<const Config> config) {
  const auto* const access = &config->admin.access;
  return {std::move(config), access};
}

}  // namespace

Reception::Reception(admin::Operations& operations, std::function<std::shared_ptr<const Config>()> config)
    : router_(admin::routes_for(operations)),
      door_({.inside = [this](const admin::RawRequest& request) { return router_.handle(request); },
             .access = [config = std::move(config)] { return access_of(config()); },
             .now = steady_now,
             .trouble = say_trouble}) {}

quota::Result<void, std::string> Reception::open(const AdminSettings& settings) {
  const auto failed = [](std::string why) { return quota::Result<void, std::string>(boost::system::in_place_error, std::move(why)); };
  const auto service = [this](const admin::RawRequest& request) { return door_.answer(request); };
  admin::ListenerSettings listening{.socket = {settings.path(), static_cast<mode_t>(settings.socket_mode), settings.socket_group}};
  listening.is_prompt = [this](const admin::RawRequest& request) { return router_.is_prompt(request); };
  auto socket = admin::Listener::start(listening, service, say_trouble);
  if (!socket) return failed("admin.listen: " + socket.error());
  socket_ = std::move(*socket);
  if (settings.tcp.empty()) return {};
  listening.max_per_user = connections_of_an_address;
  auto tcp = admin::Listener::start_tcp(*admin::TcpAddress::parse(settings.tcp), listening, service, say_trouble);
  if (!tcp) return failed("admin.tcp: " + tcp.error());
  tcp_ = std::move(*tcp);
  return {};
}

void Reception::stop() {
  if (tcp_) tcp_->stop();
  if (socket_) socket_->stop();
}

}  // namespace milter
