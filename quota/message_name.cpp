#include "quota/message_name.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "quota/network.hpp"
#include "quota/queued_mail.hpp"
#include "quota/tab_text.hpp"
#include "quota/text.hpp"

namespace quota {
namespace {

constexpr std::size_t longest_message_id = 900;  // a line of a message has 998 bytes at most
constexpr int mark_bytes = 6;

std::string_view inside_brackets(std::string_view message_id) {
  if (const auto opens = message_id.find('<'); opens != std::string_view::npos) message_id.remove_prefix(opens + 1);
  return trim(message_id.substr(0, message_id.find('>'))).substr(0, longest_message_id);
}

/// Without blanks, and the colon of a line of a log; an address as it is recorded, however it is typed.
std::string sought(std::string_view text) {
  text = trim(text);
  if (const auto address = IpAddress::parse(text)) return address->text();
  const auto end = text.find_last_not_of(":, \t");
  if (end == std::string_view::npos) return std::string(text);
  text = text.substr(0, end + 1);
  const auto address = IpAddress::parse(text);
  return address ? address->text() : std::string(text);
}

/// Postfix and Sendmail write `<DATE.QUEUEID@HOST>` where a message has none.
std::string_view queue_id_in(std::string_view message_id) {
  const auto dot = message_id.find('.');
  const auto at = message_id.find('@');
  if (dot == std::string_view::npos || at == std::string_view::npos || at < dot) return {};
  const auto date = message_id.substr(0, dot);
  const auto id = message_id.substr(dot + 1, at - dot - 1);
  const bool is_date = (date.size() == 12 || date.size() == 14) && date.find_first_not_of("0123456789") == std::string_view::npos;
  return is_date && is_queue_id(id) ? id : std::string_view{};
}

}  // namespace

std::string message_mark(std::string_view message_id) {
  message_id = inside_brackets(message_id);
  if (message_id.empty()) return {};
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  EVP_Digest(message_id.data(), message_id.size(), digest.data(), nullptr, EVP_sha256(), nullptr);
  std::array<unsigned char, 4 * mark_bytes / 3 + 1> letters{};
  const auto size = EVP_EncodeBlock(letters.data(), digest.data(), mark_bytes);
  return {letters.begin(), letters.begin() + size};
}

MessageName::MessageName(std::string_view text) : text_(sought(text)), mark_(message_mark(text_)), queue_id_(queue_id_in(inside_brackets(text_))) {
  append_escaped(texts_.emplace_back(), text_);
  for (const auto* const other : {&mark_, &queue_id_})
    if (!other->empty()) texts_.push_back(*other);
  if (queue_id_.empty()) queue_id_ = text_;
}

bool MessageName::fits(const PastMessage& message) const {
  if (message.queue_id == queue_id_ || message.client == text_) return true;
  if (!mark_.empty() && message.mark == mark_) return true;
  return std::any_of(message.headers.begin(), message.headers.end(), [this](const auto& header) { return header.second.find(text_) != std::string::npos; });
}

}  // namespace quota
