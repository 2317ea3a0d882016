// Who is on the other end of a unix socket.
#pragma once

#include "milter/admin/request.hpp"
#include "quota/result.hpp"

namespace milter::admin {

/// Who connected, as the kernel recorded it at that moment.
/// Errors:  a sentence.
/// Known limit: the login name comes from the system's user database, which may be a slow network service.
[[nodiscard]] quota::Result<Caller, std::string> peer_of(int unix_socket);

}  // namespace milter::admin
