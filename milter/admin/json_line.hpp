// The one way in which JSON leaves the daemon and the command: a document on a line of its own, in valid UTF-8 whatever
// its texts are. A byte that an administrator or a sender typed in another encoding becomes U+FFFD; passed on as it is, it
// would cost the reader the whole document. Pure.
#pragma once

#include <boost/json.hpp>
#include <string>

namespace milter::admin {

[[nodiscard]] std::string json_line(const boost::json::value& document);

}  // namespace milter::admin
