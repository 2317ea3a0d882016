#include "milter/mail_queue/queue_id.hpp"

#include <algorithm>

namespace milter::mail_queue {
namespace {

constexpr std::size_t least = 6, most = 40;
constexpr std::size_t most_printed = 200;

bool is_of_id(char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_'; }

}  // namespace

bool is_queue_id(std::string_view text) {
  return text.size() >= least && text.size() <= most && std::all_of(text.begin(), text.end(), is_of_id);
}

quota::Result<void, std::string> check_queue_ids(std::span<const std::string> ids) {
  const auto bad = std::find_if_not(ids.begin(), ids.end(), [](const auto& id) { return is_queue_id(id); });
  if (bad == ids.end()) return {};
  return {boost::system::in_place_error, "\"" + printable(*bad) + "\" is no queue id; write it as the mail log does: letters and digits"};
}

std::string printable(std::string_view text) {
  std::string out(text.substr(0, most_printed));
  std::replace_if(out.begin(), out.end(), [](char c) { return c < 0x20 || c > 0x7e; }, '?');
  return out;
}

}  // namespace milter::mail_queue
