// Reading the daemon's JSON without trusting it: a daemon of another version may leave a key out. Pure.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace milter::cli {

[[nodiscard]] inline const boost::json::object& object_at(const boost::json::object& from, std::string_view key) {
  static const boost::json::object none;
  const auto* value = from.if_contains(key);
  return value && value->is_object() ? value->get_object() : none;
}

[[nodiscard]] inline const boost::json::array& array_at(const boost::json::object& from, std::string_view key) {
  static const boost::json::array none;
  const auto* value = from.if_contains(key);
  return value && value->is_array() ? value->get_array() : none;
}

/// Empty when absent, null or no text.
[[nodiscard]] inline std::string text_at(const boost::json::object& from, std::string_view key) {
  const auto* value = from.if_contains(key);
  return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

[[nodiscard]] inline std::optional<std::int64_t> number_at(const boost::json::object& from, std::string_view key) {
  const auto* value = from.if_contains(key);
  if (!value || !value->is_number()) return std::nullopt;
  boost::json::error_code error;
  const auto number = value->to_number<std::int64_t>(error);
  return error ? std::nullopt : std::optional(number);
}

[[nodiscard]] inline bool flag_at(const boost::json::object& from, std::string_view key) {
  const auto* value = from.if_contains(key);
  return value && value->is_bool() && value->get_bool();
}

}  // namespace milter::cli
