#include "milter/mta/negotiation.hpp"

#include <algorithm>
#include <array>
#include <optional>

namespace milter::mta {

namespace {

/// How the protocol's `steps` bits concern one command.
struct Rule {
  Command command;
  std::uint32_t not_sent;
  std::uint32_t not_answered;
  std::optional<Stage> stage;
};

constexpr std::uint32_t header_leading_space = 0x100000;

constexpr std::array rules = {
    Rule{Command::connect, 0x1, 0x1000, Stage::connect},
    Rule{Command::helo, 0x2, 0x2000, Stage::helo},
    Rule{Command::mail, 0x4, 0x4000, Stage::mail},
    Rule{Command::rcpt, 0x8, 0x8000, Stage::rcpt},
    Rule{Command::data, 0x200, 0x10000, Stage::data},
    Rule{Command::unknown, 0x100, 0x20000, std::nullopt},
    Rule{Command::header, 0x20, 0x80, Stage::end_of_headers},
    Rule{Command::end_of_headers, 0x40, 0x40000, Stage::end_of_headers},
    Rule{Command::body, 0x10, 0x80000, Stage::end_of_message},
    Rule{Command::end_of_message, 0, 0, Stage::end_of_message},
};

const Rule* rule_of(Command command) {
  const auto found = std::ranges::find(rules, command, &Rule::command);
  return found == rules.end() ? nullptr : &*found;
}

/// `{i}` and `i` are one macro.
std::string_view bare_name(std::string_view name) {
  return name.size() > 2 && name.front() == '{' && name.back() == '}' ? name.substr(1, name.size() - 2) : name;
}

const Macro* find_macro(const Macros& macros, std::string_view name) {
  const auto found =
      std::ranges::find_if(macros, [&](const Macro& macro) { return bare_name(macro.name) == bare_name(name); });
  return found == macros.end() ? nullptr : &*found;
}

std::vector<std::string> words_of(std::string_view text) {
  constexpr std::string_view separators = " ,\t\r\n";
  std::vector<std::string> words;
  for (auto start = text.find_first_not_of(separators); start != std::string_view::npos;
       start = text.find_first_not_of(separators, start)) {
    const auto end = std::min(text.find_first_of(separators, start), text.size());
    words.emplace_back(text.substr(start, end - start));
    start = end;
  }
  return words;
}

std::optional<WireError> read_wanted(FieldReader& fields, Negotiated& negotiated) {
  while (!fields.rest().empty()) {
    const auto stage = fields.u32();
    const auto names = stage ? fields.string() : std::nullopt;
    if (!names) return WireError{"a list of macros that is cut short"};
    if (*stage > static_cast<std::uint32_t>(Stage::end_of_headers))
      return WireError{"a list of macros for the unknown stage " + std::to_string(*stage)};
    negotiated.wanted[static_cast<Stage>(*stage)] = words_of(*names);
  }
  return std::nullopt;
}

std::optional<WireError> beyond(const Offer& offer, const Negotiated& asked) {
  if (asked.version < 2 || asked.version > offer.version)
    return WireError{"protocol version " + std::to_string(asked.version)};
  if ((asked.actions & ~offer.actions) != 0) return WireError{"actions that were not offered"};
  if ((asked.steps & ~offer.steps) != 0) return WireError{"protocol steps that were not offered"};
  return std::nullopt;
}

}  // namespace

bool Negotiated::sends(Command command) const {
  const auto* rule = rule_of(command);
  return rule == nullptr || (steps & rule->not_sent) == 0;
}

bool Negotiated::awaits_answer(Command command) const {
  const auto* rule = rule_of(command);
  return rule != nullptr && sends(command) && (steps & rule->not_answered) == 0;
}

Macros Negotiated::macros_of(const Event& event) const {
  const auto* rule = rule_of(event.command);
  if (rule == nullptr || !rule->stage) return event.macros;
  const auto list = wanted.find(*rule->stage);
  if (list == wanted.end()) return event.macros;
  Macros chosen;
  for (const auto& name : list->second) {
    const auto* known = find_macro(event.macros, name);
    if (known == nullptr) known = find_macro(event.on_request, name);
    if (known != nullptr) chosen.push_back(*known);
  }
  return chosen;
}

void Negotiated::append(std::string& bytes, const Event& event) const {
  if (const auto macros = macros_of(event); !macros.empty()) {
    std::string data{static_cast<char>(event.command)};
    for (const auto& macro : macros) {
      append_string(data, macro.name);
      append_string(data, macro.value);
    }
    append_packet(bytes, static_cast<char>(Command::macros), data);
  }
  if (!sends(event.command)) return;
  auto data = event.data;
  if (event.command == Command::header && (steps & header_leading_space) != 0) data.insert(data.find('\0') + 1, 1, ' ');
  append_packet(bytes, static_cast<char>(event.command), data);
}

std::string offer_packet(const Offer& offer) {
  std::string data;
  for (const auto number : {offer.version, offer.actions, offer.steps}) append_u32(data, number);
  std::string bytes;
  append_packet(bytes, static_cast<char>(Command::negotiate), data);
  return bytes;
}

quota::Result<Negotiated, WireError> read_negotiation(const Offer& offer, const Packet& reply) {
  if (reply.code != static_cast<char>(Command::negotiate))
    return WireError{"the reply " + printable(reply.code) + " to the negotiation"};
  FieldReader fields(reply.data);
  Negotiated negotiated;
  for (auto* field : {&negotiated.version, &negotiated.actions, &negotiated.steps}) {
    const auto number = fields.u32();
    if (!number) return WireError{"a negotiation that is cut short"};
    *field = *number;
  }
  if (auto error = beyond(offer, negotiated)) return *std::move(error);
  if (auto error = read_wanted(fields, negotiated)) return *std::move(error);
  return negotiated;
}

}  // namespace milter::mta
