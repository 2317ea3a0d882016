// DurableFile: a file that is replaced as a whole or not at all, whatever happens in between.
//
// Written beside its place as `NAME.new`, synced, renamed over it, and the folder synced: after a crash the old content
// is there, or the new one, never a mixture. Errors say what failed, where and why.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "quota/result.hpp"

namespace quota {

/// Owns an open file.
class FileHandle {
 public:
  FileHandle() = default;
  explicit FileHandle(int descriptor) : descriptor_(descriptor) {}
  FileHandle(FileHandle&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  FileHandle& operator=(FileHandle&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~FileHandle();

  [[nodiscard]] int get() const { return descriptor_; }
  [[nodiscard]] bool is_open() const { return descriptor_ >= 0; }

 private:
  int descriptor_ = -1;
};

/// `cannot VERB PATH: No space left on device`, from errno.
[[nodiscard]] std::string system_complaint(std::string_view verb, const std::filesystem::path& path);

/// Writes all of `bytes`. Errors: errno; some of them may have been written.
[[nodiscard]] bool write_all(const FileHandle& file, std::string_view bytes);

/// Makes renames and new names in `folder` last.
[[nodiscard]] Result<void, std::string> sync_folder(const std::filesystem::path& folder);

class DurableFile {
 public:
  /// `mode`: its permissions, less the umask.
  [[nodiscard]] static Result<DurableFile, std::string> create(const std::filesystem::path& path, mode_t mode = 0640);
  DurableFile(DurableFile&&) = default;
  DurableFile& operator=(DurableFile&&) = delete;
  ~DurableFile();

  /// A failure is kept and reported by commit().
  void write(std::string_view bytes);

  /// The file is at its place, on disk, with everything that was written.
  /// Errors: the old one is at its place; where only the folder could not be synced, either of the two.
  [[nodiscard]] Result<void, std::string> commit();

 private:
  DurableFile(const std::filesystem::path& path, FileHandle file) : path_(path), file_(std::move(file)) {}
  [[nodiscard]] std::filesystem::path draft() const;

  std::filesystem::path path_;
  FileHandle file_;
  std::string problem_{};
};

}  // namespace quota
