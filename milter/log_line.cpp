#include "milter/log_line.hpp"

#include <fmt/format.h>

#include "quota/address.hpp"
#include "quota/encoding.hpp"

namespace milter {
namespace {

constexpr std::size_t longest_value = 256;
constexpr std::size_t longest_text = 1000;

std::string value(std::string_view raw) { return quota::percent_encoded(raw.substr(0, longest_value)); }

/// `host[192.0.2.1]`; a reverse name is as typed by whoever owns the address.
std::string client_text(const quota::ClientFacts& client) {
  const auto address = client.address ? client.address->text() : std::string("unknown");
  const bool is_only_address = client.client_name.empty() || client.client_name.front() == '[';
  return (is_only_address ? std::string("unknown") : value(client.client_name)) + "[" + address + "]";
}

std::string_view without_brackets(std::string_view address) {
  if (address.size() >= 2 && address.front() == '<' && address.back() == '>') return address.substr(1, address.size() - 2);
  return address;
}

std::string retry_text(const quota::Failure& failure, quota::Timestamp now) {
  if (!failure.retry_at) return "";
  return fmt::format("{}s", std::chrono::ceil<std::chrono::seconds>(std::max(*failure.retry_at - now, quota::Milliseconds{0})).count());
}

void add_failure(std::string& line, const quota::Failure& failure, quota::Timestamp now) {
  line += fmt::format(", quota={}, identity={}, limit=\"{}\", used={}, retry={}", failure.quota, failure.identity.text(), failure.limit,
                      failure.cause == quota::Cause::too_big ? failure.cost : failure.used, retry_text(failure, now));
  if (!failure.reason.empty()) line += fmt::format(", reason={}", value(failure.reason));
}

}  // namespace

std::string log_safe(std::string_view bytes) { return value(bytes); }

std::string log_address(std::string_view address) { return "<" + value(without_brackets(address)) + ">"; }

std::string readable(std::string_view bytes) {
  std::string out;
  for (const char c : bytes.substr(0, longest_text)) {
    const bool is_plain = c >= ' ' && c <= '~' && c != '"';
    out += is_plain ? std::string(1, c) : quota::percent_encoded({&c, 1});
  }
  return out;
}

std::string abandoned_line(const quota::Envelope& envelope) {
  return fmt::format("NOQUEUE: abandoned: client={}, sasl_username={}, from={}, nrcpt={}",
                     client_text(envelope.client), value(envelope.auth_authen), log_address(envelope.mail_from), envelope.recipients.size());
}

std::string log_line(const LogFacts& facts, const quota::Envelope& envelope, const quota::Verdict& verdict) {
  auto line = fmt::format("{}: client={}, sasl_username={}, from={}, nrcpt={}, size={}, script={}, verdict={}",
                          facts.queue_id.empty() ? std::string("NOQUEUE") : value(facts.queue_id), client_text(envelope.client),
                          value(envelope.auth_authen), log_address(envelope.mail_from), envelope.recipients.size(),
                          facts.is_size_known ? std::to_string(envelope.bytes) : "", value(envelope.php_script.value_or("")),
                          facts.is_discarded ? "discard" : quota::name(verdict.action));
  if (verdict.decider) {
    add_failure(line, *verdict.decider, facts.now);
  } else if (!verdict.observed.empty()) {
    line += fmt::format(", observed={}", quota::name(verdict.observed.front().action));
    add_failure(line, verdict.observed.front(), facts.now);
  }
  const bool needs_no_cause = verdict.cause == quota::Cause::within || verdict.cause == quota::Cause::over;
  if (!needs_no_cause) line += fmt::format(", cause={}", quota::name(verdict.cause));
  if (facts.stage != "END-OF-MESSAGE") line += fmt::format(", stage={}", facts.stage);
  if (!verdict.outage.empty()) line += fmt::format(", store_error=\"{}\"", readable(verdict.outage));
  return line;
}

}  // namespace milter
