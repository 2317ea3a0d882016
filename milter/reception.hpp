// Reception: the admin endpoint as the configuration wants it: the routes behind the door, on the unix socket and, where it is configured,
// on a TCP port.
#pragma once

#include <functional>
#include <memory>

#include "milter/admin/door.hpp"
#include "milter/admin/listener.hpp"
#include "milter/admin/operations.hpp"
#include "milter/admin/routes.hpp"
#include "milter/config.hpp"

namespace milter {

class Reception {
 public:
  /// Tokens and hosts are those that `config` gives at each request. Requires: `operations` outlives it.
  Reception(admin::Operations& operations, std::function<std::shared_ptr<const Config>()> config);

  /// Opens the sockets of `settings`. Errors: a sentence that begins with the key; nothing is served.
  [[nodiscard]] quota::Result<void, std::string> open(const AdminSettings& settings);

  /// Ends every connection. May be called twice, and before open().
  void stop();

 private:
  const admin::Router router_;
  admin::Door door_;
  std::unique_ptr<admin::Listener> socket_{};
  std::unique_ptr<admin::Listener> tcp_{};  // null: without
};

}  // namespace milter
