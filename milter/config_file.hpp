// ConfigFile: the text of a configuration as entries with their places. Knows TOML and nothing of what the entries
// mean. The only includer of toml++ is config_file.cpp.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "milter/config_problem.hpp"

namespace milter {

struct Place {
  std::size_t line = 0;
  std::size_t column = 0;
};

struct Entry;

struct Value {
  /// TOML's dates and times: no key of ours is one.
  struct Moment {};
  using List = std::vector<Value>;
  using Table = std::vector<Entry>;

  Place place{};
  std::variant<std::string, std::int64_t, double, bool, Moment, List, Table> content;
};

struct Entry {
  std::string key;
  Place place;
  Value value;
};

/// What could be understood of a text. Duplicate keys are a problem, and the first one counts. After any other syntax
/// error `is_whole` is false and the entries are not to be looked at: each would be reported for what the error hides.
struct ConfigFile {
  Value::Table entries{};
  std::vector<Problem> problems{};
  bool is_whole = true;
};

/// Time: at most a few passes over the text, however many errors it has.
[[nodiscard]] ConfigFile read_toml(std::string_view text, const std::string& file_name);

}  // namespace milter
