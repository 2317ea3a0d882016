// PostfixFolders: the files of Postfix's queue, wherever they lie: the folders of a queue may be hashed to any depth.
#pragma once

#include <functional>
#include <string>

#include "milter/admin/file_descriptor.hpp"

namespace milter::mail_queue {

/// A file of the queue; `folder` and `name` are valid during the call only.
struct QueuePlace {
  bool is_held = false;
  const std::string& folder;  ///< below queue_directory, e.g. `hold` or `deferred/A/3`
  const char* name;
};

/// Calls `visit` for each file of incoming, active, deferred and hold: those are Postfix's responsibility. A message that moves meanwhile
/// may be seen twice, or not at all. `queue_directory` is an open folder.
void visit_files(int queue_directory, const std::function<void(const QueuePlace&)>& visit);

/// A message's file, if it is there and Postfix has written it to its end.
[[nodiscard]] admin::FileDescriptor open_message(int queue_directory, const std::string& path);

}  // namespace milter::mail_queue
