#include "milter/mail_queue/postfix_settings.hpp"

#include <unistd.h>

#include <array>

#include "milter/mail_queue/lines.hpp"
#include "milter/mail_queue/programs.hpp"
#include "milter/mail_queue/queue_id.hpp"

namespace milter::mail_queue {
namespace {

constexpr auto names = std::to_array<const char*>({"myhostname", "queue_directory", "command_directory", "mail_name", "double_bounce_sender"});

std::vector<std::string> with_config(std::vector<std::string> words, const std::string& config) {
  if (!config.empty()) words.insert(words.end(), {"-c", config});
  return words;
}

}  // namespace

std::vector<std::string> PostfixSettings::command(const std::string& program) const {
  return with_config({command_directory + "/" + program}, config);
}

std::string find_postconf() {
  for (const char* path : {"/usr/sbin/postconf", "/usr/local/sbin/postconf", "/usr/bin/postconf"}) {
    if (::access(path, X_OK) == 0) return path;
  }
  return {};
}

quota::Result<PostfixSettings, std::string> read_settings(const std::string& postconf, const std::string& config) {
  using Settings = PostfixSettings;
  if (!config.empty() && config.front() != '/') return quota::failed<Settings>("the folder of main.cf is to be an absolute path, not \"" + printable(config) + "\"");
  auto words = with_config({postconf}, config);
  words.emplace_back("-xh");  // values alone, with what they refer to put in
  words.insert(words.end(), names.begin(), names.end());
  std::vector<std::string> values;
  Lines lines([&](std::string_view line) { values.emplace_back(line); });
  const auto done = run_to_end({.words = words, .output = [&](std::string_view piece) { lines.take(piece); }});
  if (!done) return quota::failed<Settings>(done.error());
  if (values.size() != names.size()) return quota::failed<Settings>(postconf + ": says something else than was asked for");
  const Settings settings{config, values[0], values[1], values[2], values[3], values[4]};
  for (const auto& path : {settings.queue_directory, settings.command_directory}) {
    if (path.empty() || path.front() != '/') return quota::failed<Settings>(postconf + ": names \"" + printable(path) + "\" where a folder is to be");
  }
  return settings;
}

}  // namespace milter::mail_queue
