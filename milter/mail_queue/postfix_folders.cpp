#include "milter/mail_queue/postfix_folders.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <cstring>
#include <memory>

namespace milter::mail_queue {
namespace {

using admin::FileDescriptor;

struct Close {
  void operator()(DIR* folder) const { ::closedir(folder); }
};
using Folder = std::unique_ptr<DIR, Close>;

/// In the order in which a message passes through them, so that few are missed on their way.
constexpr const char* queues[] = {"incoming", "active", "deferred", "hold"};
constexpr int most_depth = 16;

Folder open_folder(int at, const char* name) {
  FileDescriptor file(::openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  DIR* folder = file.is_open() ? ::fdopendir(file.get()) : nullptr;
  if (folder != nullptr) static_cast<void>(file.release());
  return Folder(folder);
}

/// A sub-folder has a name of one letter, and no message has.
void visit_folder(int at, const char* name, const std::string& path, int depth, const std::function<void(const std::string&, const char*)>& visit) {
  const auto folder = open_folder(at, name);
  if (!folder) return;
  while (const auto* entry = ::readdir(folder.get())) {
    if (entry->d_name[0] == '.') continue;
    if (entry->d_name[1] != '\0') {
      visit(path, entry->d_name);
    } else if (depth < most_depth) {
      visit_folder(::dirfd(folder.get()), entry->d_name, path + "/" + entry->d_name, depth + 1, visit);
    }
  }
}

}  // namespace

void visit_files(int queue_directory, const std::function<void(const QueuePlace&)>& visit) {
  for (const auto* queue : queues) {
    const bool is_held = std::strcmp(queue, "hold") == 0;
    visit_folder(queue_directory, queue, queue, 0, [&](const std::string& folder, const char* name) { visit({is_held, folder, name}); });
  }
}

FileDescriptor open_message(int queue_directory, const std::string& path) {
  FileDescriptor file(::openat(queue_directory, path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat status {};
  if (!file.is_open() || ::fstat(file.get(), &status) != 0) return FileDescriptor();
  // Postfix's mark of a message that is whole.
  const bool is_whole = S_ISREG(status.st_mode) && (status.st_mode & S_IRWXU) == S_IRWXU;
  return is_whole ? std::move(file) : FileDescriptor();
}

}  // namespace milter::mail_queue
