// The web page: a few files that ask the API, as any other client does. Whoever reaches the endpoint may load them; they hold nothing.
//
// The page's own rules for the browser are as strict as they can be: scripts and styles from these files only, no inline ones, nothing
// from anywhere else, no form is ever sent, no page may hold this one. So even text of a sender that came to be read as HTML could
// neither run nor tell anybody anything; and none does: everything is put in as text.
#pragma once

#include <vector>

#include "milter/admin/routes.hpp"

namespace milter::admin {

[[nodiscard]] std::vector<Route> page_routes();

}  // namespace milter::admin
