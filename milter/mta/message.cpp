#include "milter/mta/message.hpp"

#include <algorithm>
#include <utility>

namespace milter::mta {

namespace {

constexpr std::string_view postfix_version = "Postfix 3.7.11";

/// Postfix folds the whole address in {mail_addr} and {rcpt_addr}, the local part too.
std::string lower_case(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; });
  return lower;
}

std::string domain_of(std::string_view address) {
  const auto at = address.rfind('@');
  return at == std::string_view::npos ? std::string{} : std::string(address.substr(at + 1));
}

std::string as_argument(Origin origin, const std::string& address) {
  return origin == Origin::local ? address : "<" + address + ">";
}

const std::string& daemon_name(const Message& message) {
  return message.daemon_name.empty() ? message.mta_host : message.daemon_name;
}

std::string client_port(const Message& message) {
  return message.origin == Origin::local ? "0" : std::to_string(message.client_port);
}

void append_login(Macros& macros, const Message& message) {
  if (message.origin == Origin::local) return;
  if (!message.auth_type.empty()) macros.push_back({"{auth_type}", message.auth_type});
  if (!message.auth_authen.empty()) macros.push_back({"{auth_authen}", message.auth_authen});
  if (!message.auth_parameter.empty()) macros.push_back({"{auth_author}", message.auth_parameter});
}

void append_route(Macros& macros, const std::string& stage, const std::string& address) {
  const auto domain = domain_of(address);
  if (domain.empty()) return;
  macros.push_back({"{" + stage + "_mailer}", "smtp"});
  macros.push_back({"{" + stage + "_host}", domain});
}

Macros session_macros(const Message& message) {
  return {{"j", message.mta_host},
          {"{daemon_name}", daemon_name(message)},
          {"{daemon_addr}", "127.0.0.1"},
          {"v", std::string(postfix_version)},
          {"_", message.client_host + " [" + message.client_address + "]"}};
}

/// What Postfix can tell of the session at any stage, if it is asked.
Macros session_facts(const Message& message) {
  auto macros = session_macros(message);
  macros.push_back({"{client_addr}", message.client_address});
  macros.push_back({"{client_name}", message.client_host});
  macros.push_back({"{client_ptr}", message.client_host});
  macros.push_back({"{client_port}", client_port(message)});
  return macros;
}

Macros message_facts(const Message& message) {
  auto macros = session_facts(message);
  append_login(macros, message);
  macros.push_back({"{mail_addr}", lower_case(message.mail_from)});
  return macros;
}

}  // namespace

std::vector<Event> session_events(const Message& message) {
  const bool local = message.origin == Origin::local;
  const auto client = client_address(message.client_address, local ? std::uint16_t{0} : message.client_port);
  auto connect = connect_event(message.client_host, client);
  connect.macros = session_macros(message);
  connect.on_request = session_facts(message);
  auto helo = helo_event(message.helo);
  helo.on_request = session_facts(message);
  return {std::move(connect), std::move(helo)};
}

Event mail_event(const Message& message) {
  std::vector<std::string> arguments;
  if (message.declared_size) arguments.push_back("SIZE=" + std::to_string(*message.declared_size));
  if (!message.auth_parameter.empty()) arguments.push_back("AUTH=" + message.auth_parameter);
  const bool local = message.origin == Origin::local;
  if (local) arguments.clear();
  auto event = mail_event(as_argument(message.origin, message.mail_from), arguments);
  if (local) event.macros.push_back({"i", message.queue_id});
  append_login(event.macros, message);
  if (!local) append_route(event.macros, "mail", message.mail_from);
  event.macros.push_back({"{mail_addr}", lower_case(message.mail_from)});
  event.on_request = session_facts(message);
  return event;
}

Event rcpt_event(const Message& message, std::size_t index, std::size_t accepted) {
  const auto& recipient = message.recipients[index];
  const bool local = message.origin == Origin::local;
  auto event = rcpt_event(as_argument(message.origin, recipient), {});
  if (local || accepted > 0) event.macros.push_back({"i", message.queue_id});
  if (!local) append_route(event.macros, "rcpt", recipient);
  event.macros.push_back({"{rcpt_addr}", lower_case(recipient)});
  event.on_request = message_facts(message);
  return event;
}

namespace {

Event with_queue_id(Event event, const Message& message) {
  event.macros = {{"i", message.queue_id}};
  event.on_request = message_facts(message);
  return event;
}

}  // namespace

Event header_event(const Message& message, std::size_t index) { return with_queue_id(header_event(message.headers[index]), message); }

Event body_event(const Message& message, std::size_t offset) {
  return with_queue_id(body_event(std::string_view(message.body).substr(offset, max_body_chunk)), message);
}

Event bare_event(const Message& message, Command command) { return with_queue_id(bare_event(command), message); }

}  // namespace milter::mta
