// Removes a message from Sendmail's queue, as Sendmail itself does when it has been delivered.
#pragma once

#include <span>
#include <string>

#include "milter/mail_queue/sendmail_folders.hpp"

namespace milter::mail_queue {

/// Unlinks the quarantined message's files (hf, xf, and df, which may lie in another folder) under both locks that a Sendmail may take
/// (flock; fcntl where it was built without HASFLOCK). Returns whether it was there, quarantined, and nobody worked on it.
[[nodiscard]] bool remove_quarantined(const std::string& id, const SendmailFolder& folder, std::span<const SendmailFolder> all);

}  // namespace milter::mail_queue
