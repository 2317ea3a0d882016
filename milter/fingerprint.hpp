// The fingerprint of a configuration: what it decides about messages, in 12 digits. Daemons of one cluster should have the same.
// Paths, sockets, the store's address, logs and the wording of replies do not count. Pure.
#pragma once

#include <string>

#include "milter/config.hpp"

namespace milter {

/// The first 12 digits of the SHA-256 of decisions_of().
[[nodiscard]] std::string fingerprint_of(const Config& config);

/// Everything that decides, a line each, in one spelling whatever the file's. Quotas stay in their order, which decides between
/// equals; what is a set is sorted.
[[nodiscard]] std::string decisions_of(const Config& config);

/// The name of this daemon's line in the table of nodes: the host, and behind a slash a mark of `state_dir` where that is not the
/// usual one, so that two daemons on one host are two nodes.
[[nodiscard]] std::string node_name(const std::string& host, const StoreSettings& settings);

}  // namespace milter
