#include "milter/admin/fields.hpp"

#include <algorithm>

#include "milter/admin/api.hpp"

namespace milter::admin {
namespace {

bool has_control_character(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

std::string joined(const Names& words) {
  std::string text;
  for (const auto word : words) text += (text.empty() ? "" : ", ") + std::string(word);
  return text.empty() ? "none" : text;
}

// A text ends in logs, tables and on terminals: a line break in it could forge an entry there.
std::optional<Response> objection_to_field(std::string_view name, const boost::json::value& value) {
  const std::string field = "\"" + std::string(name) + "\"";
  if (!value.is_string()) return bad_request(field + " is not a text", "write it in quotes");
  const std::string_view text = value.as_string();
  if (text.size() > max_reason_bytes) return bad_request(field + " is too long", "at most 500 bytes");
  if (has_control_character(text)) return bad_request(field + " contains a control character", "write it on one line");
  return std::nullopt;
}

}  // namespace

Response answer(Operations::Answer result) {
  if (!result) return to_response(result.error());
  return {.status = 200, .body = std::move(*result)};
}

Response bad_request(std::string what, std::string hint) {
  return to_response({.kind = Problem::Kind::bad_request, .what = std::move(what), .hint = std::move(hint)});
}

Response forbidden(std::string what, std::string hint) {
  return to_response({.kind = Problem::Kind::forbidden, .what = std::move(what), .hint = std::move(hint)});
}

quota::Result<Fields, Response> read_fields(const Request& request, const Names& known) {
  Fields fields;
  for (const auto& [key, value] : request.body) {
    if (std::ranges::find(known, std::string_view(key)) == known.end())
      return bad_request("unknown field \"" + std::string(key) + "\"", "known here: " + joined(known));
    if (value.is_null()) continue;
    if (auto problem = objection_to_field(key, value)) return std::move(*problem);
    fields.emplace(key, value.as_string());
  }
  return fields;
}

std::optional<std::string> optional_field(const Fields& fields, const std::string& name) {
  const auto found = fields.find(name);
  return found == fields.end() ? std::nullopt : std::optional(found->second);
}

std::string field_or_empty(const Fields& fields, const std::string& name) { return optional_field(fields, name).value_or(""); }

std::optional<Response> objection_to(const Parameters& parameters) {
  for (const auto& [name, value] : parameters)
    if (has_control_character(value)) return bad_request("the " + name + " contains a control character", "");
  return std::nullopt;
}

std::optional<Response> objection_to(const std::map<std::string, std::string>& query, const Names& known) {
  for (const auto& [name, value] : query) {
    if (std::ranges::find(known, std::string_view(name)) == known.end())
      return bad_request("unknown parameter \"" + name + "\"", "known here: " + joined(known));
    if (value.size() > max_reason_bytes) return bad_request("the parameter \"" + name + "\" is too long", "at most 500 bytes");
    if (has_control_character(value)) return bad_request("the parameter \"" + name + "\" contains a control character", "it may have been copied with the text; leave it out");
  }
  return std::nullopt;
}

std::optional<Response> objection_to(Operations& to, const Caller& caller, const Parameters& at) {
  if (caller.account.empty() || to.is_of(at.at("id"), caller.account)) return std::nullopt;
  return forbidden("the token " + caller.user + " is for the account " + caller.account + ", and this sender is not one of its own", "");
}

}  // namespace milter::admin
