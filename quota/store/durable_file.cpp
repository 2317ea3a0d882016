#include "quota/store/durable_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

namespace quota {
namespace {

std::filesystem::path draft_of(const std::filesystem::path& path) { return path.native() + ".new"; }

}  // namespace

FileHandle::~FileHandle() {
  if (is_open()) ::close(descriptor_);
}

std::string system_complaint(std::string_view verb, const std::filesystem::path& path) {
  const auto why = std::generic_category().message(errno);
  return "cannot " + std::string(verb) + " " + path.native() + ": " + why;
}

bool write_all(const FileHandle& file, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto written = ::write(file.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

Result<void, std::string> sync_folder(const std::filesystem::path& folder) {
  const FileHandle handle{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!handle.is_open() || ::fsync(handle.get()) != 0) return system_complaint("sync", folder);
  return {};
}

Result<DurableFile, std::string> DurableFile::create(const std::filesystem::path& path, mode_t mode) {
  const auto draft = draft_of(path);
  FileHandle file{::open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)};
  if (!file.is_open()) return system_complaint("create", draft);
  return DurableFile{path, std::move(file)};
}

DurableFile::~DurableFile() {
  if (file_.is_open()) ::unlink(draft().c_str());
}

std::filesystem::path DurableFile::draft() const { return draft_of(path_); }

void DurableFile::write(std::string_view bytes) {
  if (problem_.empty() && !write_all(file_, bytes)) problem_ = system_complaint("write", draft());
}

Result<void, std::string> DurableFile::commit() {
  if (!problem_.empty()) return problem_;
  if (::fsync(file_.get()) != 0) return system_complaint("sync", draft());
  if (::rename(draft().c_str(), path_.c_str()) != 0) return system_complaint("replace", path_);
  const FileHandle done = std::move(file_);  // from here on there is no draft to take away
  return sync_folder(path_.parent_path());
}

}  // namespace quota
