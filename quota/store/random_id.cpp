#include "quota/store/random_id.hpp"

#include <array>
#include <cstdint>
#include <cstdio>
#include <random>

namespace quota {

std::string random_id() {
  std::random_device device;
  const auto word = [&] { return static_cast<std::uint32_t>(device()); };
  std::array<char, 17> out{};
  std::snprintf(out.data(), out.size(), "%08x%08x", word(), word());
  return out.data();
}

}  // namespace quota
