// The file itself. What a restart makes of it: guarded_restart_test.cpp.
#include "quota/store/kept_shares.hpp"

#include <algorithm>
#include <atomic>
#include <functional>

#include "tests/quota/store/contract.hpp"
#include "tests/support/scripted_ledger.hpp"
#include "tests/support/temporary_folder.hpp"

namespace quota::test {
namespace {

using namespace std::chrono_literals;

constexpr auto steady = Timestamp{5'000s};
const Limit hundred = messages(100, 1h, 100);

Shares::Owed owed(const Identity& identity, const Limit& limit, std::int64_t from, std::int64_t to, bool is_handed_back = false) {
  return {identity, "mailbox", limit, {from, 3, limit.amount, limit.burst, start}, {to, 7, limit.amount, limit.burst, start}, 4, is_handed_back};
}

std::vector<Shares::Owed> example() {
  return {owed(user("alice"), hundred, 0, 40), owed(user("bob"), messages(250, 15min, 100), 10, 11, true), owed(everyone_identity(), hundred, 0, 49'000)};
}

EachOwed each(const std::vector<Shares::Owed>& all) {
  return [&all](const auto& take) { std::for_each(all.begin(), all.end(), take); };
}

/// Writes once, as a daemon does.
void write(const std::filesystem::path& path, const std::vector<Shares::Owed>& all, Timestamp at = start) {
  std::atomic<int> problems = 0;
  StateFile file({.path = path, .text = [&] { return text_of(each(all), at); }, .report = [&](const std::string&) { ++problems; }});
  file.changed();
  file.stop();
  REQUIRE(problems == 0);
}

}  // namespace

TEST_CASE("what is owed is recalled exactly, as of the time that has passed since") {
  const struct {
    Milliseconds later, want;
  } rows[] = {{0ms, 0ms}, {90s, 90s}, {8h, 8h}, {-1h, 0ms}};
  for (const auto& row : rows) {
    CAPTURE(row.later.count());
    const ::test::TemporaryFolder folder;
    const auto path = folder.path() / "state" / "shares";
    write(path, example());
    const auto recalled = recall_shares(path, start + row.later, steady);
    CHECK(recalled.note.empty());
    REQUIRE(recalled.owed.size() == 3);
    for (std::size_t i = 0; i < 3; ++i) {
      const auto want = example()[i];
      const auto& found = recalled.owed[i];
      CHECK(found.identity == want.identity);
      CHECK(found.quota == want.quota);
      CHECK(found.limit == want.limit);
      CHECK(found.nodes == want.nodes);
      CHECK(found.is_handed_back == want.is_handed_back);
      CHECK(found.start == Bucket{want.start.used, 3, want.limit.amount, want.limit.burst, steady - row.want});
      CHECK(found.now == Bucket{want.now.used, 7, want.limit.amount, want.limit.burst, steady - row.want});
    }
  }
}

TEST_CASE("a file is absent, or goes, where nothing is owed") {
  const ::test::TemporaryFolder folder;
  const auto path = folder.path() / "shares";
  CHECK(recall_shares(path, start, steady).owed.empty());
  CHECK(recall_shares(path, start, steady).note.empty());
  write(path, example());
  REQUIRE(std::filesystem::exists(path));
  write(path, {});
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("of a damaged file every share whose line is whole is owed, and it is kept aside") {
  const struct {
    const char* why;
    std::function<void(std::string&)> damage;
    std::size_t shares;
  } rows[] = {
      {"a byte of a share", [](auto& bytes) { bytes[bytes.find("alice")] = 'A'; }, 2},
      {"a byte of the first line", [](auto& bytes) { bytes[bytes.find("sendquota")] = 'S'; }, 0},
      {"its end is missing", [](auto& bytes) { bytes.resize(bytes.rfind("end") - 9); }, 3},
      {"it is something else", [](auto& bytes) { bytes = "\x7f" "ELF\n\n"; }, 0},
      {"it is empty", [](auto& bytes) { bytes.clear(); }, 0},
  };
  for (const auto& row : rows) {
    CAPTURE(row.why);
    const ::test::TemporaryFolder folder;
    const auto path = folder.path() / "shares";
    write(path, example());
    auto bytes = ::test::bytes_of(path);
    row.damage(bytes);
    ::test::write_bytes(path, bytes);
    const auto recalled = recall_shares(path, start, steady);
    CHECK(recalled.owed.size() == row.shares);
    CHECK(recalled.note.find("shares.damaged-") != std::string::npos);
    CHECK_FALSE(std::filesystem::exists(path));
  }
}

TEST_CASE("numbers that could not be counted are no shares") {
  const struct {
    const char* why;
    std::function<void(Shares::Owed&)> change;
    bool is_taken;
  } rows[] = {
      {"as it is written", [](auto&) {}, true},
      {"more used than 500 times any burst", [](auto& one) { one.now.used = std::int64_t{1} << 61; }, false},
      {"a remainder of a whole token", [](auto& one) { one.now.remainder = one.limit.rate().interval; }, false},
      {"no nodes", [](auto& one) { one.nodes = 0; }, false},
      {"501 nodes", [](auto& one) { one.nodes = Shares::most_nodes + 1; }, false},
      {"of another limit", [](auto& one) { one.start.burst = 99; }, false},
  };
  for (const auto& row : rows) {
    CAPTURE(row.why);
    const LevelMemory levels(100, 7);
    Shares shares(levels, 100, 7);
    auto one = owed(user("alice"), hundred, 0, 40);
    row.change(one);
    CHECK(shares.restore(one, start) == row.is_taken);
    CHECK(shares.size() == (row.is_taken ? 1 : 0));
  }
}

TEST_CASE("what is owed is added to a share that is in use already") {
  const LevelMemory levels(100, 7);
  Shares shares(levels, 100, 7);
  for (int i = 0; i < 2; ++i) CHECK(shares.restore(owed(user("alice"), hundred, 0, 40), start));
  CHECK(shares.size() == 1);
  const auto debts = shares.due(10, start);
  REQUIRE(debts.charges.size() == 1);
  CHECK(debts.charges[0].cost == 22);  // 40 and a part of 4 nodes, rounded up, then twice
}

TEST_CASE("while a file has to be absent it is, whatever was taken to be written before or is meanwhile; then it is written anew") {
  const ::test::TemporaryFolder folder;
  const auto path = folder.path() / "shares";
  const auto all = example();
  std::optional<StateFile::Absence> absence;
  std::atomic<int> texts = 0;
  std::atomic<bool> was_there = false;
  StateFile* writer = nullptr;
  StateFile file({.path = path,
                  .text =
                      [&] {
                        const auto text = text_of(each(all), start);
                        const int number = ++texts;
                        if (number == 1) absence.emplace(*writer);                              // after the text was taken
                        if (number <= 4) was_there = was_there || std::filesystem::exists(path);
                        if (number == 3) absence.reset();                                       // likewise
                        return text;
                      },
                  .written_within = 1ms});
  writer = &file;
  for (int number = 1; number <= 3; ++number) {
    file.changed();
    CHECK(eventually([&] { return texts >= number; }));
  }
  CHECK(eventually([&] { return texts >= 4 && std::filesystem::exists(path); }));
  CHECK_FALSE(was_there);
  file.stop();
  CHECK(recall_shares(path, start, steady).owed.size() == 3);
}

TEST_CASE("400,000 shares find room") {
  std::vector<Shares::Owed> all;
  for (int i = 0; i < 400'000; ++i) all.push_back(owed(user("a-mailbox-of-some-length-" + std::to_string(i)), hundred, 0, 40));
  const auto text = text_of(each(all), start);
  CHECK(text.left_out == 0);
  CHECK(text.lines.size() < most_bytes_of_shares / 2);
}

}  // namespace quota::test
