// The sections of the configuration other than `[[quota]]`. A part of config.cpp in files of its own.
#pragma once

#include "milter/config.hpp"
#include "milter/config_reader.hpp"

namespace milter {

void read_milter(Section& section, MilterSettings& into);
/// `record` may speak TLS, too, with the same files.
void read_store(Section& section, StoreSettings& into, const RecordSettings& record);
void read_identity(Section& section, Config& into, quota::Policy::Parts& parts);
void read_exempt(Section& section, quota::Exemptions& into, const quota::Spelling& spelling);
void read_hold(Section& section, HoldSettings& into);
void read_admin(Section& section, AdminSettings& into);
void read_log(Section& section, LogSettings& into);
void read_record(Section& section, RecordSettings& into);
void read_notify(Section& section, NotifySettings& into);

/// Reads `key` where it is there and `complaint` finds nothing wrong with it.
void read_text(Section& section, std::string_view key, std::string& into, std::string (*complaint)(std::string_view));

/// For read_text(): there is nothing that could be wrong.
[[nodiscard]] std::string any_text(std::string_view text);

/// `"0660"`. The owner must be able to read and write, or nobody could connect.
void read_socket_mode(Section& section, unsigned& into);

/// What is wrong with a group of this host; empty where nothing is.
[[nodiscard]] std::string group_problem(std::string_view text);

/// What is wrong with a listening socket in libmilter's notation; empty where nothing is.
[[nodiscard]] std::string socket_problem(std::string_view listen);

}  // namespace milter
