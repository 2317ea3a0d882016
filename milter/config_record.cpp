// `[record]`: a part of config.cpp in a file of its own.
#include <fmt/format.h>

#include "milter/config_sections.hpp"
#include "quota/store/redis_address.hpp"
#include "quota/text.hpp"

namespace milter {
namespace {

using quota::Milliseconds;
using quota::Result;
using namespace std::chrono_literals;

constexpr Bounds<Milliseconds> hours_bounds{24h, 24h * 366};
constexpr Bounds<Milliseconds> minutes_bounds{1h, 24h * 7};
constexpr Bounds<Milliseconds> messages_for_bounds{1h, 24h * 366};
constexpr Bounds<Milliseconds> write_bounds{100ms, 60s};
constexpr Bounds<std::int64_t> message_bounds{0, 1000};
constexpr Bounds<std::int64_t> network_bounds{1, 256};
constexpr Bounds<std::int64_t> recipient_bounds{0, 20};
constexpr Bounds<std::int64_t> queue_id_bounds{0, 1'000'000};
constexpr Bounds<Milliseconds> queued_bounds{1h, 24h * 366};
constexpr std::size_t most_evidence_headers = 8;

std::string url_problem(std::string_view text) {
  if (text == "store" || text == "off") return "";
  const auto address = quota::RedisAddress::parse(text);
  if (address && !address->login.user.empty() && address->login.password.empty())  // without naming the user: who forgot a colon wrote the password there
    return "it names a user and no password; write user:password before the @ (:password for a server without users)";
  if (address) return "";
  if (text.find("://") != std::string_view::npos || text.starts_with("unix:")) return address.error();
  return in_quotes(text) + " is no place for the record; write \"store\", \"off\", or a Redis of its own as in \"redis://host:6379/0\"";
}

Result<quota::Kind, std::string> parse_recorded_kind(std::string_view text) {
  const auto kind = quota::kind_called(text);
  if (kind && *kind != quota::Kind::everyone) return *kind;
  std::string names;
  for (const auto one : quota::all_kinds)
    if (one != quota::Kind::everyone) names += (names.empty() ? "" : ", ") + std::string(name(one));
  return failed<quota::Kind>(in_quotes(text) + " is no kind of sender; write some of " + names);
}

Result<std::string, std::string> parse_header_name(std::string_view text) {
  const bool is_name = !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f && c != ':'; });
  if (is_name) return {boost::system::in_place_value, quota::lower(text)};
  return failed<std::string>(in_quotes(text) + " is no name of a header; write it without the colon, as in \"User-Agent\"");
}

void read_size(Section& section, std::string_view key, std::size_t& into, Bounds<std::int64_t> bounds) {
  if (const auto number = section.number(key, bounds)) into = static_cast<std::size_t>(*number);
}

}  // namespace

void read_record(Section& section, RecordSettings& into) {
  auto& bounds = into.bounds;
  read_text(section, "url", into.url, url_problem);
  if (auto kinds = section.list<quota::Kind>("per", parse_recorded_kind)) into.per = std::move(*kinds);
  bounds.hours_for = section.duration("hours_for", hours_bounds).value_or(bounds.hours_for);
  bounds.fives_for = section.duration("minutes_for", minutes_bounds).value_or(bounds.fives_for);
  bounds.messages_for = section.duration("messages_for", messages_for_bounds).value_or(bounds.messages_for);
  read_size(section, "messages", bounds.messages, message_bounds);
  read_size(section, "queue_ids", bounds.queue_ids, queue_id_bounds);
  bounds.held_for = section.duration("held_for", queued_bounds).value_or(bounds.held_for);
  bounds.queued_for = section.duration("queued_for", queued_bounds).value_or(bounds.queued_for);
  read_size(section, "networks", bounds.networks, network_bounds);
  read_size(section, "recipients", into.recipients, recipient_bounds);
  into.write_every = section.duration("write_every", write_bounds).value_or(into.write_every);
  into.subject = section.truth("subject").value_or(into.subject);
  into.message_id = section.truth("message_id").value_or(into.message_id);
  if (auto headers = section.list<std::string>("evidence_headers", parse_header_name)) into.evidence_headers = std::move(*headers);
  if (into.evidence_headers.size() > most_evidence_headers)
    section.problem("evidence_headers", fmt::format("{} headers", into.evidence_headers.size()), fmt::format("write at most {}", most_evidence_headers));
}

}  // namespace milter
