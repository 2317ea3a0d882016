#include "milter/cli/queue_match.hpp"

#include "quota/identity.hpp"
#include "quota/text.hpp"
#include "quota/time_text.hpp"

namespace milter::cli {
namespace {

constexpr std::string_view cut_mark = "…";

/// Lower case, without the marks of quoting.
std::string plain(const std::string& address) {
  std::string text;
  for (const char c : quota::lower(quota::valid_utf8(address)))
    if (c != '"' && c != '\\') text += c;
  return text;
}

}  // namespace

bool is_same_sender(const std::string& recorded, const std::string& kept) {
  const auto one = plain(recorded);
  const auto other = plain(kept);
  if (one == other) return true;
  if (one.ends_with(cut_mark)) return one.size() > cut_mark.size() && other.starts_with(one.substr(0, one.size() - cut_mark.size()));
  return !one.empty() && one.find('@') == std::string::npos && other.substr(0, other.rfind('@')) == one;
}

std::string mismatch(const RecordedMail& recorded, const mail_queue::QueueFile& file, const std::string& default_realm) {
  const auto within = recorded.login && !recorded.login->empty() ? received_within : submitted_within;
  if (file.arrived > recorded.at + clocks_differ_by || file.arrived < recorded.at - within)
    return "it came at " + quota::format_moment(file.arrived) + ", and the recorded one was judged at " + quota::format_moment(recorded.at);
  if (!is_same_sender(recorded.mail_from, file.mail_from)) return "its sender is <" + file.mail_from + ">, and of the recorded one <" + recorded.mail_from + ">";
  if (!recorded.login || !file.has_login) return "";
  const auto user = file.login.empty() ? std::nullopt : quota::user_identity(file.login, default_realm);
  const auto login = user ? user->value : std::string();
  if (login != *recorded.login) return "its login is " + (login.empty() ? "none" : login) + ", and of the recorded one " + (recorded.login->empty() ? "none" : *recorded.login);
  return "";
}

}  // namespace milter::cli
