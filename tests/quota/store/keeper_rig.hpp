// What tests of the keeper share: alice, what she has used, and the options of a keeper on a ScriptedLedger.
#pragma once

#include "quota/store/keeper.hpp"
#include "quota/store/random_id.hpp"
#include "tests/support/scripted_ledger.hpp"

namespace quota::keeper_rig {

using namespace std::chrono_literals;

inline const std::string alice = "user:alice@example.com";
inline const Identity alice_identity{Kind::user, "alice@example.com"};

inline KeeperOptions options(std::string host = "mx1") {
  return {.host = std::move(host), .means = {random_id, [](const std::string&) { return Milliseconds{168h}; }}};
}

inline Record used_record() {
  Record record;
  record.buckets["mailbox messages/15m"] = Bucket{250, 0, 250, 250, Timestamp{}};
  record.refusals["mailbox"] = Refusals{12, Timestamp{}};
  return record;
}

}  // namespace quota::keeper_rig
