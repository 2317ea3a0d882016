// What tests of the configuration share: a text read as the daemon would, what is complained of, and the files of this source.
#pragma once

#include <doctest/doctest.h>

#include <filesystem>

#include "milter/config.hpp"
#include "tests/support/temporary_folder.hpp"

namespace milter::config_rig {

namespace fs = std::filesystem;

inline const fs::path source_dir = SENDQUOTA_SOURCE_DIR;

inline std::string content_of(const fs::path& path) {
  REQUIRE_MESSAGE(fs::is_regular_file(path), path.string());
  return ::test::bytes_of(path);
}

/// What is printed for a configuration; empty for a good one.
inline std::string complaints(const ConfigResult& result) { return result ? "" : format(result.error()); }

inline Config good(std::string_view text) {
  const auto config = parse_config(text, "test.toml");
  REQUIRE_MESSAGE(config.has_value(), complaints(config));
  return *config;
}

}  // namespace milter::config_rig
