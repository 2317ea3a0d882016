#include "milter/mta/event.hpp"

#include <cassert>

namespace milter::mta {

namespace {

Event text_event(Command command, std::string_view text, const std::vector<std::string>& arguments = {}) {
  Event event{.command = command, .data = {}, .macros = {}, .on_request = {}};
  append_string(event.data, text);
  for (const auto& argument : arguments) append_string(event.data, argument);
  return event;
}

}  // namespace

ClientAddress client_address(std::string_view text, std::uint16_t port) {
  using Family = ClientAddress::Family;
  if (text.empty()) return {};
  if (text.front() == '/') return {Family::unix_path, std::string(text), 0};
  const bool has_colon = text.find(':') != std::string_view::npos;
  return {has_colon ? Family::inet6 : Family::inet, std::string(text), port};
}

Event connect_event(std::string_view host, const ClientAddress& client) {
  auto event = text_event(Command::connect, host);
  event.data += static_cast<char>(client.family);
  if (client.family == ClientAddress::Family::unknown) return event;
  append_u16(event.data, client.port);
  append_string(event.data, client.text);
  return event;
}

Event helo_event(std::string_view name) { return text_event(Command::helo, name); }

Event mail_event(std::string_view from, const std::vector<std::string>& arguments) {
  return text_event(Command::mail, from, arguments);
}

Event rcpt_event(std::string_view to, const std::vector<std::string>& arguments) {
  return text_event(Command::rcpt, to, arguments);
}

Event header_event(const Header& header) { return text_event(Command::header, header.name, {header.value}); }

Event body_event(std::string_view chunk) {
  assert(chunk.size() <= max_body_chunk);
  return {.command = Command::body, .data = std::string(chunk), .macros = {}, .on_request = {}};
}

Event unknown_event(std::string_view line) { return text_event(Command::unknown, line); }

Event bare_event(Command command) { return {.command = command, .data = {}, .macros = {}, .on_request = {}}; }

}  // namespace milter::mta
