// What Redis says of itself in the answer to INFO: lines of `name:value`, in sections. Pure.
#pragma once

#include <string_view>

#include "quota/text.hpp"

namespace quota {

/// The value behind `name` (with its colon) in `info`; empty where there is none.
[[nodiscard]] inline std::string_view info_value(std::string_view info, std::string_view name) {
  for (const auto line : split(info, '\n'))
    if (line.starts_with(name)) return trim(line.substr(name.size()));
  return {};
}

}  // namespace quota
