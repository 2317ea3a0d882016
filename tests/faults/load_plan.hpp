// The plan of a load: which milters, how many connections, and groups of senders with their paces. Pure.
//
//   milter unix:/run/one.sock          one line each; connections are dealt to them in turn
//   connections 64
//   group innocent 50 60 limit=1000    50 senders, 60 messages a second in all: each sends 1.2 a second, evenly
//   group sweep 1000000 max limit=1000000     as fast as connections come free, each sender once
//   group slow 5 2 start=1.5 milter=0 recipients=3 domain=example.org
//
// A sender's login is GROUP and its number, at the group's domain. A paced message that finds no connection free, or is due for
// longer than a machine takes that works, is skipped and counted: to catch up later would be another load than the one that
// was asked for.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "quota/result.hpp"

namespace faults {

using Clock = std::chrono::steady_clock;
using Moment = Clock::time_point;
using Nanoseconds = std::chrono::nanoseconds;

/// Constant while the load runs, but for what is marked.
struct Group {
  std::string name;
  std::uint64_t senders = 1;
  std::optional<double> per_second{};       ///< messages of the whole group; empty: as fast as possible. Can change.
  std::optional<std::uint64_t> limit{};     ///< messages in all
  std::optional<std::size_t> milter{};      ///< only by connections to this one
  std::size_t recipients = 1;
  std::string domain = "example.test";
  double start = 0;                         ///< seconds after the begin
  // Where it stands.
  std::uint64_t begun = 0;
  std::uint64_t skipped = 0;
  Moment due{};

  [[nodiscard]] bool is_over() const { return limit && begun + skipped >= *limit; }
  [[nodiscard]] std::uint64_t next_sender() const { return (begun + skipped) % senders; }
  [[nodiscard]] std::string login(std::uint64_t sender) const { return name + std::to_string(sender) + "@" + domain; }
};

struct Plan {
  std::vector<std::string> milters;
  std::size_t connections = 64;
  std::vector<Group> groups;

  [[nodiscard]] Group* find(const std::string& name);
};

/// Takes one line of the plan. Errors: the line, and what is wrong with it.
[[nodiscard]] quota::Result<void, std::string> add_line(Plan& plan, const std::string& line);

}  // namespace faults
