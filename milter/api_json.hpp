// ApiJson: blocks, limits and records as the admin API shows them (shapes: milter/admin/api.hpp). Pure.
#pragma once

#include <boost/json.hpp>

#include "quota/nodes.hpp"
#include "quota/policy.hpp"

namespace milter {

/// Null for an absent moment.
[[nodiscard]] boost::json::value moment_json(const std::optional<quota::Timestamp>& moment);
/// Null for an empty text.
[[nodiscard]] boost::json::value text_json(std::string_view text);

[[nodiscard]] boost::json::object block_json(const std::string& identity, const quota::Block& block);
[[nodiscard]] boost::json::object override_json(const quota::OverrideKey& key, const quota::Override& entry);
/// An entry of the table that cannot be understood.
[[nodiscard]] boost::json::object override_error_json(const std::string& field, const std::string& text);
[[nodiscard]] boost::json::object mode_json(const quota::Policy& policy, const quota::Tables& tables, quota::Timestamp now);

/// `self`: our own name among them.
[[nodiscard]] boost::json::object node_json(const quota::Node& node, const quota::NodeList& list, const std::string& self);
/// How many run and how many count, and whether their configurations differ.
[[nodiscard]] boost::json::object nodes_json(const quota::NodeList& list);

/// One identity: what every quota that can charge it grants, and how much of it is used.
struct IdentityFacts {
  const quota::Policy& policy;
  const quota::Tables& tables;
  const quota::Record& record;
  std::int64_t hold_max;
  quota::Timestamp now;
};
[[nodiscard]] boost::json::object identity_json(const quota::Identity& identity, const IdentityFacts& facts);

}  // namespace milter
