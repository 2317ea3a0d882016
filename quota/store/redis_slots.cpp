#include "quota/store/redis_slots.hpp"

#include <array>

namespace quota {
namespace {

constexpr std::array<std::uint16_t, 256> remainders = [] {
  std::array<std::uint16_t, 256> table{};
  for (unsigned byte = 0; byte < 256; ++byte) {
    unsigned rest = byte << 8;
    for (int bit = 0; bit < 8; ++bit) rest = (rest & 0x8000) != 0 ? (rest << 1) ^ 0x1021 : rest << 1;
    table[byte] = static_cast<std::uint16_t>(rest);
  }
  return table;
}();

std::string_view hashed_part(std::string_view key) {
  const auto open = key.find('{');
  if (open == key.npos) return key;
  const auto close = key.find('}', open + 1);
  if (close == key.npos || close == open + 1) return key;
  return key.substr(open + 1, close - open - 1);
}

}  // namespace

std::uint16_t slot_of(std::string_view key) {
  unsigned rest = 0;
  for (const char letter : hashed_part(key)) rest = ((rest << 8) ^ remainders[((rest >> 8) ^ static_cast<unsigned char>(letter)) & 0xff]) & 0xffff;
  return static_cast<std::uint16_t>(rest % slot_count);
}

}  // namespace quota
