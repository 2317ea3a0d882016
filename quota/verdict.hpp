// Verdict: what is to happen to a message, and everything needed to explain it. A value; the reply, the log line and the
// counters read it, nobody else does.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "quota/identity.hpp"
#include "quota/units.hpp"

namespace quota {

/// In the order of severity where several fail.
enum class Action : std::uint8_t { accept, quarantine, tempfail, reject };
[[nodiscard]] std::string_view name(Action action);
[[nodiscard]] std::optional<Action> action_called(std::string_view name);

/// Why a verdict is what it is.
enum class Cause : std::uint8_t {
  inbound,          ///< not ours to judge
  exempt,           ///< an exemption covers it
  uncovered,        ///< outgoing, and no quota covers it
  within,           ///< every limit held, and it was charged
  over,             ///< a bucket did not hold
  too_big,          ///< it can never fit: cost above the burst, or a `/ message` bound
  nothing_allowed,  ///< a limit `none`
  blocked,          ///< one of its identities is blocked
  outage,           ///< the store had no answer
};
[[nodiscard]] std::string_view name(Cause cause);
[[nodiscard]] std::optional<Cause> cause_called(std::string_view name);

/// One quota (or block) that a message failed, as facts for the reply and the log.
struct Failure {
  Cause cause = Cause::over;
  Action action = Action::reject;
  Identity identity{Kind::everyone, ""};
  std::string quota;           ///< its name; empty for a block made by hand
  std::string limit;           ///< canonical text, empty for a block
  Unit unit = Unit::messages;
  std::int64_t used = 0;       ///< of `burst`, in whole units
  std::int64_t burst = 0;      ///< also the bound of a `/ message` limit
  std::int64_t cost = 0;
  std::optional<Timestamp> retry_at{};  ///< empty: waiting does not help
  std::string reason{};        ///< a block's
  bool is_certain = false;     ///< not even the smallest message fits now
  std::optional<Timestamp> smallest_at{};  ///< when the smallest one fits, where it is certain and waiting helps
  bool is_from_share = false;  ///< this daemon's share said so: not for good, and not counted towards a block

  bool operator==(const Failure&) const = default;
};

/// An identity that has reached `after` refusals of a quota, and must now be blocked.
struct BlockDue {
  Identity identity;
  std::string quota;
  std::int64_t refusals;
  bool operator==(const BlockDue&) const = default;
};

/// A bucket that this message took past `warn_at`.
struct Warning {
  Identity identity;
  std::string quota;
  std::string limit;
  std::int64_t used;
  std::int64_t burst;
  bool operator==(const Warning&) const = default;
};

struct Verdict {
  Action action = Action::accept;
  Cause cause = Cause::within;
  std::optional<Failure> decider{};    ///< the failure that decided; empty where none did
  std::vector<Failure> observed{};     ///< what would have failed, had it been enforced
  std::vector<BlockDue> blocks_due{};
  std::vector<Warning> warnings{};
  std::string outage{};                ///< the store's error, where it had no answer to all or to some of it

  bool operator==(const Verdict&) const = default;
};

}  // namespace quota
