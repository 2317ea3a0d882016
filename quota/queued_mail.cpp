#include "quota/queued_mail.hpp"

#include <algorithm>

#include "quota/history.hpp"
#include "quota/tab_text.hpp"
#include "quota/text.hpp"

namespace quota {
namespace {

constexpr std::string_view own_word = "=";
constexpr std::string_view unknown_login = "?";
constexpr std::size_t longest_queue_id = 64;
constexpr std::size_t words_of_mail = 7;

std::string shortened(std::string_view word, std::string_view own) {
  if (!own.empty() && word == own) return std::string(own_word);
  return (word.starts_with(own_word) ? std::string(own_word) : std::string()) + std::string(word);
}

std::string restored(std::string_view word, std::string_view own) {
  if (word == own_word) return std::string(own);
  return std::string(word.starts_with(own_word) ? word.substr(own_word.size()) : word);
}

}  // namespace

PastMessage past_message_of(const QueuedMail& mail, Fate fate) {
  const bool is_held = fate == Fate::held;
  return {.at = mail.at, .action = is_held ? Action::quarantine : Action::accept, .cause = is_held ? Cause::over : Cause::within, .queue_id = mail.queue_id,
          .host = mail.host, .mail_from = mail.mail_from, .recipients = mail.recipients};
}

bool is_queue_id(std::string_view text) {
  return !text.empty() && text.size() <= longest_queue_id &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); });
}

std::string format(const QueuedMail& mail, const Identity& own) {
  auto line = std::to_string(std::chrono::floor<std::chrono::seconds>(mail.at.time_since_epoch()).count());
  const auto login = mail.login ? shortened(*mail.login, own.value) : std::string(unknown_login);
  const auto own_text = own.text();
  const std::string words[] = {mail.queue_id, shortened(mail.mail_from, own.value), login, std::to_string(mail.recipients),
                               shortened(mail.held_for, own_text), shortened(mail.listed, own_text)};
  for (const auto& word : words) {
    line += '\t';
    append_escaped(line, word, PastMessage::longest_text);
  }
  return line;
}

std::optional<QueuedMail> parse_queued_mail(std::string_view text, const Identity& own) {
  const auto words = split_words(text);
  const auto at = moment_of_message(text);
  if (words.size() != words_of_mail || at == Timestamp{} || !is_queue_id(words[1])) return std::nullopt;
  const auto recipients = parse_number(words[4]);
  if (!recipients) return std::nullopt;
  QueuedMail mail{{}, at, words[1], restored(words[2], own.value), {}, *recipients, restored(words[5], own.text()), restored(words[6], own.text())};
  if (words[3] != unknown_login) mail.login = restored(words[3], own.value);
  return mail;
}

std::optional<QueuedMail> queued_mail_of(const PastMessage& message, const Identity& own) {
  if (message.action != Action::accept || !is_queue_id(message.queue_id)) return std::nullopt;
  QueuedMail mail{message.host, message.at, message.queue_id, message.mail_from, {}, message.recipients, {}, {}};
  if (own.kind == Kind::user) mail.login = own.value;
  if (own.kind == Kind::script) mail.login = "";
  return mail;
}

}  // namespace quota
