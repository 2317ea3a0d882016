// What one message looks like on the wire, written once for a negotiation, with a place for the sender's number: making a
// message is then a copy and a few digits, so that the load costs little of the machine it measures.
//
// A conversation is cut into turns: the bytes up to an event that the filter answers. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "milter/mta/negotiation.hpp"

namespace bench {

/// Bytes that wait for one answer at their end; none after the last turn of a conversation, if nobody answers it.
struct Turn {
  std::string bytes;
  std::vector<std::size_t> numbers;  ///< where a sender's digits are
  bool is_end_of_message = false;
};

inline constexpr std::size_t digits = 7;

/// `s0000042@bench.test`: with `user:` before it 24 bytes.
[[nodiscard]] std::string login(std::uint64_t sender);

/// Writes `sender` at every place of `turn`.
void address(Turn& turn, std::uint64_t sender);

/// Connect and helo.
[[nodiscard]] std::vector<Turn> session_turns(const milter::mta::Negotiated& negotiated);
/// MAIL to end of message, as over SMTP with a login.
[[nodiscard]] std::vector<Turn> message_turns(const milter::mta::Negotiated& negotiated, std::size_t headers, std::size_t recipients);
/// A request of Postfix' policy protocol at the RCPT stage.
[[nodiscard]] Turn policy_turn();

}  // namespace bench
