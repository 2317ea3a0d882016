// PostfixSettings: what main.cf says, as Postfix's own postconf tells it.
#pragma once

#include <string>
#include <vector>

#include "quota/result.hpp"

namespace milter::mail_queue {

struct PostfixSettings {
  std::string config{};  ///< the folder of main.cf; empty: Postfix's own
  std::string myhostname{};
  std::string queue_directory{};
  std::string command_directory{};
  std::string mail_name{};  ///< names the fields of notices: X-Postfix-Queue-ID
  std::string double_bounce_sender{};

  /// The words that run one of Postfix's programs for administrators.
  [[nodiscard]] std::vector<std::string> command(const std::string& program) const;
};

/// The path of postconf, which tells where all else is; empty: this host has none.
[[nodiscard]] std::string find_postconf();

/// Errors: a sentence that says what to write instead.
[[nodiscard]] quota::Result<PostfixSettings, std::string> read_settings(const std::string& postconf, const std::string& config);

}  // namespace milter::mail_queue
