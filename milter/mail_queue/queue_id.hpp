// What may be a queue id: an id becomes a line of a program's input and the name of a file, and comes from outside.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "quota/result.hpp"

namespace milter::mail_queue {

/// Letters, digits and `_`, 6 to 40 of them: Postfix's short and long ids, and Sendmail's. No word of a program (`ALL`) is one.
[[nodiscard]] bool is_queue_id(std::string_view text);

/// Errors: a sentence that names the first that is none.
[[nodiscard]] quota::Result<void, std::string> check_queue_ids(std::span<const std::string> ids);

/// For a person's eyes: without control characters, and not longer than a line.
[[nodiscard]] std::string printable(std::string_view text);

}  // namespace milter::mail_queue
