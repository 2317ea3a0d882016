// Slots of a Redis Cluster: every key belongs to one of 16,384, by its bytes alone.
// Source: Redis Cluster specification, "Key distribution model" and "Hash tags".
#pragma once

#include <cstdint>
#include <string_view>

namespace quota {

inline constexpr std::size_t slot_count = 16'384;

/// CRC16 (polynomial 1021 hex, XMODEM: begins with 0, nothing reflected) of the key modulo the number of slots. Of a key
/// with something between its first { and the next }, only that is counted.
[[nodiscard]] std::uint16_t slot_of(std::string_view key);

}  // namespace quota
