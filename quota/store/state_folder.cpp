#include "quota/store/state_folder.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>

namespace quota {

Result<FileHandle, std::string> lock_state_folder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return "cannot make state_dir " + folder.native() + ": " + error.message();
  const auto path = folder / "lock";
  FileHandle file{::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640)};
  if (!file.is_open()) return system_complaint("open", path);
  if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return system_complaint("lock", path);
    std::string pid;
    std::getline(std::ifstream(path), pid);
    return "state_dir " + folder.native() + " is in use by another sendquotad (process " + pid +
           "); stop that one, or give this one a state_dir of its own";
  }
  // Whose it is is for people to read: a full disk takes the folder from nobody.
  if (::ftruncate(file.get(), 0) == 0) (void)write_all(file, std::to_string(::getpid()) + "\n");
  return file;
}

Result<void, std::string> StateFolder::lock() {
  const std::lock_guard guard(mutex_);
  if (lock_.is_open()) return {};
  auto lock = lock_state_folder(path_);
  if (!lock) return lock.error();
  lock_ = std::move(*lock);
  return {};
}

}  // namespace quota
