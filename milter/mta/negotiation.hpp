// What an MTA and a milter agree on before the first event: which events are sent, which are answered, and which
// macros the milter wants at which stage. Negotiated is then the one place that turns an Event into bytes. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "milter/mta/event.hpp"
#include "milter/mta/wire.hpp"
#include "quota/result.hpp"

namespace milter::mta {

/// What the MTA can do; the defaults are what Postfix 3.7, 3.10 and Sendmail 8.17 offer.
struct Offer {
  std::uint32_t version = 6;
  std::uint32_t actions = 0x1ff;
  std::uint32_t steps = 0x1fffff;
};

/// The stages at which a milter may ask for macros, numbered as on the wire.
enum class Stage : std::uint32_t { connect, helo, mail, rcpt, data, end_of_message, end_of_headers };

struct Negotiated {
  std::uint32_t version = 0;
  std::uint32_t actions = 0;
  std::uint32_t steps = 0;
  /// The names asked for, as the milter wrote them. A stage that is here with an empty list gets no macros.
  std::map<Stage, std::vector<std::string>> wanted;

  /// False for an event that the milter has switched off.
  [[nodiscard]] bool sends(Command command) const;
  /// False for an event without a reply: abort and quit always, others as agreed.
  [[nodiscard]] bool awaits_answer(Command command) const;
  /// The macros that go with `event`: its own, or from all it knows those that the milter asked for, in that order.
  [[nodiscard]] Macros macros_of(const Event& event) const;
  /// Appends the macro packet, if there are macros, and the command, unless it is switched off.
  /// Postfix too sends the macros of events that it does not send.
  void append(std::string& bytes, const Event& event) const;
};

[[nodiscard]] std::string offer_packet(const Offer& offer);

/// Reads a milter's reply to `offer`.
/// Errors: not a negotiation; data cut short; a version, action or step that was not offered.
[[nodiscard]] quota::Result<Negotiated, WireError> read_negotiation(const Offer& offer, const Packet& reply);

}  // namespace milter::mta
