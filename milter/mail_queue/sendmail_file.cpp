#include "milter/mail_queue/sendmail_file.hpp"

#include <algorithm>
#include <charconv>

namespace milter::mail_queue {
namespace {

constexpr std::string_view login_macro = "${auth_authen}";
constexpr std::int64_t latest = 100'000'000'000;

std::optional<quota::Timestamp> time_of(std::string_view text) {
  std::int64_t seconds = -1;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (read.ec != std::errc() || seconds < 0 || seconds > latest) return {};
  return quota::Timestamp(std::chrono::seconds(seconds));
}

std::string_view without_brackets(std::string_view address) {
  const bool has = address.size() >= 2 && address.front() == '<' && address.back() == '>';
  return has ? address.substr(1, address.size() - 2) : address;
}

}  // namespace

std::optional<SendmailEnvelope> read_sendmail_file(std::string_view text) {
  // A dot on a line of its own ends the file.
  if (!text.starts_with("V") || !text.ends_with("\n.\n")) return {};
  SendmailEnvelope envelope;
  std::optional<quota::Timestamp> arrived;
  std::optional<std::string> from;
  // The header follows, and nothing that matters.
  while (!text.empty() && text.front() != 'H') {
    const auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.starts_with("T") && !arrived) arrived = time_of(line.substr(1));
    if (line.starts_with("S") && !from) from = without_brackets(line.substr(1));
    if (line.starts_with(login_macro) && !envelope.login) envelope.login = line.substr(login_macro.size());
  }
  if (!arrived || !from) return {};
  envelope.arrived = *arrived;
  envelope.mail_from = *from;
  return envelope;
}

}  // namespace milter::mail_queue
