#include "milter/mail_queue/notice.hpp"

#include <gmime/gmime.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string_view>

#include "milter/mail_queue/queue_id.hpp"

namespace milter::mail_queue {
namespace {

template <typename T>
struct Unref {
  void operator()(T* object) const { g_object_unref(object); }
};
template <typename T>
using Owned = std::unique_ptr<T, Unref<T>>;
using Fields = std::map<std::string, std::string, std::less<>>;

constexpr std::size_t most_of_status = 65'536;  // the fields about the message come first, then a group per recipient

bool is_type(GMimeObject* part, const char* type, const char* subtype) {
  auto* content_type = g_mime_object_get_content_type(part);
  return content_type != nullptr && g_mime_content_type_is_type(content_type, type, subtype) != FALSE;
}

bool is_status(GMimeObject* part) {
  return GMIME_IS_PART(part) && (is_type(part, "message", "delivery-status") || is_type(part, "message", "global-delivery-status"));
}

std::string decoded(GMimePart* part) {
  auto* content = g_mime_part_get_content(part);
  if (content == nullptr) return {};
  const Owned<GMimeStream> stream(g_mime_stream_mem_new());
  g_mime_data_wrapper_write_to_stream(content, stream.get());
  const auto* bytes = g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(stream.get()));
  return std::string(reinterpret_cast<const char*>(bytes->data), std::min<std::size_t>(bytes->len, most_of_status));
}

std::string status_of(const std::string& message) {
  static const bool is_ready = (g_mime_init(), true);
  (void)is_ready;
  const Owned<GMimeStream> stream(g_mime_stream_mem_new_with_buffer(message.data(), message.size()));
  const Owned<GMimeParser> parser(g_mime_parser_new_with_stream(stream.get()));
  const Owned<GMimeMessage> parsed(g_mime_parser_construct_message(parser.get(), nullptr));
  auto* top = parsed ? g_mime_message_get_mime_part(parsed.get()) : nullptr;
  if (top == nullptr || !GMIME_IS_MULTIPART(top) || !is_type(top, "multipart", "report")) return {};
  auto* parts = GMIME_MULTIPART(top);
  for (int i = 0; i < g_mime_multipart_get_count(parts); ++i) {
    if (auto* part = g_mime_multipart_get_part(parts, i); is_status(part)) return decoded(GMIME_PART(part));
  }
  return {};
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r");
  return first == std::string_view::npos ? std::string_view() : text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return out;
}

/// The group of fields about the message, to the first empty line; names in lower case, the first of each.
Fields fields_of(std::string_view status) {
  Fields fields;
  auto last = fields.end();
  while (!status.empty()) {
    const auto line = status.substr(0, status.find('\n'));
    status.remove_prefix(std::min(line.size() + 1, status.size()));
    if (trimmed(line).empty()) break;
    const auto colon = line.find(':');
    if (line.front() == ' ' || line.front() == '\t') {
      if (last != fields.end()) last->second.append(last->second.empty() ? "" : " ").append(trimmed(line));
    } else if (colon != std::string_view::npos) {
      const auto [at, is_new] = fields.emplace(lower(trimmed(line.substr(0, colon))), trimmed(line.substr(colon + 1)));
      last = is_new ? at : fields.end();
    }
  }
  return fields;
}

/// `rfc822; "a b"@example.com` without its quotes, as Postfix keeps it in the queue: `a b@example.com`.
std::string address_of(std::string_view field) {
  const auto semicolon = field.find(';');
  const auto text = trimmed(semicolon == std::string_view::npos ? field : field.substr(semicolon + 1));
  std::string out;
  bool is_quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') {
      is_quoted = !is_quoted;
    } else {
      if (text[i] == '\\' && is_quoted && i + 1 < text.size()) ++i;
      out += text[i];
    }
  }
  return out;
}

quota::Timestamp time_of(const std::string& date) {
  auto* parsed = g_mime_utils_header_decode_date(date.c_str());
  if (parsed == nullptr) return {};
  const auto seconds = g_date_time_to_unix(parsed);
  g_date_time_unref(parsed);
  return quota::Timestamp(std::chrono::seconds(seconds));
}

}  // namespace

std::optional<Report> read_report(const std::string& message, const std::string& mail_name) {
  const auto fields = fields_of(status_of(message));
  const auto field = [&](const std::string& name) {
    const auto at = fields.find(lower(name));
    return at == fields.end() ? std::string() : at->second;
  };
  Report report{field("x-" + mail_name + "-queue-id"), address_of(field("x-" + mail_name + "-sender")), time_of(field("arrival-date"))};
  if (!is_queue_id(report.about)) return {};
  return report;
}

}  // namespace milter::mail_queue
