// A desk at a real store in a folder of its own, and what its answers are read with.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "milter/desk.hpp"
#include "milter/fingerprint.hpp"
#include "quota/store/blocker.hpp"
#include "tests/support/counted_log.hpp"
#include "tests/support/example_config.hpp"
#include "tests/support/must_own.hpp"
#include "tests/support/scripted_ledger.hpp"
#include "tests/support/temporary_folder.hpp"

namespace milter::desk_rig {

using namespace std::chrono_literals;
namespace json = boost::json;

inline constexpr std::string_view mailbox = R"(
identity.default_realm = "example.com"
[[quota]]
name   = "mailbox"
per    = "user"
limits = "250 messages / 15m"
[[quota]]
name   = "hosts"
per    = "client"
limits = "1000 messages / 1h"
)";

inline const admin::Caller root{0, 1, "root"};

class Office {
 public:
  Office() { REQUIRE(keeper.first_read(5s)); }

  CountedLog log{};
  ::test::TemporaryFolder folder{};
  std::shared_ptr<const Config> config =
      config_of("store.state_dir = \"" + folder.path().native() + "\"\n" + std::string(mailbox));
  std::unique_ptr<StoreSetup> setup = quota::must_own(StoreSetup::open(*config));
  std::unique_ptr<RecordBook> book = quota::must_own(RecordBook::open(*config, *setup));
  quota::Keeper keeper{setup->ledger(), {.host = "mx1", .means = {.new_id = [] { return "id"; }, .forget = [](const std::string&) { return 1h; }}}};
  quota::Handles handles{setup->ledger(), "mx1", [] { return "id"; }};
  quota::Blocker blocker{setup->ledger(), keeper, {.host = "mx1", .rule = [](const std::string&) { return std::nullopt; }, .flush_every = 1h}};
  Counters counters{};
  quota::NodeRegistry nodes{setup->ledger(), {.name = "mx1", .host = "mx1", .version = "0.1.0", .setting = [this] { return quota::NodeSetting{fingerprint_of(*config), {}}; }}};
  std::optional<std::vector<std::string>> reload_problems{};
  int forgotten = 0;
  Desk desk{{*setup, *book, keeper, handles, counters, [this] { return config; }, [] { return quota::Timestamp{1'763'790'000'000ms}; },
             [this](const std::string&) { return reloaded(); }, [this] { ++forgotten; },
             [this](const quota::Identity& who) { blocker.forget(who); }, "mx1", nodes, "mx1"}};

  [[nodiscard]] Reloaded reloaded() const {
    if (reload_problems) return {boost::system::in_place_error, *reload_problems};
    return config;
  }
  [[nodiscard]] std::vector<std::string> events() {
    std::vector<std::string> names;
    const auto events = setup->ledger().events({});
    REQUIRE(events.has_value());
    for (const auto& [id, event] : *events) names.push_back(event.what + " " + event.identity + " by " + event.by);
    return names;
  }
};

inline json::object done(const Desk::Answer& answer) {
  if (!answer) FAIL(answer.error().what);
  return *answer;
}
inline admin::Problem refused(const Desk::Answer& answer) {
  REQUIRE_FALSE(answer.has_value());
  return answer.error();
}
inline std::set<std::string> keys(const json::value& value) {
  std::set<std::string> keys;
  for (const auto& entry : value.as_object()) keys.emplace(entry.key());
  return keys;
}

}  // namespace milter::desk_rig
