// The `[[quota]]` sections: read one by one, then held against each other. A part of config.cpp in a file of its own.
#pragma once

#include <vector>

#include "milter/config_reader.hpp"
#include "quota/policy.hpp"

namespace milter {

/// All quotas; those with problems may be incomplete.
[[nodiscard]] std::vector<quota::Quota> read_quotas(Section& root, const quota::Spelling& spelling);

/// `[reply]`, or `[quota.reply]`.
[[nodiscard]] quota::ReplyTexts read_reply(Section& section);

/// The words that are used by more than one section.
inline constexpr Word<quota::Mode> mode_words[] = {{"enforce", quota::Mode::enforce},
                                                   {"observe", quota::Mode::observe}};

/// The sender that a match means once its +detail is cut, where it has one: as it is written it could never match.
[[nodiscard]] std::optional<std::string> without_detail(const quota::Match& match, const quota::Spelling& spelling);

/// What contradicts itself in one quota whose parts were each read without a problem.
void report_contradictions(Section& section, const quota::Quota& quota);

/// A quota's `[[quota.override]]` sections.
[[nodiscard]] std::vector<quota::OverrideRule> read_overrides(Section& section, const quota::Quota& quota, const quota::Spelling& spelling);

/// `limits`: a text or a list. Empty: absent or reported.
[[nodiscard]] std::optional<quota::Allowance> read_limits(Section& section);

}  // namespace milter
