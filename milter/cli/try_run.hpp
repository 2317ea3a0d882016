// TryRun: made-up messages played to a running daemon, and what became of them, message by message but told in runs.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "milter/mta/delivery.hpp"

namespace milter::cli {

struct TryPlan {
  std::string milter;  ///< the daemon's milter socket, in libmilter's notation
  mta::Message message;
  std::size_t count = 1;
};

/// Messages in a row that met the same fate with the same words.
struct TryRow {
  std::size_t first = 0;  ///< from 1
  std::size_t last = 0;
  mta::Fate fate = mta::Fate::passed;
  std::string stage;      ///< where it was decided: MAIL, RCPT, DATA, END-OF-MESSAGE
  std::string answer;     ///< the SMTP reply, or the reason of a hold
};

struct TryResult {
  std::vector<TryRow> rows;
  std::optional<mta::ClientError> error;  ///< why it ended before its time
};

/// Plays all messages, one after another; over SMTP on one connection, local ones on a connection each, as Postfix does.
/// `progress` is told how many are done.
[[nodiscard]] TryResult run_try(const TryPlan& plan, const std::function<void(std::size_t)>& progress);

}  // namespace milter::cli
