#include "milter/log_line.hpp"

#include <fmt/format.h>

#include "quota/address.hpp"
#include "quota/encoding.hpp"

namespace milter {
namespace {

constexpr std::size_t longest_value = 256;
constexpr std::size_t longest_text = 1000;
constexpr std::size_t usual_line = 384;

/// A line is made for every message: its parts are appended, none is a text of its own.
class Line {
 public:
  Line() { text_.reserve(usual_line); }

  Line& text(std::string_view plain) { return text_.append(plain), *this; }
  Line& number(std::int64_t number) { return text(fmt::format_int(number).c_str()); }
  Line& value(std::string_view raw) { return quota::append_percent_encoded(text_, raw.substr(0, longest_value)), *this; }
  Line& address(std::string_view raw);
  Line& client(const quota::ClientFacts& client);
  Line& failure(const quota::Failure& failure, quota::Timestamp now);

  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

std::string_view without_brackets(std::string_view address) {
  if (address.size() >= 2 && address.front() == '<' && address.back() == '>') return address.substr(1, address.size() - 2);
  return address;
}

Line& Line::address(std::string_view raw) { return text("<").value(without_brackets(raw)).text(">"); }

/// `host[192.0.2.1]`; a reverse name is as typed by whoever owns the address.
Line& Line::client(const quota::ClientFacts& client) {
  const bool is_only_address = client.client_name.empty() || client.client_name.front() == '[';
  is_only_address ? text("unknown") : value(client.client_name);
  return text("[").text(client.address ? client.address->text() : "unknown").text("]");
}

Line& Line::failure(const quota::Failure& failure, quota::Timestamp now) {
  text(", quota=").text(failure.quota).text(", identity=").text(failure.identity.text()).text(", limit=\"").text(failure.limit);
  text("\", used=").number(failure.cause == quota::Cause::too_big ? failure.cost : failure.used).text(", retry=");
  if (failure.retry_at) number(std::chrono::ceil<std::chrono::seconds>(std::max(*failure.retry_at - now, quota::Milliseconds{0})).count()).text("s");
  if (!failure.reason.empty()) text(", reason=").value(failure.reason);
  return *this;
}

}  // namespace

std::string log_safe(std::string_view bytes) { return Line().value(bytes).take(); }

std::string log_address(std::string_view address) { return Line().address(address).take(); }

std::string readable(std::string_view bytes) {
  std::string out;
  for (const char c : bytes.substr(0, longest_text)) {
    const bool is_plain = c >= ' ' && c <= '~' && c != '"';
    out += is_plain ? std::string(1, c) : quota::percent_encoded({&c, 1});
  }
  return out;
}

std::string abandoned_line(const quota::Envelope& envelope) {
  Line line;
  line.text("NOQUEUE: abandoned: client=").client(envelope.client).text(", sasl_username=").value(envelope.auth_authen);
  line.text(", from=").address(envelope.mail_from).text(", nrcpt=").number(static_cast<std::int64_t>(envelope.recipients.size()));
  return line.take();
}

std::string log_line(const LogFacts& facts, const quota::Envelope& envelope, const quota::Verdict& verdict) {
  Line line;
  line.value(facts.queue_id.empty() ? "NOQUEUE" : facts.queue_id).text(": client=").client(envelope.client);
  line.text(", sasl_username=").value(envelope.auth_authen).text(", from=").address(envelope.mail_from);
  line.text(", nrcpt=").number(static_cast<std::int64_t>(envelope.recipients.size())).text(", size=");
  if (facts.is_size_known) line.number(envelope.bytes);
  line.text(", script=");
  if (envelope.php_script) line.value(*envelope.php_script);
  line.text(", verdict=").text(facts.is_discarded ? "discard" : quota::name(verdict.action));
  if (verdict.decider)
    line.failure(*verdict.decider, facts.now);
  else if (!verdict.observed.empty())
    line.text(", observed=").text(quota::name(verdict.observed.front().action)).failure(verdict.observed.front(), facts.now);
  const bool needs_no_cause = verdict.cause == quota::Cause::within || verdict.cause == quota::Cause::over;
  if (!needs_no_cause) line.text(", cause=").text(quota::name(verdict.cause));
  if (facts.stage != "END-OF-MESSAGE") line.text(", stage=").text(facts.stage);
  if (!verdict.outage.empty()) line.text(", store_error=\"").text(readable(verdict.outage)).text("\"");
  return line.take();
}

}  // namespace milter
