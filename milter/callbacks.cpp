#include "milter/callbacks.hpp"

#include <netinet/in.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <chrono>
#include <concepts>
#include <cstring>
#include <stdexcept>

#include "milter/log_line.hpp"
#include "quota/text.hpp"

namespace milter {
namespace {

// libmilter's callbacks carry no pointer of ours until a session exists: the one global, set once before smfi_main.
Services* services = nullptr;

/// What libmilter needs to know of a connection besides its session: whose answers the MTA does not wait for.
struct Connection {
  explicit Connection(Negotiated negotiated) : session(*services, negotiated), rcpt_is_answered(negotiated.rcpt_is_answered) {}
  Session session;
  bool rcpt_is_answered;
  bool has_silent_events = false;
  bool knows_client = true;  ///< false: what was said at connect was lost, and whose mail this is cannot be told
  bool is_broken = false;    ///< an event of this message was lost: it cannot be judged
};

Connection* connection_of(SMFICTX* context) { return static_cast<Connection*>(smfi_getpriv(context)); }

std::string macro(SMFICTX* context, const char* name) {
  // libmilter's symbols are not const-correct; it does not write to them.
  const char* value = smfi_getsymval(context, const_cast<char*>(name));
  return value ? value : "";
}

std::string_view text_of(const char* text) { return text ? text : ""; }

sfsistat silent(const Connection& connection) { return connection.has_silent_events ? SMFIS_NOREPLY : SMFIS_CONTINUE; }

/// An event that the MTA waits for no answer to. libmilter must not be told of a failure there: it would go on without a reply
/// and then ignore the end of the message too. That one says it.
template <std::invocable<Connection&> Step>
sfsistat silently(SMFICTX* context, Step step) noexcept {
  auto* connection = connection_of(context);
  if (!connection) return SMFIS_TEMPFAIL;
  try {
    step(*connection);
  } catch (const std::exception&) {
    connection->is_broken = true;
  }
  return silent(*connection);
}

/// No exception may reach libmilter's C frames. A connection without a session (a port check that never said hello) has
/// nothing to lose.
template <std::invocable<Connection&> Step>
sfsistat guarded(SMFICTX* context, Step step) noexcept try {
  auto* connection = connection_of(context);
  return connection ? step(*connection) : SMFIS_TEMPFAIL;
} catch (const std::exception& error) {
  spdlog::critical("a message could not be judged and is tempfailed: {}", error.what());
  return SMFIS_TEMPFAIL;
}

sfsistat with_reply(SMFICTX* context, const SmtpReply& reply, sfsistat status) {
  // smfi_setreply takes char*, and copies.
  if (smfi_setreply(context, const_cast<char*>(reply.code.c_str()), const_cast<char*>(reply.enhanced.c_str()),
                    const_cast<char*>(reply.text.c_str())) == MI_FAILURE)
    spdlog::error("libmilter refused the reply '{} {} {}'; the MTA's own text is sent", reply.code, reply.enhanced, reply.text);
  return status;
}

sfsistat to_status(SMFICTX* context, const Answer& answer) {
  switch (answer.what) {
    case Answer::What::proceed: return SMFIS_CONTINUE;
    case Answer::What::accept: return SMFIS_ACCEPT;
    case Answer::What::discard: return SMFIS_DISCARD;
    case Answer::What::tempfail: return with_reply(context, *answer.reply, SMFIS_TEMPFAIL);
    case Answer::What::reject: return with_reply(context, *answer.reply, SMFIS_REJECT);
    case Answer::What::quarantine: break;
  }
  // Quarantine is an action at end of message, then the message is let through into the hold queue.
  const auto reason = safe_hold_reason(answer.reason);
  const bool is_taken = smfi_quarantine(context, const_cast<char*>(reason.c_str())) == MI_SUCCESS;
  return to_status(context, connection_of(context)->session.after_hold(is_taken ? Hold::taken : Hold::failed));
}

std::optional<quota::IpAddress> address_of(const _SOCK_ADDR* address) {
  if (!address) return std::nullopt;
  if (address->sa_family == AF_INET) {
    std::array<std::uint8_t, 4> bytes{};
    std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in*>(address)->sin_addr, bytes.size());
    return quota::IpAddress::from_v4(bytes);
  }
  if (address->sa_family == AF_INET6) {
    std::array<std::uint8_t, 16> bytes{};
    std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr, bytes.size());
    return quota::IpAddress::from_v6(bytes);
  }
  return std::nullopt;
}

std::uint16_t port_of(const _SOCK_ADDR* address) {
  if (!address) return 0;
  if (address->sa_family == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in*>(address)->sin_port);
  if (address->sa_family == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6*>(address)->sin6_port);
  return 0;
}

/// `SIZE=1234` among the parameters of MAIL FROM.
std::optional<std::int64_t> declared_size(char** parameters) {
  for (; *parameters; ++parameters) {
    const std::string_view parameter = *parameters;
    if (parameter.size() > 5 && quota::lower(parameter.substr(0, 5)) == "size=") return quota::parse_number(parameter.substr(5));
  }
  return std::nullopt;
}

sfsistat on_connect(SMFICTX* context, char* host, _SOCK_ADDR* address) noexcept try {
  // Without negotiation (a context that is used again) every answer is given.
  if (!connection_of(context)) smfi_setpriv(context, new Connection(Negotiated{}));
  auto& connection = *connection_of(context);
  connection.knows_client = false;
  connection.session.connect({macro(context, "j"), macro(context, "{daemon_name}"), std::string(text_of(host)), address_of(address), port_of(address)});
  connection.knows_client = true;
  return silent(connection);
} catch (const std::exception& error) {
  spdlog::critical("a connection could not be taken, and its mail is tempfailed: {}", error.what());
  const auto* connection = connection_of(context);
  return connection ? silent(*connection) : SMFIS_TEMPFAIL;
}

sfsistat on_helo(SMFICTX* context, char*) noexcept {
  return silently(context, [](Connection& connection) { connection.session.reset(); });
}

sfsistat on_mail(SMFICTX* context, char** arguments) noexcept {
  return guarded(context, [&](Connection& connection) {
    connection.is_broken = false;
    if (!connection.knows_client) throw std::runtime_error("what the MTA said of the client could not be taken");
    MailFacts facts{std::string(text_of(arguments[0])), declared_size(arguments + 1), macro(context, "{auth_type}"), macro(context, "{auth_authen}")};
    return to_status(context, connection.session.mail(std::move(facts)));
  });
}

sfsistat on_rcpt(SMFICTX* context, char** arguments) noexcept {
  if (const auto* connection = connection_of(context); connection && !connection->rcpt_is_answered)
    return silently(context, [&](Connection& one) { (void)one.session.recipient(text_of(arguments[0])); });
  return guarded(context, [&](Connection& connection) { return to_status(context, connection.session.recipient(text_of(arguments[0]))); });
}

sfsistat on_data(SMFICTX* context) noexcept {
  return silently(context, [](Connection&) {});
}

sfsistat on_header(SMFICTX* context, char* name, char* value) noexcept {
  return silently(context, [&](Connection& connection) { connection.session.header(text_of(name), text_of(value)); });
}

sfsistat on_end_of_headers(SMFICTX* context) noexcept { return on_data(context); }

sfsistat on_body(SMFICTX* context, unsigned char*, std::size_t length) noexcept {
  return silently(context, [&](Connection& connection) { connection.session.body(length); });
}

sfsistat on_end_of_message(SMFICTX* context) noexcept {
  return guarded(context, [&](Connection& connection) -> sfsistat {
    if (connection.is_broken) throw std::runtime_error("an event of it could not be taken");
    return to_status(context, connection.session.end_of_message(macro(context, "i")));
  });
}

sfsistat on_abort(SMFICTX* context) noexcept {
  return guarded(context, [](Connection& connection) {
    connection.session.reset();
    return static_cast<sfsistat>(SMFIS_CONTINUE);
  });
}

/// libmilter drops what it cannot read without a word to us: all that is seen is a connection that never negotiated. Said at
/// most once a minute, because monitoring does the same.
void note_never_negotiated() noexcept try {
  const auto count = services->counters.never_negotiated.fetch_add(1, std::memory_order_relaxed) + 1;
  static std::atomic<std::int64_t> say_again_at{0};
  const auto now = std::chrono::steady_clock::now().time_since_epoch() / std::chrono::seconds{1};
  auto due = say_again_at.load(std::memory_order_relaxed);
  if (now < due || !say_again_at.compare_exchange_strong(due, now + 60)) return;
  spdlog::warn("a connection to the milter socket ended before it spoke the milter protocol, a port check or garbage ({} since the start)", count);
} catch (const std::exception&) {
  // Not even logging works: there is nobody to tell.
}

sfsistat on_close(SMFICTX* context) noexcept {
  if (!connection_of(context)) note_never_negotiated();
  // Garbage after the negotiation ends a connection like an MTA that broke off: at once, without an abort.
  (void)on_abort(context);
  delete connection_of(context);
  smfi_setpriv(context, nullptr);
  return SMFIS_CONTINUE;
}

/// The macros we need, asked for by ourselves, so that no administrator has to list them.
void ask_for_macros(SMFICTX* context, unsigned long offered) {
  static std::atomic_flag said;
  if ((offered & SMFIF_SETSYMLIST) == 0) {
    if (!said.test_and_set())
      spdlog::warn("the MTA does not take a list of macros from us: make sure that it sends j, i, {daemon_name}, {auth_type} and {auth_authen}");
    return;
  }
  const auto ask = [&](int stage, const char* names) { smfi_setsymlist(context, stage, const_cast<char*>(names)); };
  ask(SMFIM_CONNECT, "j {daemon_name}");
  // Sendmail has the queue id from MAIL on and heeds no list for the end of message; Postfix has it at the end only.
  ask(SMFIM_ENVFROM, "i {auth_type} {auth_authen}");
  ask(SMFIM_EOM, "i");
}

constexpr unsigned long silent_steps = SMFIP_NR_CONN | SMFIP_NR_HELO | SMFIP_NR_DATA | SMFIP_NR_HDR | SMFIP_NR_EOH | SMFIP_NR_BODY;

/// Only what is needed: no body unless sizes are limited, no headers unless a PHP header may be believed, no answer to events
/// that need none. Worth a factor of four in speed. SMFIP_NODATA is not asked for: over TCP it costs 44 ms a message.
sfsistat on_negotiate(SMFICTX* context, unsigned long offered_actions, unsigned long offered_steps, unsigned long, unsigned long,
                      unsigned long* actions, unsigned long* steps, unsigned long* none1, unsigned long* none2) noexcept try {
  const auto config = services->config();
  const auto& policy = *config->policy;
  const auto live = services->tables();
  Negotiated wanted;
  wanted.body = policy.needs_bytes() || live->needs_bytes();
  wanted.headers = policy.needs_php_header() || live->needs_php_header() || config->record.needs_headers() || wanted.body;
  wanted.rcpt_is_answered = !policy.parts().exempt.recipients.empty();
  unsigned long unwanted = SMFIP_NOUNKNOWN;
  // libmilter ignores, without an answer, an end of message that follows neither a header nor the end of headers: a message
  // may have no headers.
  if (!wanted.headers) unwanted |= SMFIP_NOHDRS | SMFIP_NOEOH;
  if (!wanted.body) unwanted |= SMFIP_NOBODY;
  unsigned long quiet = (offered_steps & silent_steps) == silent_steps ? silent_steps : 0;
  const bool rcpt_can_be_silent = quiet != 0 && (offered_steps & SMFIP_NR_RCPT) != 0;
  if (!rcpt_can_be_silent) wanted.rcpt_is_answered = true;
  if (!wanted.rcpt_is_answered) quiet |= SMFIP_NR_RCPT;
  *actions = offered_actions & SMFIF_QUARANTINE;
  *steps = (offered_steps & unwanted) | quiet;
  *none1 = *none2 = 0;
  wanted.can_quarantine = (offered_actions & SMFIF_QUARANTINE) != 0;
  if (!wanted.can_quarantine) spdlog::warn("the MTA offers no quarantine: what should be held will be tempfailed");
  ask_for_macros(context, offered_actions);
  delete connection_of(context);
  auto connection = std::make_unique<Connection>(wanted);
  connection->has_silent_events = quiet != 0;
  smfi_setpriv(context, connection.release());
  return SMFIS_CONTINUE;
} catch (const std::exception& error) {
  spdlog::critical("a connection could not be negotiated: {}", error.what());
  return SMFIS_REJECT;
}

}  // namespace

bool register_callbacks(Services& shared) {
  services = &shared;
  static char name[] = "sendquota";
  smfiDesc filter{};
  filter.xxfi_name = name;
  filter.xxfi_version = SMFI_VERSION;
  filter.xxfi_flags = SMFIF_QUARANTINE;
  filter.xxfi_connect = on_connect;
  filter.xxfi_helo = on_helo;
  filter.xxfi_envfrom = on_mail;
  filter.xxfi_envrcpt = on_rcpt;
  filter.xxfi_header = on_header;
  filter.xxfi_eoh = on_end_of_headers;
  filter.xxfi_body = on_body;
  filter.xxfi_eom = on_end_of_message;
  filter.xxfi_abort = on_abort;
  filter.xxfi_close = on_close;
  filter.xxfi_data = on_data;
  filter.xxfi_negotiate = on_negotiate;
  return smfi_register(filter) == MI_SUCCESS;
}

}  // namespace milter
