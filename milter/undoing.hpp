// Which commands undo what one sender did to the queues, as far as it is known. Pure.
#pragma once

#include <string>
#include <vector>

namespace milter {

struct Undoing {
  std::string identity{};
  bool has_held = false;  ///< some of its mail is held
  bool has_sent = false;  ///< some was let through, and may still be queued
};

/// `sendquota queue --of …`, `sendquota held …`, as a shell takes them. None for a domain, a customer, a whole host or everyone: most of
/// their mail is honest.
[[nodiscard]] std::vector<std::string> commands_about_mail(const Undoing& undoing);

}  // namespace milter
