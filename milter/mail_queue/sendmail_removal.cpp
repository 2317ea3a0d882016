#include "milter/mail_queue/sendmail_removal.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "milter/admin/file_descriptor.hpp"

namespace milter::mail_queue {
namespace {

bool is_locked_by_us(int file) {
  struct flock whole {};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  return ::flock(file, LOCK_EX | LOCK_NB) == 0 && ::fcntl(file, F_SETLK, &whole) == 0;
}

/// It may have been let go, or delivered, before we had the lock.
bool is_still_there(int file, const std::string& path) {
  struct stat opened {}, named {};
  return ::fstat(file, &opened) == 0 && ::lstat(path.c_str(), &named) == 0 && S_ISREG(named.st_mode) && opened.st_ino == named.st_ino &&
         opened.st_dev == named.st_dev;
}

}  // namespace

bool remove_quarantined(const std::string& id, const SendmailFolder& folder, std::span<const SendmailFolder> all) {
  const auto path = folder.qf + "/hf" + id;
  const admin::FileDescriptor file(::open(path.c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file.is_open() || !is_locked_by_us(file.get()) || !is_still_there(file.get(), path)) return false;
  // First what makes it a message: without it the rest is nothing.
  if (::unlink(path.c_str()) != 0) return false;
  ::unlink((folder.xf + "/xf" + id).c_str());
  if (::unlink((folder.df + "/df" + id).c_str()) == 0) return true;
  for (const auto& other : all) ::unlink((other.df + "/df" + id).c_str());
  return true;
}

}  // namespace milter::mail_queue
