// SendmailFolders: where the queue files of a Sendmail lie, as its sendmail.cf says.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace milter::mail_queue {

/// One queue directory: the same folder three times, or its sub-folders qf, df and xf where they are.
struct SendmailFolder {
  std::string qf{}, df{}, xf{};
};

/// The option QueueDirectory and the Path of each queue group (`Q` lines), in the order of `cf`, each once; a relative Path is below
/// QueueDirectory. The last component may end with `*`.
[[nodiscard]] std::vector<std::string> queue_paths(std::string_view cf);

/// The folders that a path stands for; those that are not there are left out.
[[nodiscard]] std::vector<SendmailFolder> folders_of(const std::string& path);

}  // namespace milter::mail_queue
