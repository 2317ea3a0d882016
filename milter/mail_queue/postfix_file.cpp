#include "milter/mail_queue/postfix_file.hpp"

#include <unistd.h>

#include <array>
#include <charconv>
#include <string_view>

namespace milter::mail_queue {
namespace {

// Of Postfix's record types those that matter here; the others are passed over.
constexpr char size_record = 'C', time_record = 'T', sender_record = 'S', attribute_record = 'A', pointer_record = 'p';
constexpr char content_record = 'M', line_record = 'N', line_part_record = 'L', extracted_record = 'X', end_record = 'E';
constexpr std::size_t most_of_record = 1'000'000;  // line_length_limit is 2,048 unless somebody changed it
constexpr int most_jumps = 1000;                   // a filter that changes headers causes some; a circle is not to keep us for ever

struct Record {
  char type = 0;
  std::string content{};
};

/// The records of a file in the order in which Postfix reads them.
class Records {
 public:
  explicit Records(int file) : file_(file) {}

  /// Nothing at the end of the file, and where it is broken.
  std::optional<Record> next() {
    while (jumps_ < most_jumps) {
      auto record = here();
      if (!record || record->type != pointer_record) return record;
      const auto target = number(record->content);
      if (!target) return {};
      if (*target > 0) {  // otherwise room for a pointer that was never needed
        ++jumps_;
        go_to(static_cast<off_t>(*target));
      }
    }
    return {};
  }

  /// The first number of a text with blanks before it.
  static std::optional<std::int64_t> number(std::string_view text) {
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    std::int64_t value = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
    if (read.ec != std::errc() || value < 0) return {};
    return value;
  }

 private:
  std::optional<Record> here() {
    const auto type = byte();
    if (!type) return {};
    std::size_t length = 0;
    for (unsigned shift = 0;; shift += 7) {
      const auto part = byte();
      if (!part || shift > 28) return {};
      length |= static_cast<std::size_t>(*part & 0x7f) << shift;
      if ((*part & 0x80) == 0) break;
    }
    if (length > most_of_record) return {};
    Record record{static_cast<char>(*type), {}};
    record.content.reserve(length);
    while (record.content.size() < length) {
      if (at_ == held_ && !fill()) return {};
      const auto size = std::min(length - record.content.size(), held_ - at_);
      record.content.append(buffer_.data() + at_, size);
      at_ += size;
    }
    return record;
  }

  std::optional<unsigned char> byte() {
    if (at_ == held_ && !fill()) return {};
    return static_cast<unsigned char>(buffer_[at_++]);
  }

  bool fill() {
    const auto size = ::pread(file_, buffer_.data(), buffer_.size(), next_);
    if (size <= 0) return false;
    at_ = 0;
    held_ = static_cast<std::size_t>(size);
    next_ += size;
    return true;
  }

  void go_to(off_t place) {
    at_ = held_ = 0;
    next_ = place;
  }

  int file_;
  int jumps_ = 0;
  off_t next_ = 0;
  std::size_t at_ = 0, held_ = 0;
  std::array<char, 4096> buffer_{};
};

/// The envelope as far as it has been read, and what has been seen of it.
class Reading {
 public:
  void take(const Record& record) {
    if (record.type == time_record) take_time(record.content);
    if (record.type == sender_record && !std::exchange(has_sender_, true)) envelope_.mail_from = record.content;
    if (record.type == attribute_record) take_attribute(record.content);
  }

  [[nodiscard]] std::optional<PostfixEnvelope> whole() const {
    if (!has_time_ || !has_sender_) return {};
    return envelope_;
  }

 private:
  /// Seconds, and microseconds since Postfix 2.3.
  void take_time(std::string_view text) {
    const auto seconds = Records::number(text);
    if (!seconds || *seconds > 100'000'000'000 || std::exchange(has_time_, true)) return;
    const auto blank = text.find(' ');
    const auto micros = blank == std::string_view::npos ? std::optional<std::int64_t>(0) : Records::number(text.substr(blank));
    const auto millis = std::min<std::int64_t>(micros.value_or(0) / 1000, 999);
    envelope_.arrived = quota::Timestamp(std::chrono::seconds(*seconds) + std::chrono::milliseconds(millis));
  }

  void take_attribute(std::string_view text) {
    const auto equals = text.find('=');
    const auto name = text.substr(0, equals);
    const auto value = equals == std::string_view::npos ? std::string_view() : text.substr(equals + 1);
    if (name == "sasl_username" && !std::exchange(has_login_, true)) envelope_.login = value;
    // smtpd writes "name[address]" here, pickup nothing, and postdrop drops the attribute of those who make one up.
    if (name == "log_message_origin" && !std::exchange(has_origin_, true)) envelope_.is_by_postfix = value == "local";
  }

  PostfixEnvelope envelope_;
  bool has_time_ = false, has_sender_ = false, has_login_ = false, has_origin_ = false;
};

}  // namespace

std::optional<PostfixEnvelope> read_envelope(int file) {
  Records records(file);
  auto record = records.next();
  if (!record || record->type != size_record) return {};
  Reading reading;
  for (; record && record->type != content_record && record->type != end_record; record = records.next()) reading.take(*record);
  if (!record) return {};
  return reading.whole();
}

std::optional<std::string> read_content(int file, std::size_t most) {
  Records records(file);
  auto record = records.next();
  if (!record || record->type != size_record) return {};
  while (record && record->type != content_record) record = records.next();
  if (!record) return {};
  std::string text;
  for (record = records.next(); record && record->type != extracted_record && text.size() < most; record = records.next()) {
    if (record->type == line_record || record->type == line_part_record) text += record->content;
    if (record->type == line_record) text += '\n';
  }
  if (text.size() > most) text.resize(most);
  return text;
}

}  // namespace milter::mail_queue
