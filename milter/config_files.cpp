#include "milter/config_files.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <memory>

#include "milter/config_problem.hpp"
#include "milter/file_state.hpp"
#include "quota/text.hpp"

namespace milter {
namespace {

using quota::Result;

constexpr std::size_t longest_account_file = 64U << 20U;
constexpr std::size_t longest_password = 1024;

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

std::string unreadable(int error) { return std::string("cannot be read: ") + std::strerror(error); }

}  // namespace

Result<std::string, std::string> read_file(const std::string& path, std::size_t longest) {
  const std::unique_ptr<std::FILE, CloseFile> file(std::fopen(path.c_str(), "re"));
  if (!file) return failed<std::string>(unreadable(errno));
  std::string text;
  char block[64 * 1024];
  while (const auto got = std::fread(block, 1, sizeof block, file.get())) {
    text.append(block, got);
    if (text.size() > longest) return failed<std::string>("is larger than " + std::to_string(longest) + " bytes");
  }
  if (std::ferror(file.get()) != 0) return failed<std::string>(unreadable(errno));
  return {boost::system::in_place_value, std::move(text)};
}

std::string resolved(const std::string& path, const std::string& file_name) {
  return (std::filesystem::path(file_name).parent_path() / path).string();
}

Result<std::string, std::string> password_in(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0)
    return failed<std::string>(path + " " + unreadable(errno) + "; write the path of a file that holds the password");
  if (!S_ISREG(status.st_mode))
    return failed<std::string>(path + " is no file; write the path of a file that holds the password");
  if ((status.st_mode & 07) != 0)
    return failed<std::string>("everybody on this host may use " + path + "; run chmod o= on it");
  const auto text = read_file(path, longest_password);
  if (!text) return failed<std::string>(path + " " + text.error());
  auto password = std::string_view(*text);
  while (password.ends_with('\n') || password.ends_with('\r')) password.remove_suffix(1);
  if (password.empty()) return failed<std::string>(path + " is empty; write the password into its first line");
  if (password.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos)
    return failed<std::string>(path + " has several lines; keep the one with the password");
  return {boost::system::in_place_value, password};
}

FileState state_of(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return {};
  const auto modified = std::chrono::seconds{status.st_mtim.tv_sec} + std::chrono::nanoseconds{status.st_mtim.tv_nsec};
  return {true, modified.count(), status.st_size, status.st_ino};
}

Result<quota::AccountMap, std::vector<Problem>> load_accounts(const std::string& path, const quota::Spelling& spelling) {
  const auto text = read_file(path, longest_account_file);
  if (!text)
    return std::vector{Problem{path, 0, 0, text.error(), "write the path of a file with lines like 'user:alice@example.com acme gold'"}};
  auto file = quota::parse_account_file(*text, spelling);
  if (file.problems.empty()) return std::move(file.accounts);
  std::vector<Problem> problems;
  for (auto& [line, what] : file.problems) problems.push_back(Problem{path, line, 0, std::move(what), {}});
  return problems;
}

quota::AccountMap read_accounts(Section& section, const std::string& path, const quota::Spelling& spelling) {
  auto loaded = load_accounts(resolved(path, section.findings().file_name()), spelling);
  if (loaded) return std::move(*loaded);
  for (auto& problem : loaded.error()) {
    if (problem.line == 0)
      section.problem("accounts", problem.file + " " + problem.what, problem.instead);
    else
      section.findings().add(std::move(problem));
  }
  return {};
}

}  // namespace milter
