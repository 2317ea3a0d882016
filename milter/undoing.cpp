#include "milter/undoing.hpp"

#include <algorithm>
#include <array>

#include "quota/identity.hpp"
#include "quota/text.hpp"

namespace milter {
namespace {

using quota::Kind;

constexpr std::array of_many{Kind::user_domain, Kind::sender_domain, Kind::account, Kind::everyone};

bool is_one_sender(const std::string& text) {
  const auto identity = quota::parse_identity(text);
  if (!identity || std::find(of_many.begin(), of_many.end(), identity->kind) != of_many.end()) return false;
  return identity->kind != Kind::client || !identity->value.starts_with("local/");
}

}  // namespace

std::vector<std::string> commands_about_mail(const Undoing& undoing) {
  std::vector<std::string> commands;
  if (!is_one_sender(undoing.identity)) return commands;
  const auto who = quota::shell_word(quota::valid_utf8(undoing.identity));
  if (undoing.has_sent) commands.push_back("sendquota queue --of " + who + " --delete --with-bounces --all-hosts");
  if (undoing.has_held) commands.push_back("sendquota held " + who + " --delete --all-hosts");
  return commands;
}

}  // namespace milter
