// A configuration from a text, as the daemon would read it.
#pragma once

#include <doctest/doctest.h>

#include <memory>

#include "milter/config.hpp"

namespace milter {

[[nodiscard]] inline std::shared_ptr<const Config> config_of(std::string_view text) {
  const auto config = parse_config(text, "test.toml");
  if (!config) FAIL(format(config.error()));
  return std::make_shared<const Config>(*config);
}

}  // namespace milter
