// What is done about one sender's mail by whoever is root on this host, and told to the daemon: `sendquota held` and `sendquota queue`
// without --all-hosts.
#pragma once

#include <string>

#include "milter/cli/ask.hpp"
#include "milter/cli/queue_run.hpp"

namespace milter::cli {

struct DoneHere {
  QueueTask task{};  ///< its host is found here
  std::string reason{};
  mail_queue::Settings mta{};
};

/// Does it until all is done, however long the sender's own rate takes, tells the daemon, and prints the counts. An interruption ends it
/// between two pieces; what was done until then is told and printed as well, and the signal ends the program.
///
/// Errors: where nothing of the kind is known of this host, the answer is no.
[[nodiscard]] ExitCode act_here(Session& session, const DoneHere& wanted);

}  // namespace milter::cli
