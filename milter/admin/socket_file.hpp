// A listening unix socket in the file system, from its safe creation to its removal.
//
// Nobody gets in before the file has its group and mode: it is born with 0600 whatever the umask, and listens last.
// Beside it lies `PATH.lock`, locked for as long as the socket lives and never removed: of two daemons that start at
// once on one path one wins, and a dead daemon's socket can be told from a live one's.
// Known limit: whoever may write to the socket's directory can take the path away; that is the directory's business.
#pragma once

#include <sys/stat.h>

#include <string>

#include "milter/admin/file_descriptor.hpp"
#include "quota/result.hpp"

namespace milter::admin {

struct SocketSettings {
  std::string path;
  mode_t mode = 0660;
  std::string group = {};  // by name; empty: the process's own
};

/// Makes the path of a unix socket ours: locks `PATH.lock` for as long as what is returned lives, and removes the socket that
/// a dead daemon left at `path`. For sockets that somebody else (libmilter) opens.
/// Errors: as of SocketFile::listen.
[[nodiscard]] quota::Result<FileDescriptor, std::string> claim_socket_path(const std::string& path);

class SocketFile {
 public:
  /// A socket listens at `settings.path`; one that a dead daemon left there was removed.
  /// Errors:  a sentence that names the path and says what to do: another daemon listens there, what lies there is no
  ///          socket, no such group, not permitted, path too long. Nothing is left behind then.
  [[nodiscard]] static quota::Result<SocketFile, std::string> listen(const SocketSettings& settings);

  SocketFile(SocketFile&& other) noexcept;
  SocketFile& operator=(SocketFile&& other) noexcept = delete;
  /// Removes the file if it is still ours.
  ~SocketFile();

  /// Gives the listening descriptor to the caller, who closes it; the file stays ours.
  [[nodiscard]] int release_descriptor() { return socket_.release(); }

 private:
  SocketFile() = default;

  std::string path_;
  FileDescriptor lock_;
  FileDescriptor socket_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace milter::admin
