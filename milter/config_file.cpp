#include "milter/config_file.hpp"

#include <toml++/toml.h>

#include <algorithm>
#include <map>
#include <optional>

#include "quota/text.hpp"

namespace milter {
namespace {

/// Enough for every mistake of a sitting, and a bound on the work that a hostile text can cause.
constexpr int most_passes = 25;

Place place_of(const toml::source_region& region) { return {region.begin.line, region.begin.column}; }

Value::Table entries_of(const toml::table& table);

Value value_of(const toml::node& node) {
  Value value{place_of(node.source()), {}};
  if (const auto* text = node.as_string())
    value.content = text->get();
  else if (const auto* number = node.as_integer())
    value.content = number->get();
  else if (const auto* real = node.as_floating_point())
    value.content = real->get();
  else if (const auto* truth = node.as_boolean())
    value.content = truth->get();
  else if (const auto* table = node.as_table())
    value.content = entries_of(*table);
  else if (const auto* list = node.as_array()) {
    Value::List values;
    for (const auto& one : *list) values.push_back(value_of(one));
    value.content = std::move(values);
  } else {
    value.content = Value::Moment{};
  }
  return value;
}

Value::Table entries_of(const toml::table& table) {
  Value::Table entries;
  for (const auto& [key, node] : table)
    entries.push_back({std::string(key.str()), place_of(key.source()), value_of(node)});
  return entries;
}

/// The text of one line (from 1), without its end.
std::string_view line_of(std::string_view text, std::size_t line) {
  std::size_t begin = 0;
  for (std::size_t at = 1; at < line; ++at) {
    begin = text.find('\n', begin);
    if (begin == std::string_view::npos) return {};
    ++begin;
  }
  return text.substr(begin, text.find('\n', begin) - begin);
}

/// `key = value` in one line; empty for anything else, and for values that may go on in the next line.
struct Assignment {
  std::string_view key;
  std::string_view value;
};
std::optional<Assignment> assignment_in(std::string_view line) {
  const auto equals = line.find('=');
  if (equals == std::string_view::npos) return std::nullopt;
  const auto key = quota::trim(line.substr(0, equals));
  const auto value = quota::trim(line.substr(equals + 1));
  const bool is_bare = !key.empty() && key.find_first_of("[]{}#\"', \t") == std::string_view::npos;
  if (!is_bare || value.starts_with('[') || value.starts_with('{') || value.starts_with("\"\"\"") ||
      value.starts_with("'''"))
    return std::nullopt;
  return Assignment{key, value};
}

/// `15m   # a comment` → `15m`
std::string unquoted_word(std::string_view value) { return std::string(quota::trim(value.substr(0, value.find('#')))); }

bool is_quoted(std::string_view value) { return value.starts_with('"') || value.starts_with('\''); }

Problem duplicate(std::string_view line, std::string_view description) {
  const auto header = quota::trim(line.substr(0, line.find('#')));
  if (header.starts_with('[') && description.find("table header") != std::string_view::npos) {
    if (description.find("redefine existing table") == std::string_view::npos || header.starts_with("[["))
      return {{},
              0,
              0,
              std::string(header) + " was something else above",
              "write [[quota]] and [[quota.override]] with two brackets, all others with one, and [quota.block] behind "
              "its [[quota]]"};
    return {{}, 0, 0, "the section " + std::string(header) + " is written twice", "put its keys under one header"};
  }
  const auto assignment = assignment_in(line);
  const auto key = assignment ? std::string(assignment->key) : std::string(quota::trim(line.substr(0, line.find('='))));
  return {{}, 0, 0, "'" + key + "' is written twice in this section", "keep one of the lines"};
}

Problem bad_value(const Assignment& assignment) {
  const auto key = std::string(assignment.key);
  const auto word = unquoted_word(assignment.value);
  if (word.empty()) return {{}, 0, 0, "'" + key + "' has no value", "write one behind the =, or take the line out"};
  const auto folded = quota::lower(word);
  if (folded == "true" || folded == "false" || folded == "yes" || folded == "no")
    return {{}, 0, 0, key + " = " + word + " cannot be read", "write true or false"};
  return {{}, 0, 0, key + " = " + word + " cannot be read", "put the value in quotes: " + key + " = \"" + word + "\""};
}

struct Friendly {
  std::string_view said;  ///< by the parser
  std::string_view what;
  std::string_view instead;
};
constexpr Friendly friendly[] = {
    {"utf-8", "this is not UTF-8 text", "save the file as UTF-8"},
    {"escape sequence", "a backslash in double quotes begins an escape",
     "write \\\\ for a backslash, or put the text in single quotes"},
    {"string: encountered end-of-file", "a text is not closed", "close it with the quote that it began with"},
    {"string: line breaks", "a text is not closed in its line", "close it with the quote that it began with"},
    {"string: unescaped", "a text is not closed in its line, or holds a control character",
     "close it with the quote that it began with"},
    {"array: ", "a list is not closed, or a comma between its elements is missing",
     "write it as in [\"one\", \"two\"]"},
    {"table header: ", "this is no section header", "write it as in [store], lists of sections as in [[quota]]"},
    {"expected '='", "there is no = behind the key", "write it as in key = \"value\""},
    {"expected keys", "this is neither a key, a section nor a comment",
     "write key = \"value\", or begin a comment with #"},
    {"nested value depth", "values are nested too deeply", "no key needs more than a list"},
};

Problem friendlier(std::string_view line, std::string_view description) {
  if (description.find("cannot redefine") != std::string_view::npos) return duplicate(line, description);
  const auto assignment = assignment_in(line);
  const bool is_about_text = description.find("parsing string") != std::string_view::npos ||
                             description.find("utf-8") != std::string_view::npos;
  if (assignment && !is_quoted(assignment->value) && !is_about_text) return bad_value(*assignment);
  for (const auto& [said, what, instead] : friendly)
    if (description.find(said) != std::string_view::npos) return {{}, 0, 0, std::string(what), std::string(instead)};
  return {{}, 0, 0, "this is no TOML: " + std::string(description), "write it as in key = \"value\""};
}

/// Takes the line out, so that the next pass finds the next error; others keep their numbers.
bool blank_line(std::string& text, std::size_t line) {
  const auto found = line_of(text, line);
  if (quota::trim(found).empty() || !assignment_in(found)) return false;
  std::replace_if(
      text.begin() + (found.data() - text.data()), text.begin() + (found.data() - text.data()) + std::ssize(found),
      [](char c) { return c != '\n'; }, ' ');
  return true;
}

/// One pass: the entries, or the first error.
std::optional<Problem> read_once(const std::string& text, ConfigFile& into, bool& is_duplicate) try {
  into.entries = entries_of(toml::parse(std::string_view(text), std::string_view{}));
  return std::nullopt;
} catch (const toml::parse_error& error) {
  const auto place = place_of(error.source());
  auto problem = friendlier(line_of(text, place.line), error.description());
  is_duplicate = error.description().find("cannot redefine") != std::string_view::npos;
  problem.line = std::max<std::size_t>(place.line, 1);
  problem.column = place.column;
  return problem;
}

}  // namespace

ConfigFile read_toml(std::string_view text, const std::string& file_name) {
  ConfigFile file;
  std::string rest(text);
  for (int pass = 0; pass < most_passes; ++pass) {
    bool is_duplicate = false;
    auto problem = read_once(rest, file, is_duplicate);
    if (!problem) return file;
    problem->file = file_name;
    const bool goes_on = blank_line(rest, problem->line);
    file.problems.push_back(std::move(*problem));
    if (!is_duplicate || !goes_on) file.is_whole = false;
    if (!goes_on) return file;
  }
  file.is_whole = false;
  return file;
}

}  // namespace milter
