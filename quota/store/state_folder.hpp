// The folder `state_dir`: one daemon at a time writes in it.
#pragma once

#include <mutex>

#include "quota/store/durable_file.hpp"

namespace quota {

/// Makes the folder where it is absent and takes its file `lock`, which is held until the handle goes and names our process.
/// Errors: a sentence for the administrator, who may be running another daemon in it.
[[nodiscard]] Result<FileHandle, std::string> lock_state_folder(const std::filesystem::path& folder);

/// The folder as all of a daemon that writes in it share it: locked when the first of them does.
class StateFolder {
 public:
  explicit StateFolder(std::filesystem::path path) : path_(std::move(path)) {}

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  /// Returns with the lock, from now on held until the folder goes. Errors: as lock_state_folder(); to be tried again. Threads: any.
  [[nodiscard]] Result<void, std::string> lock();

 private:
  const std::filesystem::path path_;
  std::mutex mutex_;
  FileHandle lock_;  // guarded by mutex_
};

}  // namespace quota
