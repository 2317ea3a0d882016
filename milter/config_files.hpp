// The files that a configuration names, and the configuration's own. All I/O of the configuration is here.
#pragma once

#include <string>
#include <vector>

#include "milter/config_reader.hpp"
#include "quota/account_map.hpp"
#include "quota/result.hpp"

namespace milter {

/// A whole file of at most `longest` bytes. Errors: what follows its name, as in `cannot be read: reason`.
[[nodiscard]] quota::Result<std::string, std::string> read_file(const std::string& path, std::size_t longest);

/// `path` as it is meant in the configuration `file_name`: relative to its directory.
[[nodiscard]] std::string resolved(const std::string& path, const std::string& file_name);

/// The one line of a password file. Errors: also where everybody on this host may read it.
[[nodiscard]] quota::Result<std::string, std::string> password_in(const std::string& path);

/// The account map in a file. Errors: every problem at once, by that file and its lines.
[[nodiscard]] quota::Result<quota::AccountMap, std::vector<Problem>> load_accounts(const std::string& path, const quota::Spelling& spelling);

/// Likewise, in the file that `accounts` names.
[[nodiscard]] quota::AccountMap read_accounts(Section& section, const std::string& path, const quota::Spelling& spelling);

}  // namespace milter
