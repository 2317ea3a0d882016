#include "milter/mail_queue/sendmail_folders.hpp"

#include <strings.h>

#include <algorithm>
#include <filesystem>

namespace milter::mail_queue {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view option = "queuedirectory";

std::string_view without_blanks(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r");
  return first == std::string_view::npos ? std::string_view() : text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

/// `O QueueDirectory=/var/spool/mqueue`
std::string_view directory_of(std::string_view line) {
  const auto equals = line.find('=');
  if (!line.starts_with("O ") || equals == std::string_view::npos) return {};
  const auto name = without_blanks(line.substr(2, equals - 2));
  const bool is_it = name.size() == option.size() && ::strncasecmp(name.data(), option.data(), option.size()) == 0;
  return is_it ? without_blanks(line.substr(equals + 1)) : std::string_view();
}

/// `Qlists, Path=/var/spool/lists/q*, Flags=f`: of a field's name the first letter counts.
std::string_view path_of_group(std::string_view line) {
  if (!line.starts_with("Q")) return {};
  for (auto comma = line.find(','); comma != std::string_view::npos; comma = line.find(',')) {
    line.remove_prefix(comma + 1);
    const auto field = without_blanks(line.substr(0, line.find(',')));
    const auto equals = field.find('=');
    if (field.starts_with("P") && equals != std::string_view::npos) return without_blanks(field.substr(equals + 1));
  }
  return {};
}

SendmailFolder folder_of(const fs::path& path) {
  const auto part = [&](const char* name) {
    std::error_code ignored;
    return (fs::is_directory(path / name, ignored) ? path / name : path).native();
  };
  return {part("qf"), part("df"), part("xf")};
}

}  // namespace

std::vector<std::string> queue_paths(std::string_view cf) {
  std::string main;
  std::vector<std::string> groups;
  while (!cf.empty()) {
    const auto line = cf.substr(0, cf.find('\n'));
    cf.remove_prefix(std::min(line.size() + 1, cf.size()));
    if (const auto path = directory_of(line); !path.empty()) main = path;
    if (const auto path = path_of_group(line); !path.empty()) groups.emplace_back(path);
  }
  std::vector<std::string> paths;
  if (!main.empty()) paths.push_back(main);
  const auto base = main.ends_with('*') ? fs::path(main).parent_path() : fs::path(main);
  for (const auto& group : groups) {
    auto path = (base / group).native();  // an absolute one stays as it is
    if (std::find(paths.begin(), paths.end(), path) == paths.end()) paths.push_back(std::move(path));
  }
  return paths;
}

std::vector<SendmailFolder> folders_of(const std::string& path) {
  std::error_code failed;
  std::vector<SendmailFolder> folders;
  if (!path.ends_with('*')) {
    if (fs::is_directory(path, failed)) folders.push_back(folder_of(path));
    return folders;
  }
  const fs::path pattern(path.substr(0, path.size() - 1));
  for (fs::directory_iterator entry(pattern.parent_path(), failed), end; !failed && entry != end; entry.increment(failed)) {
    std::error_code ignored;
    const bool matches = entry->path().filename().native().starts_with(pattern.filename().native());
    if (matches && entry->is_directory(ignored)) folders.push_back(folder_of(entry->path()));
  }
  return folders;
}

}  // namespace milter::mail_queue
